"""From evidence to a weight and a relation (判定): same, contains, different, unsure.

The weight says whether both texts are at one place; the relation then asks how deep each goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from linkage.address import names, roads
from linkage.address.alignment import CITY, DISTRICT, EQUAL, JUDGED, NEITHER, NUMBER, ONE, STREET, Levels, Pairs
from linkage.address.contradiction import (
    NAMED,
    agree,
    conflict,
    contradicted,
    named_alike,
    other_door,
    settled_within,
    tied,
)
from linkage.address.elements import Bools, Elements
from linkage.address.evidence import Evidence
from linkage.address.numbers import distinguished
from linkage.address.settings import weights

Floats: TypeAlias = npt.NDArray[np.float64]

RELATIONS: Final = ("same", "contains", "different", "unsure")
SAME, CONTAINS, DIFFERENT, UNSURE = range(4)

_COVER: Final = ((0.1, "to_10"), (0.3, "to_30"), (0.5, "to_50"), (0.7, "to_70"), (0.9, "to_90"), (1.01, "to_100"))
_SHARED: Final = (
    (0.5, "none"),
    (1.5, "to_1"),
    (2.5, "to_2"),
    (3.5, "to_3"),
    (4.5, "to_4"),
    (5.5, "to_5"),
    (7.5, "to_7"),
    (np.inf, "more"),
)
_ELEMENTS: Final = (
    "city",
    "district",
    "street",
    "community",
    "road",
    "road_no",
    "place",
    "building",
    "unit",
    "floor",
    "room",
)
_INNER: Final = ("building", "unit", "floor", "room")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Weight (log2 odds, positive = one place) and relation (index into `RELATIONS`) of each pair."""

    weight: Floats
    relation: npt.NDArray[np.int8]


def decide(elements: Elements, pairs: Pairs, evidence: Evidence) -> Verdicts:
    """Weighs the evidence and names the relation."""
    place = _place_weight(evidence) + _subset(elements, pairs, evidence) * weights().levels["subset", "said"]
    inner = _inner_weight(evidence)
    relation = _relation(elements, pairs, evidence, place, inner)
    said = _identified(elements)
    known = said[pairs.left] & said[pairs.right]
    relation = np.where(known, relation, UNSURE)
    limits = weights()
    weight = np.where(relation == SAME, np.maximum(place + inner, limits.same), place + inner)
    weight = np.where(relation == DIFFERENT, np.minimum(weight, limits.different), weight)
    weight = np.where(relation == UNSURE, np.clip(weight, limits.different, limits.same), weight)
    return Verdicts(np.where(known, weight, limits.unidentified), relation.astype(np.int8))


def undecided(evidence: Evidence) -> Bools:
    """Pairs that their elements alone neither tie nor tell apart; only these are worth a look at the texts."""
    settled = tied(evidence) & (_place_weight(evidence) + _inner_weight(evidence) >= weights().same)
    return ~(settled | contradicted(evidence))


def _weigh(element: str, found: Levels, own: tuple[str, ...]) -> Floats:
    """The weight of each level of an element."""
    table = weights().levels
    by_level = [0.0, 0.0, table.get((element, "equal"), 0.0), *(table.get((element, n), 0.0) for n in own), 0.0]
    return np.array(by_level)[np.minimum(found, len(by_level) - 1)]


