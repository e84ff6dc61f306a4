"""The auditor's verbs on the command line: call, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from onefact.cli.session import Session
from schemas.model import EntityType

if TYPE_CHECKING:
    from onefact.sample import Sample, Stratum


def report(
    session: Session, out: Path, period: tuple[str | None, str | None, str | None], forms: Sequence[str]
) -> None:
    """Write the report of a period."""
    from onefact.report.period import write as verb
    from onefact.report.period.span import asked
    from quality.scores import points

    span = asked(session.home.now().date(), *period)
    wanted = [cast("verb.Form", f) for f in forms] or verb.FORMS
    done = verb.write(session.home, span, out, wanted)
    if session.as_json:
        session.emit({
            "period": done.period, "files": [str(f) for f in done.files], "total": done.total, "failing": done.failing,
            "did_not_run": done.did_not_run,
        })  # fmt: skip
        return
    session.console.print(
        f"{span.title}：总分 {points(done.total)}，不合格 {done.failing} 行次，未运行规则 {done.did_not_run} 条。"
    )
    for path in done.files:
        session.console.print(str(path), highlight=False, soft_wrap=True)


def sample(
    session: Session,
    size: int,
    seed: int,
    stratify: Stratum,
    entities: Sequence[EntityType],
    fields: Sequence[str],
    out: Path,
    *,
    full: bool,
) -> None:
    """Draw a sample and write its sheet."""
    from onefact import sample as verb
    from onefact import sample_sheet

    if full and size > verb.FULL_MOST:
        raise verb.TooManyInFull(size)
    drawn = verb.sample(session.home, size, seed, stratify, entities, fields)
    _note(session, drawn, full)
    path = sample_sheet.write(session.home, drawn, out, full=full)
    if session.as_json:
        session.emit({
            "file": str(path), "population": drawn.population, "drawn": len(drawn.values), "seed": seed, "stratify": stratify,
            "run_id": drawn.run_id, "digest": drawn.digest,
            "layers": [{"name": la.name, "population": la.population, "drawn": la.drawn} for la in drawn.layers],
        })  # fmt: skip
        return
    session.console.print(
        f"从 {drawn.population} 个主数据取值中抽取 {len(drawn.values)} 个（{len(drawn.layers)} 层，种子 {seed}）；样本校验值 {drawn.digest[:16]}…",
        highlight=False,
    )
    session.console.print(str(path), highlight=False, soft_wrap=True)


def _note(session: Session, drawn: Sample, full: bool) -> None:
    """Note whom the sheet shows: one act for each entity type, so that it can be asked who has seen somebody."""
    shown: dict[str, set[str]] = {}
    for value in drawn.values:
        shown.setdefault(value.entity_type, set()).add(value.master_id)
    for entity_type, ids in shown.items():
        session.read("sample", entity_type, sorted(ids), full=full, act="sample", seed=drawn.seed, digest=drawn.digest)
