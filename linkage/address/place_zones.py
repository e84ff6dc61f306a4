"""One door plate, several places (一号多地): texts at a door are split where they contradict one another, and only there.

中山路1号 stands in every city; two districts of one city may each have a road of that name; behind one plate there may be
two parts of an estate (一期, 二期). What a text leaves unsaid is taken from the others at the door if they leave no choice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias

from linkage.address.names import LEVELS, compare_names

SETTLED: Final = 5
"""Flats that each of two names must have before their having few in common says that they are two places."""

SHARE: Final = 0.3
"""Part of the rarer name's flats that two names of one place share (as in `linkage.address.aliases.learn`)."""

_PART: Final = LEVELS.index("part")


@dataclass(frozen=True, slots=True)
class Said:
    """What some texts at one door say of its surroundings and its name; `texts` is their number."""

    combo: int
    city: str | None
    district: str | None
    street: str | None
    community: str | None
    name: str | None
    texts: int


@dataclass(frozen=True, slots=True)
class Zone:
    """Where a text stands: label of the place at the door ('' where there is but one), and whether that is certain."""

    label: str
    sure: bool = True


Apart: TypeAlias = AbstractSet[tuple[str, str]]
"""Pairs of names at the door (in order) that have flats enough, and too few in common, to be one place."""


def zones(rows: list[Said], apart: Apart) -> dict[int, Zone]:
    """Give every combination of one door its place.

    Args:
        rows: the distinct combinations that texts at the door say.
        apart: names that the flats behind them tell apart.

    Returns:
        combination -> its place. The order of `rows` does not matter.
    """
    rows = sorted(rows, key=lambda r: r.combo)
    regions = _regions(rows)
    found: dict[int, Zone] = {}
    for label, members in _grouped(rows, regions).items():
        if label is None:
            found |= {r.combo: Zone(f"?{r.combo}", sure=False) for r in members}
            continue
        areas = _areas(members)
        for area, inside in _grouped(members, areas).items():
            if area is None:
                found |= {r.combo: Zone(f"{label}?{r.combo}", sure=False) for r in inside}
                continue
            parts = _parts(inside, apart)
            found |= {r.combo: Zone("|".join(filter(None, (label, area, parts[r.combo])))) for r in inside}
    return found


def _grouped(rows: Iterable[Said], labels: Mapping[int, str | None]) -> dict[str | None, list[Said]]:
    groups: dict[str | None, list[Said]] = defaultdict(list)
    for row in rows:
        groups[labels[row.combo]].append(row)
    return groups


def _regions(rows: list[Said]) -> dict[int, str | None]:
    """City and district of each combination; None where it could lie in several. '' where the door has but one."""
    city = _filled(rows, {r.combo: r.city for r in rows})
    district = _filled(rows, {r.combo: _joined(city[r.combo], r.district) if r.district else None for r in rows})
    labels = {c: district[c] or (city[c] if not _several(district.values()) else None) for c in district}
    if not _several(labels.values()):
        return dict.fromkeys(labels, "")
    # A text that names the city alone lies in the one district of that city that the door knows.
    for row in rows:
        if labels[row.combo] is None and city[row.combo]:
            near = {d for d in district.values() if d and d.startswith(f"{city[row.combo]}/")}
            labels[row.combo] = near.pop() if len(near) == 1 else (city[row.combo] if not near else None)
    return labels


def _joined(city: str | None, district: str) -> str:
    return f"{city or ''}/{district}"


def _several(values: Iterable[str | None]) -> bool:
    return len({v for v in values if v}) > 1


def _filled(rows: list[Said], known: dict[int, str | None]) -> dict[int, str | None]:
    """What is unsaid, from the community, the name, or the street, where those are known in one region only."""
    only = {v for v in known.values() if v}
    if len(only) <= 1:
        return dict.fromkeys(known, next(iter(only), None))
    for element in ("community", "name", "street"):
        seen: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            value, said = getattr(row, element), known[row.combo]
            if value and said:
                seen[value].add(said)
        for row in rows:
            regions = seen.get(getattr(row, element) or "", set())
            if not known[row.combo] and len(regions) == 1:
                known[row.combo] = next(iter(regions))
    return known


