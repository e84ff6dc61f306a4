"""What ties two addresses and what contradicts (矛盾判定), whatever the rest of them weighs.

Contradictions of numbered elements decide by themselves: no similarity of names makes 3栋501室 of 3栋502室.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from linkage.address import names, roads
from linkage.address.alignment import EQUAL, JUDGED, NEITHER, ONE, Levels
from linkage.address.elements import Bools
from linkage.address.evidence import Evidence

NAMED: Final = names.LEVELS.index


def agree(evidence: Evidence) -> Bools:
    """The roads agree but for their spelling."""
    agreed: Bools = (evidence.road >= EQUAL) & (evidence.road < JUDGED + roads.LEVELS.index("direction"))
    return agreed


def tied(evidence: Evidence) -> Bools:
    """An element below the street is the same on both sides, so that other words may differ as they will."""
    found: Bools = (
        named_alike(evidence) | ((evidence.road_no == EQUAL) & agree(evidence)) | (evidence.community == EQUAL)
    )
    return found


def conflict(found: Levels) -> Bools:
    """The numbers contradict each other: neither equal nor one within the other."""
    other: Bools = found == JUDGED + 1
    return other


def named_alike(evidence: Evidence) -> Bools:
    """The places bear one name, but for its spelling and the word for its kind."""
    alike: Bools = (evidence.place >= EQUAL) & (evidence.place <= JUDGED + NAMED("core"))
    return alike


def other_door(evidence: Evidence) -> Bools:
    """Another number on one road or in one village, another branch of one road, or another crossing."""
    village = (evidence.road == NEITHER) & ((evidence.community == EQUAL) | (evidence.place == EQUAL))
    village &= evidence.place != ONE
    doors: Bools = conflict(evidence.road_no) & (agree(evidence) | village)
    doors |= evidence.road == JUDGED + roads.LEVELS.index("branch")
    doors &= ~evidence.about
    bare = (evidence.place == NEITHER) & (evidence.road_no == NEITHER)
    doors |= evidence.crossing & bare & (evidence.road != EQUAL)
    return doors


def settled_within(evidence: Evidence) -> Bools:
    """A name that may lie at two doors: an estate, but no work zone with many, and no hamlet with groups."""
    may: Bools = named_alike(evidence) & ~evidence.area & ~evidence.group & (evidence.road != NEITHER)
    return may


def _other_hamlet(evidence: Evidence) -> Bools:
    """Two hamlets of one village or township without roads (王家湾, 李家湾)."""
    other: Bools = (evidence.community == EQUAL) & (evidence.road == NEITHER) & (evidence.road_no >= EQUAL)
    other &= evidence.place >= JUDGED + NAMED("part")
    return other


def _other_village(evidence: Evidence) -> Bools:
    """Groups of two villages (永平村8组, 乾元村8组)."""
    other: Bools = evidence.group & (evidence.community >= JUDGED + NAMED("kind"))
    return other


def contradicted(evidence: Evidence) -> Bools:
    """A numbered element, a mark of an estate or a region says another thing on either side."""
    inside = np.zeros(len(evidence.city), np.bool_)
    for name in ("building", "unit", "floor"):
        inside |= conflict(getattr(evidence, name))
    inside = (inside & ~evidence.doubtful) | (evidence.room >= JUDGED)
    marks = evidence.marks == JUDGED + 3
    regions = (evidence.city == JUDGED + 1) | (evidence.district == JUDGED + 1)
    doors = (other_door(evidence) & ~settled_within(evidence)) | _other_hamlet(evidence) | _other_village(evidence)
    found: Bools = inside | marks | regions | doors
    return found
