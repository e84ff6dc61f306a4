"""How the report's facts are written: the template's filters, words and shapes; nothing is worked out here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from onefact.report.page import environment, style_source
from onefact.report.period.collect import Report
from onefact.report.period.flow import SystemFlow
from onefact.report.period.scores import OWNERS, SEVERITIES
from quality.scores import GRADES, NOT_EVALUATED, points

HERE = Path(__file__).parent

SHOWN = 150
"""Failing rows on the page; the sheet has the others."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a status looks beside its word: a mark that every Chinese font has, a class for its colour, and that of its bar."""

    mark: str
    css: str
    fill: str = "#aab8b6"


SHAPES: Mapping[str, Shape] = {
    "优": Shape("●", "g1", "#2f7d53"), "良": Shape("■", "g2", "#4a9186"), "中": Shape("▲", "g3", "#b98a1f"), "低": Shape("◆", "g4", "#c26428"), "差": Shape("✕", "g5", "#a3271f"),
    NOT_EVALUATED: Shape("–", "none"),
    "正常": Shape("●", "good"), "待处理": Shape("▲", "warn"), "异常": Shape("✕", "bad"), "未读到": Shape("◆", "bad"),
    "改善": Shape("▲", "good"), "变差": Shape("▼", "bad"), "持平": Shape("■", "soft"), "首次": Shape("○", "soft"),
    "合格": Shape("●", "good"), "不合格": Shape("✕", "bad"), "无适用行": Shape("○", "soft"), "未运行": Shape("–", "none"),
}  # fmt: skip

STATES: Mapping[str, str] = {
    "passed": "合格", "failed": "不合格", "not_evaluated": "无适用行", "did_not_run": "未运行",
}  # fmt: skip

BRIEF: Mapping[str, str] = {
    "本期没有核对（onefact reconcile）": "未核对",
    "没有读取通道，无法核对": "无读取通道",
    "未能读到该系统": "未读到",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A spark-line: its points in a box of 96 x 24, and where it ends."""

    points: str
    x: str
    y: str


def line(past: Sequence[float | None]) -> Line | None:
    """Lay out a spark-line; None where there are not two values. Runs without a value leave a gap in time, not in the line."""
    known = [(i, p) for i, p in enumerate(past) if p is not None]
    if len(known) < 2:
        return None
    values = [p for _, p in known]
    low, high = min(values), max(values)
    step = 88 / (len(past) - 1)
    places = [(4 + i * step, 12.0 if high == low else 20 - 16 * (p - low) / (high - low)) for i, p in known]
    x, y = places[-1]
    return Line(" ".join(f"{a:.1f},{b:.1f}" for a, b in places), f"{x:.1f}", f"{y:.1f}")


def grouped(rows: Iterable[Any], name: str) -> list[tuple[Any, list[Any]]]:
    """Group rows by an attribute, in the order in which they come."""
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return list(found.items())


def counted(flows: Iterable[SystemFlow], states: Sequence[str]) -> int:
    """Return how many changes of all systems the period left in these states."""
    return sum(f.count(*states) for f in flows)


def html(report: Report, *, rows: int = SHOWN) -> str:
    """Return the report as one page that loads nothing."""
    made = environment(HERE)
    made.filters |= {
        "points": points, "line": line, "groupby_order": grouped, "states": counted, "brief": lambda why: BRIEF.get(why, why),
    }  # fmt: skip
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return made.get_template("page.html").render(
        report=report, shapes=SHAPES, severities=SEVERITIES, owners=OWNERS, states=STATES,
        grades=[(name, least) for least, name in GRADES], shown=report.quality.failing[:rows],
        results={r.rule_id: r.state for r in report.quality.rules}, style=Markup(style), style_hash=style_source(style),  # noqa: S704 - our own file
    )  # fmt: skip
