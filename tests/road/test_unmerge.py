"""Merge and unmerge along the whole road: afterwards everything is as it was, ids and golden values alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from road_support import Row, Town, citizen, flat, row

from onefact import enter, merge, pull, rebuild
from onefact.consolidate import consolidate

WANG = citizen(11)
WHO = {"actor": "李主任", "reason": "上门核实"}
Y1, V2, V1 = ("ybss", "Y1"), ("volunteer", "V2"), ("volunteer", "V1")
G1, G2 = ("sg_etong", "G1"), ("sg_etong", "G2")


def write(town: Town, instead: Mapping[str, Row]) -> None:
    """Write the systems' files, with some rows as given."""
    rows = {
        "ybss": [row("Y1", "王伟", id_number=WANG, phone="13900000001", home=flat(1))],
        "sg_etong": [row("G1", "陈刚", phone="13900000009", home=flat(3)), row("G2", "王伟", id_number=WANG)],
        "volunteer": [row("V1", "李娜", phone="13900000003"), row("V2", "王伟", id_number=WANG)],
    }
    for system, its in rows.items():
        town.write(system, [instead.get(r["id"], r) for r in its])


@pytest.fixture
def town(make_town: Callable[[str], Town]) -> Town:
    """Wang is known to three systems; Li to one, Chen to one, both without a number."""
    town = make_town("town")
    write(town, {})
    run(town)
    return town


def run(town: Town) -> None:
    town.home.now.advance()  # type: ignore[attr-defined]
    pull.pull(town.home)
    consolidate(town.home)


def state(town: Town) -> tuple[Any, ...]:
    """Ids, golden values with provenance, relations, open changes."""
    redirects = {(str(r["old_id"]), str(r["new_id"])) for r in town.query("SELECT old_id, new_id FROM redirect")}
    return town.ids(), town.whole(), town.changes(), redirects


def together(town: Town, *records: tuple[str, str]) -> bool:
    return len({town.id_of(*r) for r in records}) == 1


def test_two_that_are_equally_large_each_get_their_own_id_back(town: Town) -> None:
    before, li, chen = state(town), town.id_of(*V1), town.id_of(*G1)
    for _ in range(3):  # which of the two ends is settled by their ids
        merge.merge(town.home, li, chen, **WHO)
        consolidate(town.home)
        merge.unmerge(town.home, ({li, chen} - {town.id_of(*V1)}).pop(), **WHO)
        consolidate(town.home)
        assert state(town) == before


def test_merge_then_unmerge_leaves_everything_as_it_was(town: Town) -> None:
    before, wang, li = state(town), town.id_of(*Y1), town.id_of(*V1)
    merge.merge(town.home, wang, li, **WHO)
    consolidate(town.home)
    assert together(town, Y1, V2, V1)
    assert town.person(*V1)["master_id"].__str__() == wang  # most records keep the id
    merge.unmerge(town.home, li, **WHO)
    consolidate(town.home)
    assert state(town) == before


@pytest.mark.parametrize("who", [V1, G1], ids=lambda r: r[0])
def test_a_merge_by_the_model_is_undone_and_stays_undone(town: Town, who: tuple[str, str]) -> None:
    """Somebody else's record is given Wang's number and name; a person knows that it is not Wang."""
    wang, before = town.id_of(*Y1), town.id_of(*who)
    write(town, {who[1]: row(who[1], "王伟", id_number=WANG, phone="13900000003")})
    run(town)
    assert together(town, Y1, who)
    merge.unmerge(town.home, before, **WHO)
    consolidate(town.home)
    assert (town.id_of(*who), town.id_of(*Y1)) == (before, wang)
    assert together(town, Y1, V2, G2)
    write(town, {who[1]: row(who[1], "王伟", id_number=WANG, phone="13900000004")})
    run(town)
    rebuild.rebuild(town.home)
    assert (town.id_of(*who), town.id_of(*Y1)) == (before, wang)


def test_facts_typed_for_an_id_come_back_with_it(town: Town) -> None:
    wang, li = town.id_of(*Y1), town.id_of(*V1)
    enter.enter(town.home, li, "phone", "13900000033")
    consolidate(town.home)
    before = state(town)
    merge.merge(town.home, wang, li, **WHO)
    consolidate(town.home)
    assert town.person(*Y1)["phone"] == "13900000033"
    merge.unmerge(town.home, li, **WHO)
    consolidate(town.home)
    assert state(town) == before


def test_a_chain_of_merges_is_undone_link_by_link(town: Town) -> None:
    wang, li, chen = (town.id_of(*r) for r in (Y1, V1, G1))
    enter.enter(town.home, chen, "phone", "13900000033")
    consolidate(town.home)
    before = state(town)
    merge.merge(town.home, li, chen, **WHO)
    consolidate(town.home)
    one, gone = sorted((li, chen), key=lambda i: i != town.id_of(*V1))
    between = state(town)
    merge.merge(town.home, wang, one, **WHO)
    consolidate(town.home)
    assert together(town, Y1, V1, G1)
    merge.unmerge(town.home, one, **WHO)
    consolidate(town.home)
    assert state(town) == between
    merge.unmerge(town.home, gone, **WHO)
    consolidate(town.home)
    assert state(town) == before


def test_records_split_off_stay_off(town: Town) -> None:
    wang = town.id_of(*Y1)
    merge.split(town.home, wang, ["volunteer/V2"], **WHO)
    consolidate(town.home)
    assert not together(town, Y1, V2)
    assert wang in {town.id_of(*Y1), town.id_of(*V2)}
    before = town.ids()
    rebuild.rebuild(town.home)
    assert town.ids() == before


def test_a_merge_survives_what_is_pulled_later_and_a_rebuild(town: Town) -> None:
    merge.merge(town.home, town.id_of(*V1), town.id_of(*G1), **WHO)
    consolidate(town.home)
    write(town, {"G1": row("G1", "陈钢", phone="13900000008", home=flat(4))})
    run(town)
    before = town.ids()
    assert together(town, V1, G1)
    rebuild.rebuild(town.home)
    assert town.ids() == before
