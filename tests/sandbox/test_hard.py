"""Hard negatives: as alike as they claim, canonical, several records each, and counted when merged."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sandbox import hard
from schemas.address import parse
from schemas.entities import ENTITIES
from schemas.identifiers import citizen_id
from schemas.records import standardised_schema
from schemas.values import ValueOptions, normalise

GROUPS = 400


@pytest.fixture(scope="module")
def sets() -> dict[str, hard.HardNegatives]:
    return {kind: hard.make(kind, GROUPS) for kind in hard.KINDS}


def members(negatives: hard.HardNegatives) -> dict[int, dict[str, list[dict]]]:
    """Group -> entity -> its records."""
    groups: dict[int, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for record, truth in zip(negatives.records.to_pylist(), negatives.truth.to_pylist(), strict=True):
        groups[truth["group_id"]][truth["truth_id"]].append(record)
    return {number: dict(sorted(group.items())) for number, group in groups.items()}


def known(records: list[dict], field: str) -> set[str]:
    return {r[field] for r in records if r[field] is not None}


@pytest.mark.parametrize("kind", hard.KINDS)
def test_each_group_is_two_entities_of_two_or_three_records(kind: str, sets) -> None:
    negatives = sets[kind]
    assert negatives.groups == GROUPS
    assert negatives.records.schema == standardised_schema(negatives.entity)
    groups = members(negatives)
    assert all(len(group) == 2 for group in groups.values())
    assert {len(records) for group in groups.values() for records in group.values()} == {2, 3}
    assert pc.count_distinct(negatives.truth["record"]).as_py() == negatives.records.num_rows


@pytest.mark.parametrize("kind", hard.KINDS)
def test_the_same_seed_gives_the_same_records(kind: str, sets) -> None:
    assert hard.make(kind, GROUPS).records.equals(sets[kind].records)
    assert not hard.make(kind, GROUPS, 2).records.equals(sets[kind].records)


@pytest.mark.parametrize("kind", hard.KINDS)
def test_values_are_canonical(kind: str, sets) -> None:
    negatives = sets[kind]
    for field in ENTITIES[negatives.entity].fields:
        values = negatives.records[field.name].combine_chunks()
        answer = normalise(field.kind, values, ValueOptions(code_set=field.code_set))
        assert answer["value"].combine_chunks().equals(values), field.name


@pytest.mark.parametrize("kind", hard.KINDS)
def test_what_a_record_says_of_its_entity_is_true(kind: str, sets) -> None:
    """An entity has one value of each field in all its records; addresses may be written in several ways."""
    texts = {"residence_address", "address", "full_text"}
    for group in members(sets[kind]).values():
        for records in group.values():
            for field in ENTITIES[sets[kind].entity].names:
                assert len(known(records, field)) <= 1 or field in texts, field


def test_merged_counts_groups_and_not_records(sets) -> None:
    negatives = sets["twins"]
    truth = negatives.truth
    apart = pa.table({"record": truth["record"], "master": truth["truth"]})
    assert hard.merged(apart, negatives) == 0
    whole = pa.table({"record": truth["record"], "master": truth["group_id"]})
    assert hard.merged(whole, negatives) == GROUPS
    alone = pa.table({"record": truth["record"], "master": truth["record"]})
    assert hard.merged(alone, negatives) == 0
    three = [i for i, g in enumerate(truth["group_id"].to_pylist()) if g in {1, 5, 7}]
    some = [
        f"g{g}" if i in set(three) else r
        for i, (g, r) in enumerate(zip(truth["group_id"].to_pylist(), truth["record"].to_pylist(), strict=True))
    ]
    assert hard.merged(pa.table({"record": truth["record"], "master": pa.array(some)}), negatives) == 3


def apart(left: str, right: str) -> int:
    return sum(a != b for a, b in zip(left, right, strict=True))


def test_twins_share_all_but_a_character_and_the_number(sets) -> None:
    numberless = 0
    for group in members(sets["twins"]).values():
        first, second = group.values()
        names = known(first, "name").pop(), known(second, "name").pop()
        assert apart(*names) == 1
        assert names[0][0] == names[1][0]
        assert known(first, "birth_date") == known(second, "birth_date")
        assert known(first, "phone") == known(second, "phone")
        numbers = known(first, "id_number"), known(second, "id_number")
        assert not numbers[0] & numbers[1]
        numberless += not numbers[0] and not numbers[1]
    assert 0.15 < numberless / GROUPS < 0.4, "some twins have no number at all"


def test_namesakes_share_name_and_birthday_and_nothing_else(sets) -> None:
    for group in members(sets["namesakes"]).values():
        first, second = group.values()
        for field in ("name", "birth_date", "sex"):
            assert known(first, field) == known(second, field)
        for field in ("id_number", "phone", "residence_address"):
            assert not known(first, field) & known(second, field)


def test_father_and_son_are_a_generation_apart(sets) -> None:
    for group in members(sets["fathers_and_sons"]).values():
        first, second = group.values()
        (father,), (son,) = known(first, "birth_date"), known(second, "birth_date")
        assert 21 <= int(son[:4]) - int(father[:4]) <= 41
        assert known(first, "phone") == known(second, "phone")
        assert apart(known(first, "name").pop(), known(second, "name").pop()) == 1


@pytest.mark.parametrize(
    ("kind", "field"), [("neighbouring_houses", "address"), ("neighbouring_addresses", "full_text")]
)
def test_neighbours_differ_in_one_element(kind: str, field: str, sets) -> None:
    """Parsed, the texts of a home agree and its neighbour's differ; some roads (昙华林) no parser takes for roads."""
    elements = ("road", "road_no", "building", "unit", "room")
    checked = 0
    for group in members(sets[kind]).values():
        parsed = [
            parse(pa.array([r[field] for r in records])).select(elements).to_pylist() for records in group.values()
        ]
        if all(p == home[0] and p["road"] for home in parsed for p in home):
            assert sum(parsed[0][0][e] != parsed[1][0][e] for e in elements) == 1
            checked += 1
    assert checked > 0.9 * GROUPS


def test_branches_have_codes_and_places_of_their_own(sets) -> None:
    shared = heads = 0
    for group in members(sets["branches"]).values():
        first, second = group.values()
        assert len(known(first, "uscc")) == len(known(second, "uscc")) == 1
        assert not known(first, "uscc") & known(second, "uscc")
        assert not known(first, "address") & known(second, "address")
        names = known(first, "name").pop(), known(second, "name").pop()
        assert names[0] != names[1]
        assert names[0][:9] == names[1][:9]
        heads += any(name.endswith("有限公司") for name in names)
        shared += bool(known(first, "legal_representative") & known(second, "legal_representative"))
    assert 0.1 < heads / GROUPS < 0.4
    assert shared / GROUPS > 0.4


def test_numbers_are_synthetic_and_valid(sets) -> None:
    for kind in ("twins", "fathers_and_sons", "namesakes"):
        for number in sets[kind].records["id_number"].drop_null().to_pylist():
            assert number.startswith("420199")
            assert citizen_id.check_digit(number[:17]) == number[17]
