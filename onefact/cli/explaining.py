"""`onefact explain`: the waterfall of weights in words and as a picture, in Chinese; levels and weights, no values."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from onefact.cli import show
from onefact.cli.session import Session
from onefact.masking import mask_key
from schemas.model import EntityType


def between(session: Session, one: str, other: str, entity: EntityType, out: Path | None, full: bool) -> None:
    """Explain two records or two entities."""
    from onefact import explain as verb

    found = verb.between(session.home, one, other, entity)
    if out is not None:
        out.write_text(verb.picture(found), encoding="utf-8")
    left, right = (name if full else mask_key(name) for name in (found.left, found.right))
    if session.as_json:
        session.emit({
            "left": left, "right": right, "together": found.together, "verdict": verb.verdict(found),
            **asdict(found.told), "picture": None if out is None else str(out),
        })  # fmt: skip
        return
    told = found.told
    rows = [["起点" + ("（同户）" if told.at_home else ""), "", f"{told.prior:+.1f}", f"{told.prior:+.1f}"]]
    total = told.prior
    for step in told.steps:
        total += step.counted
        counted = "" if step.level is None else f"{step.counted:+.1f}"
        rows.append(
            [
                verb.label(found.model, step),
                "" if step.level is None else f"{step.weight:+.1f}",
                counted,
                f"{total:+.1f}",
            ]
        )
    title = f"{left} 与 {right}（模型 {told.model}）"
    headers = ["比较项：等级", "权重", "计入", "累计"]
    session.console.print(show.table(title, headers, rows, numeric=headers[1:]))
    session.console.print(verb.verdict(found))
    if out is not None:
        session.console.print(f"瀑布图：{out}")