def _areas(rows: list[Said]) -> dict[int, str | None]:
    """The community that each combination lies in; communities which share a name of a compound are one place.

    Boundaries of communities move, so the same name in two communities is one compound at one door. A shop without a
    name in another community is a neighbour, whatever its plate.
    """
    if not _several(r.community for r in rows) and not _several(r.street for r in rows):
        return dict.fromkeys((r.combo for r in rows), "")
    joined = _Joined()
    for row in rows:
        if row.community:
            joined.add(f"c{row.community}")
            if row.name:
                joined.join(f"c{row.community}", f"n{row.name}")
    for row in rows:  # texts that say the name but not the community, and the street only where nothing else is said
        if not row.community and row.name:
            joined.add(f"n{row.name}")
        elif not row.community and row.street:
            joined.add(_street(rows, row, joined))
    roots = {joined.root(node) for node in joined.nodes}
    labels = {root: root if len(roots) > 1 else "" for root in roots}
    # A text that says nothing means the place which other texts without a name mean, else the only one.
    choice = {joined.root(f"c{r.community}") for r in rows if r.community and not r.name} or roots
    silent = labels[next(iter(choice))] if len(choice) == 1 else None
    nodes = {r.combo: _node(rows, r, joined) for r in rows}
    return {combo: labels[joined.root(node)] if node else silent for combo, node in nodes.items()}


def _node(rows: list[Said], row: Said, joined: _Joined) -> str | None:
    """What of a text says where it lies: its community, else its name, else its street."""
    if row.community:
        return f"c{row.community}"
    if row.name:
        return f"n{row.name}"
    return _street(rows, row, joined) if row.street else None


def _street(rows: list[Said], row: Said, joined: _Joined) -> str:
    """The one community of this street at the door, else the street itself."""
    roots = {joined.root(f"c{r.community}") for r in rows if r.community and r.street == row.street}
    return next(iter(roots)) if len(roots) == 1 else f"s{row.street}"


def _parts(rows: list[Said], apart: Apart) -> dict[int, str]:
    """The part of the place that each combination names: '' unless names contradict one another."""
    count: Counter[str] = Counter()
    for row in rows:
        if row.name:
            count[row.name] += row.texts
    names = sorted(count, key=lambda n: (-count[n], n))
    part: dict[str, str] = {}
    heads: dict[str, list[str]] = {}
    for name in names:
        fits = [h for h, members in heads.items() if not any(_contradict(name, m, apart) for m in members)]
        part[name] = fits[0] if fits else name
        heads.setdefault(part[name], []).append(name)
    if len(heads) <= 1:
        return dict.fromkeys((r.combo for r in rows), "")
    return {r.combo: part[r.name] if r.name else "" for r in rows}


def _contradict(a: str, b: str, apart: Apart) -> bool:
    level, marks = compare_names(a, b)
    return marks == 3 or (level >= _PART and (min(a, b), max(a, b)) in apart)


class _Joined:
    """Union-find over short texts; the root of a set is its smallest member."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    @property
    def nodes(self) -> list[str]:
        return list(self._above)

    def add(self, node: str) -> None:
        self._above.setdefault(node, node)

    def root(self, node: str) -> str:
        self.add(node)
        while self._above[node] != node:
            node = self._above[node]
        return node

    def join(self, a: str, b: str) -> None:
        low, high = sorted((self.root(a), self.root(b)))
        self._above[high] = low


def joined_sets(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Each member of a pair -> the smallest of the set that the pairs join it to."""
    above: dict[int, int] = {}

    def root(node: int) -> int:
        while above.setdefault(node, node) != node:
            node = above[node]
        return node

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        above[high] = low
    return {node: root(node) for node in list(above)}
