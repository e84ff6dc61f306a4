"""The waterfall of match weights as a picture (权重瀑布图): a self-contained SVG with Chinese labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linkage import svg

ROW: Final = 44
WIDTH: Final = 400
"""Narrow, each label above its bar: on a phone the text keeps its size."""

MARGIN: Final = 16
FOR, AGAINST, TOTAL = "#2b7a4b", "#b3402a", "#3a5a8c"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: what it says, and from where to where the sum moves."""

    label: str
    start: float
    end: float
    total: bool = False


def draw(title: str, bars: Sequence[Bar], marks: Sequence[tuple[str, float]]) -> str:
    """Return the picture: a row for each bar, and vertical marks for the thresholds."""
    values = [v for bar in bars for v in (bar.start, bar.end)] + [v for _, v in marks] + [0.0]
    low, high = min(values) - 2, max(values) + 6
    scale = (WIDTH - 2 * MARGIN) / (high - low)

    def x(value: float) -> float:
        return MARGIN + (value - low) * scale

    height = 70 + ROW * len(bars) + 20
    parts = [svg.text(MARGIN, 28, title, size=16)]
    for name, value in marks:
        parts.append(svg.stroke(x(value), 46, x(value), height - 16, "#888888", dashed=True))
        parts.append(svg.text(x(value), 44, f"{name} {value:g}", anchor="middle", size=12))
    for i, bar in enumerate(bars):
        y = 56 + ROW * i
        colour = TOTAL if bar.total else FOR if bar.end >= bar.start else AGAINST
        parts.append(svg.text(MARGIN, y + 16, bar.label))
        parts.append(
            svg.rectangle(x(min(bar.start, bar.end)), y + 22, abs(bar.end - bar.start) * scale, ROW - 28, colour)
        )
        amount = bar.end if bar.total else bar.end - bar.start
        parts.append(svg.text(x(max(bar.start, bar.end)) + 6, y + 35, f"{amount:+.1f}", size=12))
    return svg.picture(WIDTH, height, parts, title)
