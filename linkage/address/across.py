"""Elements set against another element of the other text (跨要素对齐).

One text has its village and its work zone apart (江头村, 工业区), the other in one name; the number that one parse calls a
building is a door of the other; a text of regions only lies around one that goes deeper.
"""

from __future__ import annotations

import numpy as np

from linkage.address import names
from linkage.address.alignment import EQUAL, JUDGED, NEITHER, NUMBER, ONE, STREET, Levels, Pairs
from linkage.address.elements import Elements, Ints


def regions_alone(elements: Elements, pairs: Pairs, found: tuple[Levels, Levels, Levels]) -> Levels:
    """0 unless a text names regions only, and the smallest it names is the other's too; 1 one such text, 2 both.

    3 where both name regions only and the smallest differ.
    """
    city, district, street = found
    alone = elements.region[pairs.left].astype(np.int8) + elements.region[pairs.right]
    smallest = np.where(street != NEITHER, street, np.where(district != NEITHER, district, city))
    deeper = np.zeros(len(alone), np.bool_)
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        says = [elements.columns[name].codes for name in ("city", "district", "street")]
        last = np.where(says[2][one] >= 0, street, np.where(says[1][one] >= 0, district, city))
        deeper |= elements.region[one] & ~elements.region[other] & (last == EQUAL)
    agreed = np.where(alone == 2, np.isin(smallest, (EQUAL, JUDGED)) & (smallest >= EQUAL), deeper)
    other = (alone == 2) & (street == JUDGED + STREET.index("conflict"))
    return np.where(other, 3, np.where(agreed, alone, 0)).astype(np.int8)


def road_of_village(elements: Elements, pairs: Pairs, community: Levels) -> Ints:
    """Pairs in which the road of one text bears the village of the other (窑上村, 窑上村中街)."""
    villages, roads_ = elements.columns["community"], elements.columns["road"]
    found: list[int] = []
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        open_ = (community == ONE) & (villages.codes[one] >= 0) & (roads_.codes[other] >= 0)
        found += [
            i
            for i in np.flatnonzero(open_).tolist()
            if roads_.values[roads_.codes[other[i]]].startswith(villages.values[villages.codes[one[i]]])
        ]
    return np.array(found, np.int32)


def villages_place(elements: Elements, pairs: Pairs, place: np.ndarray) -> Ints:
    """Pairs in which one text has its village and its place apart, the other in one name (江头村工业区, 江头工业区)."""
    community, names_ = elements.columns["community"], elements.columns["place"]
    found = []
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        open_ = (place > EQUAL) & (community.codes[one] >= 0) & (community.codes[other] < 0)
        for i in np.flatnonzero(open_).tolist():
            core = names.read_name(community.values[community.codes[one[i]]]).core
            mine, whole = (names_.values[names_.codes[side[i]]] for side in (one, other))
            head = whole.removesuffix(mine)
            if head != whole and len(head) >= 2 and core.endswith(head):
                found.append(i)
    return np.array(found, np.int32)


def door_as_building(
    elements: Elements, pairs: Pairs, community: Levels, place: np.ndarray, found: dict[str, Levels]
) -> None:
    """A number that is a building of one text and the door of the other (丁家桥26号, 丁家桥26号4幢): the same door."""
    tied = (place == EQUAL) | ((place == NEITHER) & (community == EQUAL))
    open_ = tied & (found["road_no"] == ONE) & (found["building"] >= ONE)
    doors, buildings = elements.columns["road_no"], elements.columns["building"]
    for i in np.flatnonzero(open_).tolist():
        one, other = pairs.left[i], pairs.right[i]
        if doors.codes[one] < 0:
            one, other = other, one
        if buildings.codes[other] >= 0 and buildings.values[buildings.codes[other]] == doors.values[doors.codes[one]]:
            found["road_no"][i] = EQUAL
            found["building"][i] = JUDGED + NUMBER.index("part") if buildings.codes[one] >= 0 else EQUAL
