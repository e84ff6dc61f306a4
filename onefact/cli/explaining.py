"""`onefact explain`: the waterfall of weights in words and as a picture, in Chinese; levels and weights, no values."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from onefact.cli import show
from onefact.cli.session import Session
from onefact.masking import mask_key
from schemas.model import EntityType

if TYPE_CHECKING:
    from onefact.explain import Explained


def between(session: Session, one: str, other: str, entity: EntityType, out: Path | None, full: bool) -> None:
    """Explain two records or two entities."""
    from onefact import explain as verb
    from onefact.enter import is_uuid

    found = verb.between(session.home, one, other, entity)
    session.read("explain", found.entity_type, [n for n in (one, other) if is_uuid(n)], count=2, full=full)
    if out is not None:
        out.write_text(verb.picture(found), encoding="utf-8")
    left, right = (name if full else mask_key(name) for name in (found.left, found.right))
    if session.as_json:
        session.emit({
            "left": left, "right": right, "together": found.together, "verdict": verb.verdict(found),
            **asdict(found.told), "picture": None if out is None else str(out),
        })  # fmt: skip
        return
    waterfall(session, found, f"{left} 与 {right}（模型 {found.told.model}）")
    if out is not None:
        session.console.print(f"瀑布图：{out}")


def waterfall(session: Session, found: Explained, title: str) -> None:
    """Print the weights of the comparisons as a table, with the sum so far as bars, and the verdict below."""
    from onefact import explain as verb

    told, total = found.told, found.told.prior
    rows = [["起点" + ("（同户）" if told.at_home else ""), "", f"{total:+.1f}", f"{total:+.1f}", _bar(total)]]
    for step in told.steps:
        total += step.counted
        said = ["", ""] if step.level is None else [f"{step.weight:+.1f}", f"{step.counted:+.1f}"]
        rows.append([verb.label(found.model, step), *said, f"{total:+.1f}", _bar(step.counted)])
    headers = ["比较项：等级", "权重", "计入", "累计", "图"]
    session.console.print(show.table(title, headers, rows, numeric=headers[1:4]))
    session.console.print(verb.verdict(found))


def _bar(counted: float) -> str:
    """What a step adds or takes, two bits a character; + and - tell them apart where there is no colour."""
    return ("+" if counted > 0 else "-") * round(abs(counted) / 2)
