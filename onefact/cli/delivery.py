"""Showing deliveries, and what people decide about them, on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from onefact.cli import show
from onefact.cli.errors import PartlyFailed
from onefact.cli.session import Session
from onefact.masking import mask, mask_key, mask_keys
from schemas.entities import ENTITIES
from warehouse.tables.steps import TRANSITIONS

if TYPE_CHECKING:
    from onefact.outbox import Decided
    from warehouse.outbox import Row


def list_(
    session: Session,
    systems: Sequence[str] | None,
    states: Sequence[str] | None,
    run: str | None,
    limit: int,
    full: bool,
    by_system: bool = False,
) -> None:
    """List changes, the newest first, and the counts of all; `by_system` counts each system by itself."""
    from warehouse import outbox

    for state in states or ():
        if state not in TRANSITIONS:
            raise typer.BadParameter(f"--state is one of {', '.join(TRANSITIONS)}")
    counts = outbox.of_run(session.home.engine, run) if run else outbox.states(session.home.engine)
    counts = [c for c in counts if not states or c["state"] in states]
    named = [m.id for m in session.home.chosen(systems)] if systems else None
    rows = [] if run else outbox.rows(session.home.engine, named, states, limit)
    if rows:
        session.read("outbox list", "change", [r.change_id for r in rows], full=full)
    if session.as_json:
        session.emit({"counts": counts, "changes": [_document(r, full) for r in rows]})
        return
    mine = [c for c in counts if not named or c["system_id"] in named]
    lines: list[tuple[object, ...]] = _summed(mine)
    heads = ["状态", "代码", "系统数", "条数"]
    if by_system or named or run:
        lines, heads = (
            [(c["system_id"], _cn(c["state"]), c["code"], c["n"]) for c in mine],
            ["系统", "状态", "代码", "条数"],
        )
    session.console.print(show.table("发件箱统计", heads, lines, numeric=["系统数", "条数"]))
    if not run:
        session.console.print(_table(f"最近 {len(rows)} 条", rows, full))
        if len(rows) == limit:
            more = "" if by_system or named else "，--by-system 分系统统计"
            session.console.print(f"--limit 显示更多，--state、--system 筛选{more}。", highlight=False)


def _summed(counts: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Counts of all systems together, in the order of the states."""
    sums: dict[tuple[str, str | None], list[int]] = {}
    for c in counts:
        sums.setdefault((c["state"], c["code"]), []).append(c["n"])
    order = {state: n for n, state in enumerate(show.STATES)}
    found = sorted(sums.items(), key=lambda one: (order.get(one[0][0], 99), one[0][1] or ""))
    return [(_cn(state), code, len(each), sum(each)) for (state, code), each in found]


def _table(title: str, rows: Sequence[Row], full: bool) -> Any:
    headers = ["编号", "系统", "记录", "操作", "字段", "状态", "代码", "次数", "说明", "回执"]
    lines = [
        (
            r.change_id, r.system_id, _key(r.record_key, full), "新增" if r.operation == "create" else "修改",
            "、".join(ENTITIES[r.entity_type].field(f).cn for f in r.fields[:6]) + ("…" if len(r.fields) > 6 else ""),
            _cn(r.state), r.code, r.attempts, r.message, r.receipt,
        )
        for r in rows
    ]  # fmt: skip
    return show.table(title, headers, lines, numeric=["编号", "次数"])


def _cn(state: str) -> str:
    return show.CN.get(state, state)


def _key(key: str | None, full: bool) -> str:
    return "" if key is None else key if full else mask_key(key)


def _document(row: Row, full: bool) -> Any:
    document = asdict(row)
    if full:
        return document
    document["changes"] = [_masked(row, dict(c)) for c in row.changes]
    document["detail"] = len(row.detail)
    return mask_keys(document)


def _masked(row: Row, change: dict[str, Any]) -> dict[str, Any]:
    field = ENTITIES[row.entity_type].field(change["field"])
    shown = {side: None if change[side] is None else mask(field, change[side]) for side in ("old", "new")}
    return {"field": field.name, **shown}


