"""Showing and verifying the sealed log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onefact.cli import show
from onefact.cli.errors import PartlyFailed
from onefact.cli.session import Session

if TYPE_CHECKING:
    from warehouse.sealed import Sealed

SUBJECTS = 3
"""Subjects named on a line of the table."""


def show_(session: Session, wanted: Mapping[str, Any], limit: int) -> None:
    """Show rows; that they were looked at is noted too."""
    from onefact import log as verb

    found = verb.entries(session.home, **wanted, limit=limit)
    session.read("log show", "log", count=len(found), act="log", wanted={k: str(v) for k, v in wanted.items()})
    _told(session, "密封日志 (sealed log)", found)


def seen(session: Session, entity: str, limit: int) -> None:
    """Show who has seen an entity."""
    from onefact import enter
    from onefact import log as verb

    found = enter.find(session.home, entity)
    if not found:
        session.missed("log seen", entity)
        raise enter.EntryRefused(enter.NOBODY)
    rows = verb.seen(session.home, found[0].entity_type, found[0].master_id, limit)
    session.read("log seen", found[0].entity_type, [found[0].master_id], count=len(rows), act="log")
    _told(session, f"谁看过 {found[0].master_id}（{found[0].entity_type}）", rows)


def _told(session: Session, title: str, found: Sequence[Sealed]) -> None:
    from warehouse.sealed import ACTS, OUTCOMES

    if session.as_json:
        session.emit([asdict(r) for r in found])
        return
    rows = [
        (
            r.seq, f"{datetime.fromisoformat(r.at).astimezone():%Y-%m-%d %H:%M:%S}", r.actor,
            f"{ACTS.get(r.act, r.act)}{'' if r.outcome == 'done' else f'（{OUTCOMES.get(r.outcome, r.outcome)}）'}",
            str(r.detail.get("what", "")), r.subject_type, "、".join(r.subjects[:SUBJECTS]) + ("…" if len(r.subjects) > SUBJECTS else ""),
            r.count, r.purpose,
        )
        for r in found
    ]  # fmt: skip
    headers = ["序号", "时间", "操作人", "操作", "命令或页面", "对象类别", "对象", "数量", "目的"]
    session.console.print(show.table(title, headers, rows, numeric=["序号", "数量"]))


def verify(session: Session, file: Path | None, checkpoints: Sequence[Path], key: Path | None) -> None:
    """Verify and say what was found."""
    from onefact import log as verb

    done = verb.verify(session.home, checkpoints, key, file)
    found = done.log
    if session.as_json:
        session.emit({
            "sound": done.sound, **asdict(found), "findings": [{**asdict(f), "words": str(f)} for f in found.findings],
            "ledgers": [asdict(p) for p in done.ledgers],
            "entries": [{**asdict(e), "words": str(e)} for e in done.entries],
        })  # fmt: skip
    else:
        for finding in found.findings:
            session.console.print(f"✗ {finding}", highlight=False)
        for p in done.ledgers:
            session.console.print(f"✗ {p}", highlight=False)
        for e in done.entries:
            session.console.print(f"✗ {e}", highlight=False)
        span = f"第 {found.first} 至 {found.last} 条，共 {found.rows} 条" if found.rows else "日志为空"
        vouched = (
            f"检查点 {found.checkpoints} 个，证明到第 {found.covered} 条"
            if found.checkpoints
            else "没有可用的检查点，末尾是否被截掉无从得知"
        )
        session.console.print(
            f"{'核验通过' if done.sound else '核验不通过'}：{span}；{vouched}。末条哈希 {found.hash[:16]}…",
            highlight=False,
        )
    if not done.sound:
        raise PartlyFailed


def checkpoint(session: Session) -> None:
    """Sign a checkpoint."""
    from onefact import log as verb

    made, path = verb.issue(session.home)
    if session.as_json:
        session.emit({**made.document(), "file": str(path)})
    else:
        session.console.print(f"检查点：第 {made.seq} 条，哈希 {made.hash}", highlight=False, soft_wrap=True)
        session.console.print(f"文件：{path}（请交由他处保管）", highlight=False, soft_wrap=True)


def export(session: Session, out: Path) -> None:
    """Export the log."""
    from onefact import log as verb

    session.read("log export", "log", ["*"], act="export")
    rows = verb.export(session.home, out)
    if session.as_json:
        session.emit({"file": str(out), "rows": rows})
    else:
        session.console.print(f"{out}：{rows} 条", highlight=False)


def use(session: Session, algorithm: str) -> None:
    """Change the hash."""
    from onefact.acting import acted

    acted(session.home, "hash", "log", actor=session.actor, algorithm=algorithm)
    if session.as_json:
        session.emit({"algorithm": algorithm})
    else:
        session.console.print(f"自此条起，日志用 {algorithm} 计算哈希。")
