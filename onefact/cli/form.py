"""Showing forms: matched, filled, judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from onefact.bulk.settings import load_limits
from onefact.cli import show
from onefact.cli.session import Session
from onefact.forms.fill import fill
from onefact.forms.gate import gate
from onefact.forms.heading import Heading, paste
from onefact.forms.match import Match, match
from onefact.forms.memory import forget, remember, remembered
from onefact.forms.notes import summary
from onefact.forms.tasks import settle, tasks
from onefact.forms.vocabulary import title
from onefact.forms.workbook import open_form, read_form
from schemas.entities import ENTITIES
from schemas.model import EntityType


def _headings(session: Session, source: str) -> tuple[Sequence[Heading], str]:
    path = Path(source)
    if source.lower().endswith(".xlsx"):
        if not path.is_file():
            raise typer.BadParameter(f"there is no file {path}")
        form = read_form(open_form(path.read_bytes(), load_limits(session.home)))
        return form.headings, form.title
    return paste(source), ""


def _meaning(context: EntityType, m: Match) -> str:
    return f"{title(context, m.meaning)}（{m.meaning}）" if m.meaning else ""


def match_(session: Session, source: str, context: EntityType | None) -> None:
    """Show a form's columns."""
    headings, form_title = _headings(session, source)
    home = session.home
    with home.engine.connect() as connection:
        known = remembered(connection)
    found = match(headings, home.manifests.values(), remembered=known, form_title=form_title, context=context)
    if session.as_json:
        session.emit(
            {
                "row": found.context,
                "columns": [
                    {"heading": m.heading.text, "meaning": m.meaning, "confidence": m.confidence, "sure": m.sure, "reason": m.reason,
                     "others": m.others, "free": m.free}
                    for m in found.columns
                ],
            }
        )  # fmt: skip
        return
    lines = [
        (
            m.heading.text,
            _meaning(found.context, m),
            f"{m.confidence:.0%}",
            "" if m.sure or m.free else "待确认",
            m.reason,
        )
        for m in found.columns
    ]
    session.console.print(
        show.table(
            f"每行是：{ENTITIES[found.context].cn}", ["栏目", "主数据项", "把握", "", "依据"], lines, numeric=["把握"]
        )
    )


def teach(session: Session, heading: str, meaning: str, context: EntityType, back: bool) -> None:
    """Remember a meaning, or forget it."""
    done = forget(session.home, heading, context, session.actor) if back else True
    if not back:
        remember(session.home, heading, context, meaning, session.actor)
    if session.as_json:
        session.emit({"heading": heading, "meaning": None if back else meaning, "done": done})
    elif back:
        session.console.print("已取消。" if done else "没有记住过这个栏目。", highlight=False)
    else:
        session.console.print(
            f"已记住：“{heading}”{f'是 {meaning}' if meaning else '不是主数据的内容'}。", highlight=False
        )


def fill_(
    session: Session,
    form: Path,
    out: Path,
    grids: Sequence[str] | None,
    who: str | None,
    system: str | None,
    context: EntityType | None,
) -> None:
    """Fill a form."""
    if not form.is_file():
        raise typer.BadParameter(f"there is no file {form}")
    if not grids:
        raise typer.BadParameter("--grid is needed: whose people, houses or organisations the form lists")
    done = fill(session.home, form.read_bytes(), grids, session.actor, system=system, who=who, context=context)
    named = sorted(done.matched.by_meaning)
    session.read(
        "form fill", done.matched.context, done.listed, count=done.rows, full=True, act="export", fields=named,
        receiver=done.receiver, filled=done.filled,
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    done.book.save(out)
    if session.as_json:
        session.emit(
            {
                "file": str(out), "row": done.matched.context, "who": done.selection.id, "rows": done.rows, "cells": done.cells,
                "filled": done.filled, "missing": len(done.missing), "withheld": dict(done.withheld), "omitted": dict(done.omitted),
                "sources": dict(done.sources), "tasks": done.tasks,
            }
        )  # fmt: skip
        return
    for line in summary(done):
        session.console.print(line, highlight=False)
    session.console.print(f"已写入 {out}", highlight=False)


def gate_(
    session: Session, source: str, grids: Sequence[str] | None, system: str | None, context: EntityType | None
) -> None:
    """Judge a form."""
    headings, form_title = _headings(session, source)
    done = gate(session.home, headings, form_title=form_title, grids=grids or None, system=system, context=context)
    if session.as_json:
        session.emit(
            {
                "row": done.matched.context, "entities": done.entities, "known": done.known, "cells": done.cells, "counts": done.counts,
                "columns": [
                    {"heading": c.match.heading.text, "meaning": c.match.meaning, "verdict": c.verdict, "coverage": c.coverage,
                     "known_by": c.known_by, "why": c.why}
                    for c in done.columns
                ],
            }
        )  # fmt: skip
        return
    lines = [
        (
            c.match.heading.text,
            c.verdict,
            "" if c.coverage is None else f"{c.coverage:.0%}",
            "、".join(c.known_by[:3]),
            c.why,
        )
        for c in done.columns
    ]
    counts = "，".join(f"{v} {n} 栏" for v, n in done.counts.items())
    session.console.print(
        show.table("新表准入 (gate)", ["栏目", "结论", "覆盖", "已有部门", "说明"], lines, numeric=["覆盖"])
    )
    session.console.print(f"{counts}；{done.known:.0%} 的栏目、{done.cells:.0%} 的格子不必再问。", highlight=False)


def tasks_(session: Session, grids: Sequence[str] | None) -> None:
    """List what is asked for and unknown."""
    settle(session.home)
    with session.home.engine.connect() as connection:
        found = tasks(connection, grids or None)
    session.read("form tasks", "form_task", [t.task_id for t in found])
    if session.as_json:
        session.emit(
            [
                {"task": t.task_id, "entity": t.entity_type, "id": t.master_id, "field": t.field, "grid": t.grid}
                for t in found
            ]
        )
        return
    lines = [
        (t.task_id, t.grid, ENTITIES[t.entity_type].cn, t.master_id, ENTITIES[t.entity_type].field(t.field).cn)
        for t in found
    ]
    session.console.print(
        show.table("待补清单 (form tasks)", ["编号", "网格", "对象", "标识", "数据项"], lines, numeric=["编号"])
    )
