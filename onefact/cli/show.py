"""How results look on the terminal: tables, masks, progress; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from onefact.masking import mask, mask_key
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.delivery.pusher import Pushed
    from onefact.pull import Pulled
    from onefact.status import Status
    from onefact.trace import Trace
    from schemas.records import Change

STATES = (
    "planned",
    "pending",
    "verified",
    "sent",
    "awaiting_person",
    "rejected",
    "conflict",
    "no_answer",
    "dead",
    "superseded",
)
"""Outbox states in the order in which they are shown."""


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, numeric: Sequence[str] = ()
) -> Table:
    """Return a table; columns named in `numeric` are aligned right."""
    made = Table(title=title, title_justify="left", header_style="bold", row_styles=["", "dim"])
    for name in columns:
        made.add_column(name, justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if v is None else str(v) for v in row))
    return made


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar over `total` systems (on standard error, so that output can be piped)."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=quiet,
    )  # fmt: skip
    with bar:
        yield bar, bar.add_task("", total=total or None, what="")


COUNTED = ("received", "taken", "unchanged", "rejected", "duplicates")
"""The outcomes of records; the last four add up to the first."""

COUNTED_CN = ("收到", "采用", "未变", "退回", "重复")

LEVELS = {"record": "整条", "value": "字段值", "warning": "提示"}
"""Levels of rejects in the words of the people who read them."""

CN = {
    "planned": "待发", "pending": "在途", "sent": "已发待回执", "verified": "已核实", "rejected": "被拒", "conflict": "冲突",
    "no_answer": "无应答", "awaiting_person": "待人工录入", "dead": "终止", "superseded": "已被新计划取代",
    "closed": "正常", "open": "熔断", "held": "已暂停",
}  # fmt: skip
"""States in the words of the people who read them."""


def pulled(console: Console, results: Sequence[Pulled]) -> None:
    """Show what was pulled, a row per system, and the sums."""
    rows = []
    for r in results:
        c = r.counts
        rows.append(
            [
                r.system_id,
                c.received,
                c.taken,
                c.unchanged,
                c.rejected,
                c.duplicates,
                c.rejected_values,
                "" if not r.error else "未读到",
            ]
        )
    total = [sum(getattr(r.counts, name) for r in results) for name in (*COUNTED, "rejected_values")]
    rows.append([f"共 {len(results)} 个系统", *total, ""])
    console.print(table("拉取", ["系统", *COUNTED_CN, "退回的值", ""], rows, numeric=[*COUNTED_CN, "退回的值"]))
    for r in results:
        if r.error:
            console.print(f"[red]✗[/] {r.error}", markup=True, highlight=False)
        for doubt in r.doubts:
            console.print(f"[yellow]![/] {doubt}", highlight=False)
        if r.counts.withheld_removals:
            console.print(
                f"[yellow]![/] {r.system_id}：这次读数中缺少 {r.counts.withheld_removals} 条记录，多得不可信，一条也没有删除。"
                "请重新拉取，或检查来源。"
            )


def pushed(console: Console, results: Sequence[Pushed]) -> None:
    """Show the outcomes of a push, a row per system."""
    names = [s for s in STATES if any(r.states.get(s) for r in results)]
    rows = [[r.system_id, *(r.states.get(s, 0) or "" for s in names)] for r in results]
    if rows:
        rows.append([f"共 {len(results)} 个系统", *(sum(r.states.get(s, 0) for r in results) for s in names)])
        heads = [CN.get(s, s) for s in names]
        console.print(table("回写", ["系统", *heads], rows, numeric=heads))
    else:
        console.print("没有待发的改动：各系统都已是应有的值。")
    for r in results:
        if r.error:
            console.print(f"[red]✗[/] {r.error}", highlight=False)


def dry_run(console: Console, changes: Sequence[Change], full: bool, limit: int = 200) -> None:
    """Show planned changes field by field: what the system holds and what it would get."""
    rows = []
    for change in changes[:limit]:
        for item in change.changes:
            kind = ENTITIES[change.entity_type].field(item.field)
            old, new = (v if full or v is None else mask(kind, v) for v in (item.old, item.new))
            rows.append(
                [
                    change.system_id,
                    (change.record_key if full else mask_key(change.record_key)) if change.record_key else "（新增）",
                    f"{kind.cn} {item.field}",
                    old or "—",
                    new or "—",
                ]
            )
    fields = sum(len(c.changes) for c in changes)
    console.print(table("试运行：什么也没有写", ["系统", "记录", "字段", "现值", "将写为"], rows))
    shown = f"（只显示前 {limit} 条；--json 给出全部）" if len(changes) > limit else ""
    console.print(f"{len({c.system_id for c in changes})} 个系统，{len(changes)} 条记录，{fields} 个字段{shown}。")


def status(console: Console, now: Status) -> None:
    """Show the state of the installation."""
    rows = []
    for s in now.systems:
        waiting = "，".join(f"{CN[name]} {s.outbox[name]}" for name in STATES if s.outbox.get(name))
        rows.append([
            s.system_id, s.name, s.received, s.taken, s.unchanged, s.rejected, s.duplicates, _when(s.last_pull),
            waiting, "" if s.balanced and not s.error else ("✗ 合计不符" if not s.balanced else "✗ 未读到"),
        ])  # fmt: skip
    zone = f"{datetime.now().astimezone():%Z，UTC%z}"
    heads = ["系统", "名称", *COUNTED_CN, f"上次拉取（{zone}）", "发件箱", ""]
    console.print(table("各系统状态", heads, rows, numeric=COUNTED_CN))
    totals = "，".join(f"{ENTITIES[e].cn} {n}" for e, n in now.entities.items())
    console.print(f"主数据：{totals}。各项合计{'相符' if now.balanced else '不符'}。", highlight=False)
    for s in now.systems:
        if s.error:
            console.print(f"[red]✗[/] {s.error}", highlight=False)


def _when(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else "从未"


def trace(console: Console, traced: Trace, full: bool) -> None:
    """Show the claims and deliveries of each field."""
    console.print(
        f"{ENTITIES[traced.found.entity_type].cn} {traced.found.master_id}：{traced.records} 条来源记录",
        highlight=False,
    )
    for f in traced.fields:
        kind = ENTITIES[traced.found.entity_type].field(f.field)
        seen = str if full else partial(mask, kind)
        rows = [
            [
                "★" if c.wins else ("↺" if c.echo else ""), seen(c.value), c.system_id,
                c.record_key if full else mask_key(c.record_key), c.observed_at,
                c.rank, c.batch_id, c.place,
            ]
            for c in f.claims
        ]  # fmt: skip
        value = seen(f.value) if f.value else "—"
        console.print(
            table(
                f"{f.cn} {f.field} = {value}（{f.rule}）",
                ["", "候选值", "系统", "记录", "观察时间", "分级", "批次", "位置"], rows, numeric=["分级"],
            )
        )  # fmt: skip
        if f.deliveries:
            sent = "，".join(
                f"{d.system_id} {CN.get(d.state, d.state)}" + (f"（回执 {d.receipt}）" if d.receipt else "")
                for d in f.deliveries
            )
            console.print(f"  谁已收到：{sent}", highlight=False)
    console.print("★ 主数据现值   ↺ 本系统写出后读回的值（回声）   依据的原始文件：")
    for batch, (folder, digest) in sorted(traced.batches.items()):
        console.print(f"  {batch}  landing/{folder}  sha256 {digest[:16]}…", highlight=False)