def _place_weight(evidence: Evidence) -> Floats:
    table = weights().levels
    total = np.full(len(evidence.city), weights().base)
    total += _weigh("city", evidence.city, CITY) + _weigh("district", evidence.district, DISTRICT)
    total += _weigh("street", evidence.street, STREET) + _weigh("community", evidence.community, names.LEVELS)
    total += np.choose(evidence.town, [0.0, table["town", "within"], table["town", "outside"]])
    total[(evidence.community == EQUAL) & ~evidence.upper] += table["namesake", "village"]
    total[(evidence.road == EQUAL) & evidence.crossing] += table["crossing", "equal"]
    apart = evidence.road == JUDGED + roads.LEVELS.index("apart")
    road = _weigh("road", evidence.road, roads.LEVELS)
    road[evidence.road == EQUAL] = table["road", "same"]
    road[apart & evidence.about] = table["road", "apart_about"]
    total += road
    agreed = agree(evidence)
    for at, level in ((EQUAL, "equal"), (JUDGED, "part"), (JUDGED + 1, "conflict")):
        here = evidence.road_no == at
        near = agreed & evidence.about & (level == "conflict")
        total[here & near] += table.get(("road_no", "conflict_about"), 0.0)
        total[here & agreed & ~near] += table.get(("road_no", f"{level}_agree"), 0.0)
        total[here & apart] += table.get(("road_no", f"{level}_apart"), 0.0)
        total[here & ~agreed & ~apart] += table.get(("road_no", f"{level}_unknown"), 0.0)
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
    weak = (place <= ONE) | (place >= JUDGED + NAMED("part"))
    total += np.where(weak, _weigh("cross", evidence.cross, names.LEVELS), 0.0)
    other_kind = place == JUDGED + NAMED("kind")
    for size in (2, 3, 4):
        total[(evidence.mention == size) & ~other_kind] += table["mention", f"chars_{size}"]
    alike = named_alike(evidence)
    total[alike & ~evidence.upper & (evidence.size < 4)] += table["namesake", "name"]
    apart = evidence.road == JUDGED + roads.LEVELS.index("apart")
    total[alike & apart & ~evidence.upper & (evidence.size < 4)] += table["namesake", "apart"]
    total[alike & evidence.outlet & ~agree(evidence)] += table["namesake", "chain"]
    shared = _bucket(evidence.shared, "shared", _SHARED)
    cover, bound = _bucket(evidence.cover, "cover", _COVER), tied(evidence)
    short = evidence.cover >= 0.7  # a short text has few pieces to share
    total += np.where(bound, np.maximum(cover, 0.0), cover)
    return total + np.where(bound | short, np.maximum(shared, 0.0), shared)


def _bucket(values: Floats, element: str, steps: tuple[tuple[float, str], ...]) -> Floats:
    """The weight of a measure by its steps, 0 where it was not taken."""
    by_step = np.array([*(weights().levels.get((element, level), 0.0) for _, level in steps), 0.0])
    return by_step[np.where(np.isnan(values), len(steps), np.digitize(values, [high for high, _ in steps]))]


def _comparable(evidence: Evidence) -> Bools:
    """Both sides say a road, a place or a village that can be set against one of the other side."""
    both = [evidence.road, evidence.place, evidence.community, evidence.cross]
    comparable: Bools = np.logical_or.reduce([found >= EQUAL for found in both]) | (evidence.mention > 0)
    return comparable


def _inner_weight(evidence: Evidence) -> Floats:
    total = np.zeros(len(evidence.city))
    strangers = ~tied(evidence) & (evidence.place >= JUDGED + NAMED("slip"))
    for name in _INNER:
        found = _weigh(name, getattr(evidence, name), NUMBER)
        total += np.where(strangers, np.minimum(found, 0.0), found)  # every estate has a 3栋501室
    table = weights().levels
    for name in ("building", "unit", "floor"):
        doubt = conflict(getattr(evidence, name)) & evidence.doubtful
        total[doubt] += table["building", "conflict_doubtful"] - table[name, "conflict"]
    return total


