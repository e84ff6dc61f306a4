"""From evidence to a weight and a relation (判定): same, contains, different, unsure.

The weight says whether both texts are at one place; the relation then asks how deep each goes. Contradictions of
numbered elements decide by themselves: no similarity of names makes 3栋501室 of 3栋502室.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from linkage.address import names, roads
from linkage.address.alignment import EQUAL, NEITHER, ONE, Levels, Pairs
from linkage.address.elements import Bools, Elements
from linkage.address.evidence import CITY, DISTRICT, JUDGED, NUMBER, STREET, Evidence
from linkage.address.settings import weights

Floats: TypeAlias = npt.NDArray[np.float64]

RELATIONS: Final = ("same", "contains", "different", "unsure")
SAME, CONTAINS, DIFFERENT, UNSURE = range(4)

_NAMED: Final = names.LEVELS.index
_COVER: Final = ((0.1, "to_10"), (0.3, "to_30"), (0.5, "to_50"), (0.7, "to_70"), (0.9, "to_90"), (1.01, "to_100"))
_INNER: Final = ("building", "unit", "floor", "room")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Weight (log2 odds, positive = one place) and relation (index into `RELATIONS`) of each pair."""

    weight: Floats
    relation: npt.NDArray[np.int8]


def decide(elements: Elements, pairs: Pairs, evidence: Evidence) -> Verdicts:
    """Weighs the evidence and names the relation."""
    place = _place_weight(evidence)
    inner = _inner_weight(evidence)
    relation = _relation(elements, pairs, evidence, place, inner)
    equal = pairs.left == pairs.right
    said = _identified(elements)
    known = said[pairs.left] & said[pairs.right]
    relation = np.where(known, np.where(equal, SAME, relation), UNSURE)
    limits = weights()
    weight = np.where(relation == SAME, np.maximum(place + inner, limits.same), place + inner)
    weight = np.where(relation == DIFFERENT, np.minimum(weight, limits.different), weight)
    return Verdicts(np.where(known, weight, limits.unidentified), relation.astype(np.int8))


def _weigh(element: str, found: Levels, own: tuple[str, ...]) -> Floats:
    """The weight of each level of an element."""
    table = weights().levels
    by_level = [0.0, 0.0, table.get((element, "equal"), 0.0), *(table.get((element, n), 0.0) for n in own), 0.0]
    return np.array(by_level)[np.minimum(found, len(by_level) - 1)]


def _agree(evidence: Evidence) -> Bools:
    """The roads agree but for their spelling."""
    agree: Bools = (evidence.road >= EQUAL) & (evidence.road < JUDGED + roads.LEVELS.index("direction"))
    return agree


def _place_weight(evidence: Evidence) -> Floats:
    table = weights().levels
    total = np.full(len(evidence.city), weights().base)
    total += _weigh("city", evidence.city, CITY) + _weigh("district", evidence.district, DISTRICT)
    total += _weigh("street", evidence.street, STREET) + _weigh("community", evidence.community, names.LEVELS)
    apart = evidence.road == JUDGED + roads.LEVELS.index("apart")
    road = _weigh("road", evidence.road, roads.LEVELS)
    road[evidence.road == EQUAL] = table["road", "same"]
    road[apart & evidence.about] = table["road", "apart_about"]
    total += road
    agree = _agree(evidence)
    for at, level in ((EQUAL, "equal"), (JUDGED, "part"), (JUDGED + 1, "conflict")):
        here = evidence.road_no == at
        near = agree & evidence.about & (level == "conflict")
        total[here & near] += table.get(("road_no", "conflict_about"), 0.0)
        total[here & agree & ~near] += table.get(("road_no", f"{level}_agree"), 0.0)
        total[here & apart] += table.get(("road_no", f"{level}_apart"), 0.0)
        total[here & ~agree & ~apart] += table.get(("road_no", f"{level}_unknown"), 0.0)
    return total + _name_weight(evidence)


def _name_weight(evidence: Evidence) -> Floats:
    table = weights().levels
    total = np.zeros(len(evidence.city))
    place = evidence.place
    for at, level in enumerate(names.LEVELS):
        here = place == JUDGED + at
        if level == "same":
            here |= place == EQUAL
        if (("place", level)) in table:
            total[here] += table["place", level]
        else:
            for size in (2, 3, 4):
                total[here & (evidence.size == size)] += table["place", f"{level}_{size}"]
    for at, level in ((1, "one"), (2, "equal"), (3, "conflict")):
        total[evidence.marks == JUDGED + at] += table["marks", level]
    weak = (place <= ONE) | (place >= JUDGED + _NAMED("part"))
    total += np.where(weak, _weigh("cross", evidence.cross, names.LEVELS), 0.0)
    for size in (2, 3, 4):
        total[evidence.mention == size] += table["mention", f"chars_{size}"]
    low = 0.0
    for high, level in _COVER:
        total[(evidence.cover >= low) & (evidence.cover < high)] += table["cover", level]
        low = high
    return total


