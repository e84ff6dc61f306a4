"""Showing what became of a bulk file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from onefact.acting import terminal
from onefact.bulk.enter import BulkDone, TooManyErrors
from onefact.bulk.enter import bulk as verb
from onefact.bulk.layout import layout
from onefact.bulk.returns import write_bad
from onefact.bulk.template import write_template
from onefact.cli import show
from onefact.cli.session import Session

COUNTS = {"created": "新登记", "updated": "有更新", "unchanged": "无变化", "repeated": "重复行", "bad": "退回"}


def template(session: Session, entity: str, out: Path) -> None:
    """Write a template."""
    found = layout(entity)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_template(found, out)
    if session.as_json:
        session.emit({"file": str(out)})
    else:
        session.console.print(f"模板已写入 {out}", highlight=False)


def run(
    session: Session,
    file: Path,
    out: Path | None,
    entity: str | None,
    grids: Sequence[str] | None,
    *,
    dry_run: bool,
) -> None:
    """Check a file or take it in."""
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}")
    refused: TooManyErrors | None = None
    try:
        done = verb(
            session.home,
            file.read_bytes(),
            session.actor,
            entity_type=entity,
            within=grids,
            dry_run=dry_run,
            origin=terminal(),
        )
    except TooManyErrors as problem:
        done, refused = problem.done, problem
    written = out if done.counts["bad"] else None
    if written:
        written.parent.mkdir(parents=True, exist_ok=True)
        write_bad(done, written)
    _say(session, done, written)
    if refused:
        raise refused


def _say(session: Session, done: BulkDone, written: Path | None) -> None:
    if session.as_json:
        session.emit(
            {
                "entity": done.entity_type, "rows": done.rows, **done.counts, "facts": done.facts, "tickets": done.tickets,
                "dry_run": done.dry_run, "earlier": done.earlier, "examples": done.sheet.examples,
                "unknown": done.sheet.unknown, "reasons": dict(done.by_reason), "bad_rows": str(written) if written else None,
            }
        )  # fmt: skip
        return
    lines = [(word, done.counts[name]) for name, word in COUNTS.items()]
    lines += [("合计", done.rows), ("录入的事实", done.facts), ("纠错工单", done.tickets)]
    title = f"{'试导入' if done.dry_run else '批量导入'}：{done.sheet.layout.title}"
    session.console.print(show.table(title, ["", "行数"], lines, numeric=["行数"]))
    if done.by_reason:
        session.console.print(show.table("退回原因", ["原因", "处数"], done.by_reason, numeric=["处数"]))
    if done.sheet.unknown:
        session.console.print(f"未识别的栏目（没有读取）：{'、'.join(done.sheet.unknown)}", highlight=False)
    if done.earlier:
        session.console.print(f"同一文件此前已导入过（第 {done.earlier} 号），相同内容不会重复录入。", highlight=False)
    if written:
        session.console.print(f"退回的行：{written}", highlight=False)
