"""The auditor's verbs on the command line: call, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from onefact.cli.session import Session


def report(
    session: Session, out: Path, period: tuple[str | None, str | None, str | None], forms: Sequence[str]
) -> None:
    """Write the report of a period."""
    from onefact.report.period import write as verb
    from onefact.report.period.span import asked

    span = asked(session.home.now().date(), *period)
    wanted = [cast("verb.Form", f) for f in forms] or verb.FORMS
    done = verb.write(session.home, span, out, wanted)
    if session.as_json:
        session.emit({
            "period": done.period, "files": [str(f) for f in done.files], "total": done.total, "failing": done.failing,
            "did_not_run": done.did_not_run,
        })  # fmt: skip
        return
    total = "未评价" if done.total is None else f"{done.total * 100:.1f}"
    session.console.print(f"{span.title}：总分 {total}，不合格 {done.failing} 行次，未运行规则 {done.did_not_run} 条。")
    for path in done.files:
        session.console.print(str(path), highlight=False, soft_wrap=True)