def _inner_weight(evidence: Evidence) -> Floats:
    total = np.zeros(len(evidence.city))
    for name in _INNER:
        total += _weigh(name, getattr(evidence, name), NUMBER)
    table = weights().levels
    for name in ("building", "unit", "floor"):
        doubt = _conflict(getattr(evidence, name)) & evidence.doubtful
        total[doubt] += table["building", "conflict_doubtful"] - table[name, "conflict"]
    return total


def _conflict(found: Levels) -> Bools:
    conflict: Bools = found == JUDGED + 1
    return conflict


def _relation(
    elements: Elements, pairs: Pairs, evidence: Evidence, place: Floats, inner: Floats
) -> npt.NDArray[np.int8]:
    """Contradictions first, then one place or not, then which of both goes deeper."""
    limits = weights()
    named = _named_alike(evidence)
    doors = _conflict(evidence.road_no) & _agree(evidence) & ~evidence.about
    inside = np.zeros(len(place), np.bool_)
    for name in ("building", "unit", "floor"):
        inside |= _conflict(getattr(evidence, name))
    inside = (inside & ~evidence.doubtful) | (evidence.room >= JUDGED)
    marks = evidence.marks == JUDGED + 3
    regions = (evidence.city == JUDGED) | (evidence.district == JUDGED + 1)
    different = inside | marks | regions | (doors & ~named)
    total = place + inner
    bound = total >= limits.same
    deeper = _depth(elements, pairs, evidence)
    relation = np.where(bound, deeper, np.where(total <= limits.different, DIFFERENT, UNSURE))
    two_names = (evidence.place == JUDGED + _NAMED("apart")) & (evidence.room != EQUAL) & (evidence.building != EQUAL)
    shaky = bound & ((doors & named) | (two_names & (deeper == SAME)))
    for name in ("building", "unit", "floor"):
        shaky |= bound & _conflict(getattr(evidence, name))
    relation = np.where(shaky, UNSURE, relation)
    return np.where(different, DIFFERENT, relation).astype(np.int8)


def _named_alike(evidence: Evidence) -> Bools:
    alike: Bools = (evidence.place >= EQUAL) & (evidence.place <= JUDGED + _NAMED("core"))
    return alike


def _depth(elements: Elements, pairs: Pairs, evidence: Evidence) -> npt.NDArray[np.int8]:
    """For pairs at one place: same, contains where one goes deeper, unsure where each says what the other does not."""
    left, right = _only(elements, pairs, _INNER, evidence)
    same = ~left & ~right
    no_inner = np.logical_and.reduce([getattr(evidence, name) == NEITHER for name in _INNER])
    outer = evidence.gate.copy()
    door_tie = (evidence.road_no == EQUAL) & _agree(evidence)
    outer |= no_inner & door_tie & (evidence.place == ONE)
    outer |= (evidence.marks == JUDGED + 1) | (evidence.building == JUDGED) | (evidence.road_no == JUDGED)
    # a road, village or estate against a door or place in it; names that agree tie without the door
    outer |= no_inner & ~_named_alike(evidence) & ((evidence.road_no == ONE) | (evidence.place == ONE))
    outer |= no_inner & (evidence.place >= JUDGED + _NAMED("inside")) & (evidence.place < JUDGED + _NAMED("typo"))
    crossed = left & right
    lower = np.where(same & ~outer, SAME, CONTAINS)
    return np.where(crossed, UNSURE, lower).astype(np.int8)


def _only(elements: Elements, pairs: Pairs, columns: tuple[str, ...], evidence: Evidence) -> tuple[Bools, Bools]:
    """Whether the left (right) text says an inner element that the other lacks; a floor counts only without a room."""
    sides = []
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        more = np.zeros(len(one), np.bool_)
        for name in columns:
            codes = elements.columns[name].codes
            mine = (codes[one] >= 0) & (codes[other] < 0)
            if name == "floor":
                mine &= evidence.room == NEITHER
            more |= mine
        sides.append(more)
    return sides[0], sides[1]


def _identified(elements: Elements) -> Bools:
    """Texts that name anything below nothing: at least one element."""
    said: Bools = np.logical_or.reduce([column.codes >= 0 for column in elements.columns.values()])
    return said
