"""Small self-contained SVG pictures (矢量图): plots of lines, and the few shapes that other pictures need.

No library and no script: a picture opens in any browser without network, and its text is text. All text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Final

FONT: Final = "'Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Microsoft YaHei',sans-serif"
INK: Final = "#1c2733"
PALE: Final = "#d5dbe1"


def picture(width: float, height: float, parts: Iterable[str], title: str) -> str:
    """Return a whole SVG document with a white ground; `title` is what a screen reader says."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" font-family="{FONT}" font-size="13" fill="{INK}">\n<title>{escape(title)}</title>\n'
        f"{rectangle(0, 0, width, height, '#ffffff')}\n{body}\n</svg>\n"
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, size: float = 13) -> str:
    """Return a line of text; `anchor` is start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size:g}">{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Return a filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{colour}"/>'


def stroke(
    x1: float, y1: float, x2: float, y2: float, colour: str = PALE, *, width: float = 1, dashed: bool = False
) -> str:
    """Return a straight line."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width:g}"{dash}/>'


def path(points: Iterable[tuple[float, float]], colour: str, width: float = 2) -> str:
    """Return a line through points."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"/>'
    )


def page(svg: str, title: str) -> str:
    """Return an HTML page that shows a picture and nothing else."""
    return f'<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8"><title>{escape(title)}</title></head><body>\n{svg}</body></html>\n'


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: what it says, from where to where, and where it is ticked."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value is, 0 at the low end and 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


@dataclass(slots=True)
class Plot:
    """Lines over two axes, with marks across them and a legend."""

    title: str
    x: Axis
    y: Axis
    width: float = 560
    height: float = 460
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def line(self, xs: Iterable[float], ys: Iterable[float], *, label: str, colour: str) -> None:
        """Add a line."""
        points = [(self._x(float(a)), self._y(float(b))) for a, b in zip(xs, ys, strict=True)]
        self._parts.append(path(points, colour))
        self._legend.append((label, colour))

    def mark(self, value: float, label: str, note: str) -> None:
        """Add a dashed line across at a value of x, and a note about it below the plot."""
        x = self._x(value)
        self._parts += [
            stroke(x, self._y(self.y.low), x, self._y(self.y.high), INK, dashed=True),
            text(x + 4, self._y(self.y.high) + 14 + 16 * len(self._notes), label),
        ]
        self._notes.append(f"{label}：{note}")

    def svg(self) -> str:
        """Return the picture."""
        left, right, top, bottom = self._x(self.x.low), self._x(self.x.high), self._y(self.y.high), self._y(self.y.low)
        parts = [text(left, 26, self.title, size=16)]
        for tick in (t for t in self.x.ticks if self.x.low <= t <= self.x.high):
            parts += [
                stroke(self._x(tick), top, self._x(tick), bottom),
                text(self._x(tick), bottom + 18, f"{tick:g}", anchor="middle"),
            ]
        for tick in self.y.ticks:
            parts += [
                stroke(left, self._y(tick), right, self._y(tick)),
                text(left - 8, self._y(tick) + 4, f"{tick:g}", anchor="end"),
            ]
        parts.append(text((left + right) / 2, bottom + 38, self.x.label, anchor="middle"))
        parts.append(text(left, top - 10, self.y.label))
        parts += self._parts
        for i, (label, colour) in enumerate(self._legend):
            y = bottom - 20 * (len(self._legend) - i)
            parts += [stroke(left + 14, y, left + 40, y, colour, width=3), text(left + 48, y + 4, label)]
        parts += [text(left, bottom + 60 + 19 * i, note) for i, note in enumerate(self._notes)]
        return picture(self.width, self.height, parts, self.title)

    def _x(self, value: float) -> float:
        return 60 + self.x.place(value) * (self.width - 90)

    def _y(self, value: float) -> float:
        return self.height - 120 - self.y.place(value) * (self.height - 180)
