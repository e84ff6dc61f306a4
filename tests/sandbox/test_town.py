"""The synthetic town: reproducible, nobody real, and plausible enough that dedupe is hard."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sandbox.town import Town, make_town, reference
from schemas.address import regions
from schemas.entities import ENTITIES
from schemas.identifiers import citizen_id, uscc
from schemas.values import ValueOptions, normalise


@pytest.fixture(scope="module")
def town() -> Town:
    return make_town(2000, 1)


def column(town: Town, entity: str, field: str) -> list[str | None]:
    return town.tables[entity][field].to_pylist()  # type: ignore[index]


def share(values: list[object]) -> float:
    return sum(v is not None for v in values) / len(values)


def test_the_same_seed_gives_the_same_town(town: Town) -> None:
    again = make_town(2000, 1)
    assert all(town.tables[e].equals(again.tables[e]) for e in ENTITIES)
    assert town.events().equals(again.events())
    assert not make_town(2000, 2).tables["person"].equals(town.tables["person"])


def test_another_day_is_another_town_of_the_same_size() -> None:
    later = make_town(300, 1, date(2028, 2, 29))
    assert later.count("person") == 300 + 20
    assert max(d for d in column(later, "person", "birth_date") if d) <= "2028-02-29"


def test_too_small_a_town_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        make_town(99)


@pytest.mark.parametrize("entity", list(ENTITIES))
def test_every_value_is_canonical(town: Town, entity: str) -> None:
    """What the town calls true must survive normalisation untouched, else truth could never be reached."""
    for field in ENTITIES[entity].fields:  # type: ignore[index]
        values = town.tables[entity][field.name].combine_chunks()  # type: ignore[index]
        answer = normalise(field.kind, values, ValueOptions(code_set=field.code_set))
        assert answer["value"].combine_chunks().equals(values), field.name
        longest = pc.max(pc.utf8_length(values)).as_py()
        assert longest is None or longest <= field.length, field.name


def test_identity_numbers_are_valid_and_in_the_area_that_does_not_exist(town: Town) -> None:
    person = town.tables["person"]
    citizens = person.filter(pc.equal(person["id_type"], "111"))
    numbers = citizens["id_number"].to_pylist()
    assert len(numbers) > 1900
    assert len(set(numbers)) == len(numbers)
    for number, born, sex in zip(numbers, citizens["birth_date"].to_pylist(), citizens["sex"].to_pylist(), strict=True):
        assert number[:6] == "420199"
        assert number[6:14] == born.replace("-", "")
        assert int(number[16]) % 2 == int(sex) % 2
        assert citizen_id.check_digit(number[:17]) == number[17]
    others = set(person.filter(pc.not_equal(person["id_type"], "111"))["id_number"].to_pylist())
    assert others
    assert not any(len(n) == 18 for n in others)


def test_credit_codes_are_valid_and_unique(town: Town) -> None:
    codes = column(town, "organisation", "uscc")
    assert len(set(codes)) == len(codes)
    assert all(c and c[2:8] == "420199" and uscc.check_digit(c[:17]) == c[17] for c in codes)
    assert {c[:2] for c in codes if c} >= {"91", "92", "51", "52", "55", "12"}


def test_every_identity_number_anywhere_is_synthetic(town: Town) -> None:
    for entity, field in (
        ("house", "owner_id_number"),
        ("house", "tenant_id_number"),
        ("organisation", "legal_id_number"),
        ("person", "disability_no"),
    ):
        values = [v for v in column(town, entity, field) if v and len(v) >= 18]
        assert values
        assert all(v.startswith("420199") for v in values)
    for (_, field), change in town.history.items():
        if field.endswith("id_number"):
            assert all(v.startswith("420199") for v in change.old.to_pylist() if v and len(v) == 18)


def test_phones_stand_in_unused_ranges(town: Town) -> None:
    numbers = [v for v in [*column(town, "person", "phone"), *column(town, "organisation", "phone")] if v]
    assert all(n[:3] in {"154", "161", "163", "164", "168", "169", "194"} or n.startswith("027-2") for n in numbers)


def test_dedupe_is_hard_here(town: Town) -> None:
    person = town.tables["person"].to_pylist()[:2000]
    namesakes = Counter(p["name"] for p in person)
    assert sum(n for n in namesakes.values() if n > 1) > 100
    same_day = Counter((p["name"], p["birth_date"], p["sex"]) for p in person)
    assert max(same_day.values()) >= 2, "two people with one name and birthday"
    phones = Counter(p["phone"] for p in person if p["phone"])
    assert sum(n > 1 for n in phones.values()) > 10, "phones shared in families"
    assert any("·" in p["name"] for p in person)
    assert any(len(p["name"]) == 4 and "·" not in p["name"] for p in person), "compound surnames"
    assert any(p["foreign_surname"] for p in person)
    assert any(p["id_number"] is None for p in person), "babies without a number"
    estates = {(a["compound"], a["street"]) for a in town.tables["address"].to_pylist() if a["compound"]}
    assert len(estates) >= 16


def test_twins_share_a_birthday_and_a_surname(town: Town) -> None:
    by_birth: dict[tuple[str, str], list[dict[str, str]]] = {}
    for p in town.tables["person"].to_pylist():
        if p["guardian_name"] and p["household_no"] and p["birth_date"] > "2008":
            by_birth.setdefault((p["household_no"], p["birth_date"]), []).append(p)
    assert any(len(pair) == 2 for pair in by_birth.values())


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("phone", 0.8, 0.95), ("disability_no", 0.012, 0.05), ("party_branch", 0.05, 0.14), ("volunteer_no", 0.07, 0.22),
        ("veteran_no", 0.01, 0.04), ("aid_no", 0.008, 0.04), ("permit_no", 0.06, 0.2), ("health_file_no", 0.85, 0.96),
        ("elder_type", 0.12, 0.25), ("inflow_reason", 0.1, 0.25), ("employer_name", 0.3, 0.6), ("death_date", 0.003, 0.03),
        ("guardian_name", 0.12, 0.3), ("chronic_disease", 0.08, 0.25), ("mental_disorder", 0.5, 0.85),
    ],
)  # fmt: skip
def test_prevalence_is_plausible(town: Town, field: str, low: float, high: float) -> None:
    assert low <= share(column(town, "person", field)[:2000]) <= high  # type: ignore[arg-type]


def test_facts_fit_the_age(town: Town) -> None:
    for p in town.tables["person"].to_pylist():
        age = (town.today - date.fromisoformat(p["birth_date"])).days / 365.2425
        assert 0 <= age < 105
        assert p["political_status"] not in {"01", "02"} or age >= 18
        assert p["marital_status"] == "10" or age >= (22 if p["sex"] == "1" else 20) - 0.01
        assert p["elder_type"] is None or age >= 60
        assert p["guardian_name"] is None or age < 18 or age >= 75
        assert p["permit_no"] is None or p["population_type"] == "2"
        assert (
            p["disability_no"] is None
            or p["disability_no"] == p["id_number"] + p["disability_type"] + p["disability_grade"]
        )


def test_households_have_one_head_and_live_in_one_flat(town: Town) -> None:
    homes: dict[str, list[dict[str, str]]] = {}
    for p in town.tables["person"].to_pylist():
        if p["household_no"]:
            homes.setdefault(p["household_no"], []).append(p)
    assert len(homes) > 500
    for members in homes.values():
        assert sum(m["household_relation"] == "02" for m in members) == 1
        assert len({m["residence_address"] for m in members}) == 1 or any(m["death_date"] for m in members)


def test_rented_houses_have_tenants_and_others_have_none(town: Town) -> None:
    for h in town.tables["house"].to_pylist():
        assert (h["status"] == "2") == (h["tenant_name"] is not None), h["truth_id"]
        assert h["owner_name"] or (h["area_m2"] is None and h["address"].endswith("栋"))


def test_relations_point_at_rows_that_exist(town: Town) -> None:
    target = {
        "house": "house",
        "former_house": "house",
        "address": "address",
        "community": "address",
        "organisation": "organisation",
    }
    for name, rows in town.relations.items():
        kind = target.get(name.split(".")[1], "person")
        assert rows.min() >= -1
        assert rows.max() < town.count(kind), name  # type: ignore[arg-type]


def test_stale_values_are_the_earlier_ones(town: Town) -> None:
    change = town.history["person", "phone"]
    row = int(np.flatnonzero(change.day >= 0)[0])
    rows = np.array([row, row, -1])
    seen = town.as_of("person", rows, np.array([change.day[row] - 1, change.day[row], 0]))
    assert seen["phone"].to_pylist() == [change.old[row].as_py(), column(town, "person", "phone")[row], None]
    assert change.old[row].as_py() != column(town, "person", "phone")[row]


def test_events_are_dated_and_within_three_years_for_changes(town: Town) -> None:
    events = town.events()
    changes = events.filter(pc.equal(events["event"], "changed"))
    assert changes.num_rows > 800
    assert pc.min(changes["day"]).as_py() > "2023-10-01"
    assert pc.max(events["day"]).as_py() <= "2026-11-01"
    assert {"phone", "residence_address", "marital_status", "legal_representative", "death_date"} <= set(
        changes["field"].to_pylist()
    )


def test_chains_share_a_stem_but_not_a_code(town: Town) -> None:
    firms = [o for o in town.tables["organisation"].to_pylist() if (o["sign_name"] or "").startswith("楚味轩")]
    assert len(firms) >= 2
    assert len({o["uscc"] for o in firms}) == len(firms)


def test_a_chain_has_a_head_office_and_shares_its_people_and_hotline() -> None:
    town = make_town(10_000, 3)
    firms = town.tables["organisation"].to_pylist()
    for chain in reference.rows("chains"):
        units = [o for o in firms if o["name"].startswith(chain["head"])]
        assert sum(o["name"] == chain["head"] for o in units) <= 1
        assert len({o["name"] for o in units}) == len(units) == len({o["uscc"] for o in units})
    branches = [o for o in firms if any(o["name"].startswith(c["head"]) for c in reference.rows("chains"))]
    for field in ("legal_id_number", "phone"):
        commonest = Counter(o[field] for o in branches).most_common(len(reference.rows("chains")))
        assert sum(n for _, n in commonest) > 0.3 * len(branches), field


def test_families_share_characters_and_nobody_has_the_name_of_a_brother() -> None:
    town = make_town(20_000, 5)
    homes: dict[str, list[dict[str, str]]] = {}
    for p in town.tables["person"].to_pylist():
        if p["household_no"] and (p["household_relation"] or "")[0] in "23":
            homes.setdefault(p["household_no"], []).append(p)
    pairs = [tuple(children) for children in homes.values() if len(children) == 2]
    twins = [(a, b) for a, b in pairs if a["birth_date"] == b["birth_date"]]
    assert len(twins) > 20
    assert sum(a["name"][1] == b["name"][1] for a, b in twins) > 0.6 * len(twins)
    siblings = [(a["name"], b["name"]) for a, b in pairs if a["birth_date"] != b["birth_date"]]
    assert 0.25 < sum(a[1] == b[1] for a, b in siblings) / len(siblings) < 0.6
    assert sum(a == b for a, b in siblings) < 0.01 * len(siblings)


def test_some_numbers_are_given_out_again(town: Town) -> None:
    """The former number of one person is today's of another."""
    change = make_town(10_000, 3).history["person", "phone"]
    today = set(make_town(10_000, 3).tables["person"]["phone"].drop_null().to_pylist())
    former = [o for o, d in zip(change.old.to_pylist(), change.day, strict=True) if d >= 0]
    assert 0.02 < sum(number in today for number in former) / len(former) < 0.08


def test_some_estates_have_a_second_name(town: Town) -> None:
    estates = {a for a in column(town, "address", "compound") if a}
    assert set(town.second_names) < estates
    assert town.second_names
    assert not set(town.second_names.values()) & estates
    assert len(set(town.second_names.values())) == len(town.second_names)


def test_origins_are_divisions_that_exist() -> None:
    path = Path(regions.__file__).parent / "data" / "regions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        known = {row["code"]: row["name"] for row in csv.DictReader(file)}
    for name in ("origins", "city_districts"):
        for row in reference.rows(name):
            assert known[row["code"]] == row["district"]


def test_a_big_town_is_made_without_loops_over_people() -> None:
    town = make_town(50_000, 7)
    assert town.count("person") == 53_000
    numbers = town.tables["person"]["id_number"].drop_null()
    assert pc.count_distinct(numbers).as_py() == len(numbers)
    assert isinstance(town.tables["address"]["full_text"], pa.ChunkedArray)
    assert pc.count_distinct(town.tables["address"]["full_text"]).as_py() == town.count("address")