def _relation(
    elements: Elements, pairs: Pairs, evidence: Evidence, place: Floats, inner: Floats
) -> npt.NDArray[np.int8]:
    """Contradictions first, then one place or not, then which of both goes deeper."""
    limits = weights()
    different = contradicted(evidence)
    within = np.isin(evidence.region, (1, 2))
    different |= evidence.region == 3
    total = place + inner
    twins = _twins(evidence) | (pairs.left == pairs.right)
    bound = (total >= limits.same) | twins | within
    deeper = np.where(twins, SAME, _depth(elements, pairs, evidence))
    deeper = np.where(within, np.where(evidence.region == 2, SAME, CONTAINS), deeper)
    relation = np.where(bound, deeper, np.where(total <= limits.different, DIFFERENT, UNSURE))
    two_names = (evidence.place == JUDGED + NAMED("apart")) & (evidence.room != EQUAL) & (evidence.building != EQUAL)
    shaky = (
        (bound & two_names & (deeper == SAME))
        | (other_door(evidence) & settled_within(evidence))
        | ~_comparable(evidence)
    )
    shaky |= evidence.renumbered | (evidence.rest == JUDGED) | (conflict(evidence.road_no) & agree(evidence))
    for name in ("building", "unit", "floor"):
        shaky |= bound & conflict(getattr(evidence, name))
    relation = np.where(shaky & ~twins & ~within, UNSURE, relation)
    relation = np.where(different & ~twins, DIFFERENT, relation)
    odd = elements.odd[pairs.left] | elements.odd[pairs.right]
    apart, alone = distinguished(elements.texts, pairs, odd & (relation <= CONTAINS) & (pairs.left != pairs.right))
    apart &= alone | (relation == SAME)  # a place and one in it may each say a number of its own
    relation = np.where(apart, np.where(alone & ~evidence.about, DIFFERENT, UNSURE), relation)
    return relation.astype(np.int8)


def _subset(elements: Elements, pairs: Pairs, evidence: Evidence) -> Bools:
    """One side says nothing that the other does not say too, and both share a road, place or village."""
    left, right = _only(elements, pairs, _ELEMENTS, evidence)
    agreed = [np.isin(getattr(evidence, name), (NEITHER, ONE, EQUAL)) for name in _ELEMENTS]
    shared = [getattr(evidence, name) == EQUAL for name in ("road", "place", "community")]
    subset: Bools = np.logical_and.reduce(agreed) & np.logical_or.reduce(shared) & ~(left & right) & (left | right)
    return subset


def _twins(evidence: Evidence) -> Bools:
    """Every element is equal, or said by neither."""
    found = [getattr(evidence, name) for name in _ELEMENTS]
    twins: Bools = np.logical_and.reduce([(level == NEITHER) | (level == EQUAL) for level in found]) & ~evidence.gate
    twins &= np.logical_or.reduce([level == EQUAL for level in found])
    return twins


def _depth(elements: Elements, pairs: Pairs, evidence: Evidence) -> npt.NDArray[np.int8]:
    """For pairs at one place: same, contains where one goes deeper, unsure where each says what the other does not."""
    left, right = _only(elements, pairs, _INNER, evidence)
    same = ~left & ~right
    no_inner = np.logical_and.reduce([getattr(evidence, name) == NEITHER for name in _INNER])
    outer = evidence.gate.copy()
    door_tie = (evidence.road_no == EQUAL) & agree(evidence)
    area = elements.area[pairs.left] | elements.area[pairs.right]
    outer |= no_inner & door_tie & (evidence.place == ONE) & ~area
    outer |= (evidence.marks == JUDGED + 1) | (evidence.building == JUDGED) | (evidence.road_no == JUDGED)
    # a road, village or estate against a door or place in it; names that agree tie without the door
    outer |= (
        no_inner & ~named_alike(evidence) & ((evidence.road_no == ONE) | ((evidence.place == ONE) & ~(area & door_tie)))
    )
    outer |= no_inner & (evidence.road == NEITHER) & (evidence.road_no == ONE)
    outer |= no_inner & evidence.one_crossing & (evidence.road >= EQUAL) & (evidence.place <= ONE)
    outer |= no_inner & (evidence.place == JUDGED + NAMED("inside"))
    outer |= no_inner & (evidence.community == EQUAL) & (evidence.road == ONE) & (evidence.place <= ONE)
    one = {name: getattr(evidence, name) == ONE for name in ("building", "unit", "room")}
    # the room is the same but the staircase or building above it is not said: several have such a room
    crossed = (left & right) | ((evidence.room == EQUAL) & (one["building"] | one["unit"]))
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
