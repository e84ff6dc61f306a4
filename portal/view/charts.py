"""Small charts (图): geometry for SVG that the templates draw; every chart stands beside the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 120.0, 32.0


@dataclass(frozen=True, slots=True)
class Line:
    """A spark line: the `points` of each unbroken stretch, and the last point; `known` values there are."""

    stretches: tuple[str, ...]
    last: tuple[float, float] | None
    known: int
    width: float = WIDTH
    height: float = HEIGHT


def line(values: Sequence[float | None], low: float | None = None, high: float | None = None) -> Line:
    """Lay out a spark line; a missing value breaks it, since nothing is known there."""
    known = [v for v in values if v is not None]
    if not known:
        return Line((), None, 0)
    bottom, top = min(known) if low is None else low, max(known) if high is None else high
    step, span = WIDTH / max(len(values) - 1, 1), (top - bottom) or 1.0
    stretches: list[list[str]] = [[]]
    last = None
    for i, value in enumerate(values):
        if value is None:
            stretches.append([])
            continue
        last = (step * i, HEIGHT - 4 - (HEIGHT - 8) * (value - bottom) / span)
        stretches[-1].append(f"{last[0]:.1f},{last[1]:.1f}")
    return Line(tuple(" ".join(s) for s in stretches if s), last, len(known))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a column chart, in pixels of its viewBox, for each of the series."""

    label: str
    x: float
    parts: tuple[tuple[float, float, float, float], ...]
    """(x, y, width, height) of each series."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A column chart with a few series beside each other."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, float], ...]
    """(y, value) of the grid lines."""
    width: float
    height: float
    base: float


def columns(
    labels: Sequence[str], series: Sequence[Sequence[float]], pitch: float = 72, height: float = 220
) -> Columns:
    """Lay out a column chart; the scale ends at a round number."""
    top = _round_up(max((v for s in series for v in s), default=0) or 1)
    base, left = height - 28, 56.0
    scale = (base - 12) / top
    wide = (pitch - 16) / max(len(series), 1)
    bars = tuple(
        Bar(label, left + pitch * (i + 0.5), tuple(
            (left + pitch * i + 8 + wide * n, base - s[i] * scale, wide - 3, s[i] * scale) for n, s in enumerate(series)
        ))
        for i, label in enumerate(labels)
    )  # fmt: skip
    ticks = tuple((base - top * part * scale, top * part) for part in (0, 0.5, 1))
    return Columns(bars, ticks, left + pitch * max(len(labels), 1) + 8, height, base)


def _round_up(value: float) -> float:
    size = float(10 ** (len(str(int(value))) - 1))
    return next(size * n for n in (1, 2, 4, 5, 8, 10) if size * n >= value)
