"""Showing how far systems and master agree, and the entries that people type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from onefact.cli import show
from onefact.cli.errors import PartlyFailed
from onefact.cli.session import Session
from onefact.masking import mask_key, mask_keys
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.reconcile import Reconciled
    from onefact.tasks import Task
    from warehouse.findings import Finding

CN = {
    "ghost": "幽灵记录", "stale": "陈旧副本", "silent_loss": "静默丢失", "near_miss": "写法不同", "pending": "待完成",
    "news": "尚未采集",
}  # fmt: skip
"""Kinds of findings in the words of the people who read them."""

URGENT = ("silent_loss", "ghost", "stale", "near_miss")

CODES = {
    "gone": "系统中已没有这条记录", "twice": "同一编号出现两次", "doubled": "我方新建后出现重复",
    "unexplained": "与主库不同，且没有待办的改动", "no_write_path": "与主库不同，该字段不能回写", "rejected": "回写被拒",
    "conflict": "回写冲突", "dead": "回写已终止", "back_to_old": "已核实的值又变回旧值", "rewritten": "含义相同，写法被系统改写",
    "not_pulled": "系统有新值，下次采集读入", "planned": "改动待发", "pending": "改动在途", "sent": "已发待回执",
    "no_answer": "无应答，待回读", "awaiting_person": "待人工录入",
}  # fmt: skip


def reconcile(session: Session, systems: Sequence[str] | None, *, dry_run: bool, limit: int, full: bool) -> None:
    """Compare systems with the master and show what differs."""
    from onefact import reconcile as verb

    chosen = session.home.chosen(systems)
    with show.progress(len(chosen), session.as_json) as (bar, task):
        result = verb.reconcile(
            session.home,
            systems,
            lambda s, n: bar.update(task, advance=1, description=s, what=f"{n} records"),
            dry_run=dry_run,
        )
    session.read("reconcile", "finding", count=len(result.findings), full=full)
    if session.as_json:
        session.emit(_document(result, full=full))
    else:
        _report(session, result, limit, full=full)
    if result.alarming:
        raise PartlyFailed


def _document(result: Reconciled, *, full: bool) -> Any:
    systems = [
        {**asdict(s), "kinds": [{"kind": k, "code": c, "n": n} for (k, c), n in sorted(s.kinds.items())]}
        for s in result.systems
    ]
    document = {
        "run_id": result.run_id, "alarming": result.alarming, "opened": result.opened, "closed": result.closed,
        "systems": systems, "findings": [asdict(f) for f in result.findings],
    }  # fmt: skip
    return document if full else mask_keys(document)


def _report(session: Session, result: Reconciled, limit: int, *, full: bool) -> None:
    rows = []
    for s in result.systems:
        kinds: Counter[str] = Counter()
        for (kind, _), n in s.kinds.items():
            kinds[kind] += n
        remark = s.error or ("无法核对" if s.unreadable else "" if kinds else "一致")
        rows.append([s.system_id, s.records or "", *(kinds[k] or "" for k in CN), remark])
    session.console.print(
        show.table("核对 (reconcile)", ["系统", "记录", *CN.values(), "说明"], rows, numeric=["记录", *CN.values()])
    )
    telling = [f for f in result.findings if f.kind not in {"pending", "news"}]
    reasons = Counter((f.kind, f.code) for f in result.findings)
    lines = [(CN[kind], CODES.get(code, code), n) for (kind, code), n in sorted(reasons.items())]
    if lines:
        session.console.print(show.table("原因 (reasons)", ["类别", "原因", "处"], lines, numeric=["处"]))
    if telling:
        shown = [_line(f, full=full) for f in sorted(telling, key=_urgency)[:limit]]
        session.console.print(
            show.table(f"前 {len(shown)} 处，共 {len(telling)} 处", ["系统", "记录", "字段", "类别", "原因"], shown)
        )
    session.console.print(f"新发现 {result.opened} 处，已消除 {result.closed} 处。", highlight=False)


def _urgency(finding: Finding) -> tuple[bool, int, str]:
    """What can be acted on first; what can never be written last."""
    return finding.code == "no_write_path", URGENT.index(finding.kind), finding.system_id


def _line(finding: Finding, *, full: bool) -> tuple[str, ...]:
    field = ENTITIES[finding.entity_type].field(finding.field).cn if finding.field else "（整条）"  # type: ignore[index]
    key = finding.record_key if full else mask_key(finding.record_key)
    return finding.system_id, key, field, CN[finding.kind], CODES.get(finding.code, finding.code)


def tasks(session: Session, systems: Sequence[str] | None, *, full: bool) -> None:
    """List open entries."""
    from onefact import tasks as verb

    found = verb.tasks(session.home, systems)
    session.read("task list", "change", [t.number for t in found], full=full)
    if session.as_json:
        documents = [_task_document(t, full=full) for t in found]
        session.emit(documents)
        return
    rows = [
        (t.number, t.system, _shown(t.record_key, full=full), "新增" if t.operation == "create" else "修改",
         "、".join(label for label, _ in t.lines[:5]) + ("…" if len(t.lines) > 5 else ""), f"{t.created_at.astimezone():%m-%d %H:%M}")
        for t in found
    ]  # fmt: skip
    session.console.print(
        show.table("待人工录入 (tasks)", ["编号", "系统", "记录", "操作", "项目", "提出"], rows, numeric=["编号"])
    )
    if found:
        session.console.print("内容：onefact task show 编号；录入后：onefact task done 编号", highlight=False)


def _task_document(task: Task, *, full: bool) -> Any:
    if full:
        return asdict(task)
    document = {**asdict(task), "lines": [label for label, _ in task.lines]}
    document.pop("link")  # it ends with the record's key
    return mask_keys(document)


def _shown(key: str | None, *, full: bool) -> str:
    return "" if key is None else key if full else mask_key(key)


def task(session: Session, number: int, *, copy: bool) -> None:
    """Show an entry in full: it is there to be typed."""
    from onefact import tasks as verb

    found = verb.task(session.home, number)
    session.read("task show", "change", [number], full=True, system=found.system_id)
    if session.as_json:
        session.emit(asdict(found))
    elif copy:
        session.console.file.write(found.copy_lines + "\n")
    else:
        session.console.print(
            f"{found.system}  {'新增' if found.operation == 'create' else '修改'}  {found.link}",
            highlight=False,
            soft_wrap=True,
        )
        session.console.print(show.table("按表单顺序录入", ["项目", "填写"], found.lines))
        session.console.print(f"录入后：onefact task done {number}", highlight=False)


def done(session: Session, number: int, *, unread: bool, dry_run: bool) -> None:
    """Confirm an entry."""
    from onefact import tasks as verb

    confirmed = verb.done(session.home, number, session.actor, unread=unread, dry_run=dry_run)
    if session.as_json:
        session.emit({**asdict(confirmed), "dry_run": dry_run})
        return
    words = "回读一致，已核实" if confirmed.state == "verified" else "已记为人工录入（未经回读）"
    session.console.print(
        f"{'（试运行）' if dry_run else ''}任务 {number}：{words}。经手人：{session.actor}", highlight=False
    )


def skip(session: Session, number: int, reason: str, *, dry_run: bool) -> None:
    """Call an entry off."""
    from onefact import tasks as verb

    verb.skip(session.home, number, session.actor, reason, dry_run=dry_run)
    if session.as_json:
        session.emit(
            {"number": number, "state": "dead", "code": "cancelled", "actor": session.actor, "dry_run": dry_run}
        )
    else:
        session.console.print(
            f"{'（试运行）' if dry_run else ''}任务 {number} 已取消。经手人：{session.actor}", highlight=False
        )