def show_one(session: Session, change_id: int, full: bool) -> None:
    """Show a change with its fields and steps."""
    from onefact import outbox as verb

    row, steps = verb.show(session.home, change_id)
    session.read("outbox show", row.entity_type, [row.master_id], full=full, change=change_id)
    if session.as_json:
        session.emit({**_document(row, full), "steps": [asdict(s) for s in steps]})
        return
    entity = ENTITIES[row.entity_type]
    session.console.print(
        f"{row.change_id}  {row.system_id}  {_key(row.record_key, full)}  {_cn(row.state)}  {row.message or ''}",
        highlight=False,
    )
    shown = [dict(c) if full else _masked(row, dict(c)) for c in row.changes]
    fields = [(f"{entity.field(str(c['field'])).cn} ({c['field']})", c["old"], c["new"]) for c in shown]
    session.console.print(show.table("改动 (changes)", ["字段", "原值", "新值"], fields))
    lines = [
        (f"{s.at.astimezone():%Y-%m-%d %H:%M:%S}", s.attempt, _cn(s.before or ""), _cn(s.state), s.code, s.message, s.receipt,
         s.actor or s.run_id, (s.answer_sha256 or "")[:12])
        for s in steps
    ]  # fmt: skip
    headers = ["时间", "次数", "之前", "之后", "代码", "说明", "回执", "由谁", "应答摘要"]
    session.console.print(show.table("投递流水 (steps)", headers, lines, numeric=["次数"]))


def overdue(session: Session, full: bool) -> None:
    """List sent changes whose answer is overdue."""
    from warehouse import outbox

    rows = outbox.overdue(session.home.engine, session.home.now().astimezone())
    session.read("outbox overdue", "change", [r.change_id for r in rows], full=full)
    if session.as_json:
        session.emit([_document(r, full) for r in rows])
    else:
        session.console.print(_table("逾期未回执 (overdue)", rows, full))


def retry(
    session: Session,
    ids: Sequence[int] | None,
    systems: Sequence[str] | None,
    states: Sequence[str] | None,
    dry_run: bool,
) -> None:
    """Let changes be tried again."""
    from onefact import outbox as verb

    done = verb.retry(session.home, ids or (), systems or (), states or (), session.actor, dry_run=dry_run)
    _told(session, done, "将重试" if dry_run else "已排队重试，下次回写时处理", dry_run)


def cancel(
    session: Session,
    ids: Sequence[int] | None,
    systems: Sequence[str] | None,
    states: Sequence[str] | None,
    reason: str | None,
    dry_run: bool,
) -> None:
    """Call changes off."""
    from onefact import outbox as verb

    done = verb.cancel(session.home, ids or (), systems or (), states or (), session.actor, reason, dry_run=dry_run)
    _told(session, done, "将撤销" if dry_run else "已撤销", dry_run)


def _told(session: Session, done: Decided, what: str, dry_run: bool) -> None:
    """Say what was decided; a decision about nothing is a failure, for a script would take it for done."""
    if session.as_json:
        session.emit({**asdict(done), "dry_run": dry_run})
    else:
        session.console.print(f"{what}：{len(done.done)} 条 {' '.join(map(str, done.done[:20]))}", highlight=False)
        if done.left:
            few = " ".join(map(str, done.left[:20]))
            session.console.print(
                f"未处理 {len(done.left)} 条（状态不允许，或主数据已不要求该值）：{few}", highlight=False
            )
    if not done.done:
        raise PartlyFailed


def targets_list(session: Session) -> None:
    """List the systems that were in trouble."""
    from warehouse.outbox import targets

    found = list(targets.standings(session.home.engine).values())
    if session.as_json:
        session.emit([asdict(s) for s in found])
        return
    lines = [
        (s.holder, _cn(s.state), s.failures, f"{s.until.astimezone():%m-%d %H:%M:%S}" if s.until else "", s.reason)
        for s in found
    ]
    session.console.print(
        show.table("熔断与暂停 (targets)", ["系统", "状态", "连续失败", "到", "原因"], lines, numeric=["连续失败"])
    )


def hold(session: Session, system: str, reason: str, dry_run: bool) -> None:
    """Stop a system."""
    from onefact import outbox as verb

    verb.hold(session.home, system, reason, session.actor, dry_run=dry_run)
    if session.as_json:
        session.emit({"system": system, "state": "held", "reason": reason, "dry_run": dry_run})
    else:
        session.console.print(
            f"{'将' if dry_run else '已'}暂停回写：{system}。放行：onefact target release {system}", highlight=False
        )


def release(session: Session, system: str, dry_run: bool) -> None:
    """Let a system go on."""
    from onefact import outbox as verb

    done = verb.release(session.home, system, session.actor, dry_run=dry_run)
    if session.as_json:
        session.emit({"system": system, "released": done, "dry_run": dry_run})
    else:
        session.console.print(
            f"{('将放行' if dry_run else '已放行') if done else '没有暂停'}：{system}", highlight=False
        )
