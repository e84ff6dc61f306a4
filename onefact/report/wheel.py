"""The wheel: systems around, the most shared facts inside, a line from each fact to every system that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, pi, sin

from onefact.report.sharing import Fact, Sharing, System

FACTS = 8
"""Facts inside the wheel: more lines than these hold cannot be followed with the eye."""

CENTRE, OUTER, INNER = 520.0, 318.0, 172.0
"""Pixels: where the middle is, radius of the systems, radius of the facts."""

CHARACTER, LONGEST, MARGIN = 13.5, 13, 8.0
"""Pixels of a Chinese character in a label, characters of the longest label, pixels left free around the picture."""

GAP = 1.2
"""Empty places between two families, in places of one system."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """A system on the rim: where its dot is, where its label starts and how it is turned (degrees)."""

    system: System
    x: float
    y: float
    label_x: float
    label_y: float
    turn: float
    flipped: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A fact inside: centre and radius (area grows with the number of systems), family of its authority or None."""

    fact: Fact
    x: float
    y: float
    radius: float
    family: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A curve from a fact to a system that holds it, as an SVG path."""

    path: str
    fact: Fact
    system: System
    family: int | None
    authority: bool


@dataclass(frozen=True, slots=True)
class Arc:
    """The arc of a family outside the dots."""

    path: str
    family: str
    index: int


@dataclass(frozen=True, slots=True)
class Wheel:
    """The geometry of the picture in pixels; `box` is its viewBox (left, top, width, height), tight around the labels."""

    box: tuple[float, float, float, float]
    spokes: tuple[Spoke, ...]
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    arcs: tuple[Arc, ...]


def wheel(sharing: Sharing) -> Wheel:
    """Lay the picture out; facts stand near the systems that hold them, so that lines are short and cross little."""
    angles = _angles(sharing)
    facts = sharing.facts[:FACTS]
    places = _inner_angles(facts, angles)
    family_of = {s.id: s.family for s in sharing.systems}
    nodes, lines = [], []
    for fact in facts:
        angle = places[fact.key]
        x, y = _point(angle, INNER)
        family = family_of.get(fact.authority) if fact.authority else None
        nodes.append(Node(fact, x, y, 9 + 4.2 * len(fact.holders) ** 0.5, family))
        for system in sharing.systems:
            if system.id in fact.holders:
                path = _curve(angle, angles[system.id])
                lines.append(Line(path, fact, system, family, system.id == fact.authority))
    lines.sort(key=lambda line: line.authority)
    spokes = tuple(_spoke(s, angles[s.id]) for s in sharing.systems)
    return Wheel(_box(spokes, angles), spokes, tuple(nodes), tuple(lines), _arcs(sharing, angles))


def _angles(sharing: Sharing) -> dict[str, float]:
    places, at = {}, 0.0
    for before, system in zip((None, *sharing.systems), sharing.systems, strict=False):
        at += GAP if before and before.family != system.family else 0.0
        places[system.id] = at
        at += 1
    whole = at + GAP if len(sharing.families) > 1 else at or 1.0
    return {s: 2 * pi * place / whole - pi / 2 for s, place in places.items()}


def _inner_angles(facts: tuple[Fact, ...], angles: dict[str, float]) -> dict[str, float]:
    """Spread the facts evenly, in the order of the mean direction of their holders, turned to fit those best."""
    means = {
        f.key: atan2(sum(sin(angles[s]) for s in f.holders), sum(cos(angles[s]) for s in f.holders)) for f in facts
    }
    order = sorted(facts, key=lambda f: means[f.key])
    step = 2 * pi / max(len(order), 1)
    offsets = [means[f.key] - i * step for i, f in enumerate(order)]
    turn = atan2(sum(sin(o) for o in offsets), sum(cos(o) for o in offsets))
    return {f.key: turn + i * step for i, f in enumerate(order)}


def _point(angle: float, radius: float) -> tuple[float, float]:
    return CENTRE + radius * cos(angle), CENTRE + radius * sin(angle)


def _curve(inner: float, outer: float) -> str:
    """A curve that leaves the fact towards the middle and reaches the system straight from inside."""
    x0, y0 = _point(inner, INNER)
    x3, y3 = _point(outer, OUTER - 6)
    apart = abs((outer - inner + pi) % (2 * pi) - pi)
    x1, y1 = _point(inner, INNER * (1 - 0.62 * apart / pi) + 40 * (1 - apart / pi))
    x2, y2 = _point(outer, OUTER * (0.82 - 0.4 * apart / pi))
    return f"M{x0:.1f} {y0:.1f}C{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f} {x3:.1f} {y3:.1f}"


def _spoke(system: System, angle: float) -> Spoke:
    x, y = _point(angle, OUTER)
    label_x, label_y = _point(angle, OUTER + 22)
    flipped = cos(angle) < -1e-9
    return Spoke(system, x, y, label_x, label_y, angle * 180 / pi + (180 if flipped else 0), flipped)


def _box(spokes: tuple[Spoke, ...], angles: dict[str, float]) -> tuple[float, float, float, float]:
    ends = [
        _point(angles[s.system.id], OUTER + 22 + CHARACTER * min(len(s.system.brief), LONGEST)) for s in spokes
    ] or [(CENTRE, CENTRE)]  # fmt: skip
    xs, ys = [x for x, _ in ends], [y for _, y in ends]
    left, top = min(*xs, CENTRE - OUTER) - MARGIN, min(*ys, CENTRE - OUTER) - MARGIN
    right, bottom = max(*xs, CENTRE + OUTER) + MARGIN, max(*ys, CENTRE + OUTER) + MARGIN
    return round(left), round(top), round(right - left), round(bottom - top)


def _arcs(sharing: Sharing, angles: dict[str, float]) -> tuple[Arc, ...]:
    arcs = []
    half = 0.42 * 2 * pi / max(len(angles) + GAP * len(sharing.families), 1)
    for index, family in enumerate(sharing.families):
        own = [angles[s.id] for s in sharing.systems if s.family == index]
        first, last = min(own) - half, max(own) + half
        (x0, y0), (x1, y1) = _point(first, OUTER + 13), _point(last, OUTER + 13)
        large = 1 if last - first > pi else 0
        radius = OUTER + 13
        arcs.append(Arc(f"M{x0:.1f} {y0:.1f}A{radius} {radius} 0 {large} 1 {x1:.1f} {y1:.1f}", family, index))
    return tuple(arcs)
