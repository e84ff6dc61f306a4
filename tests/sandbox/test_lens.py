"""Each system's view of the town: reproducible, complete truth beside it, dirt of every class, nobody real."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from connectors.manifest import Manifest, load_all
from connectors.mapping import decode
from sandbox.lens import BadLens, SystemView, lens_for, make_lens, population, seed_all, view
from sandbox.lens.dirt import CLASSES, MIXUPS
from sandbox.lens.keys import KeyFacts, make_keys
from sandbox.lens.population import BadCondition, members
from sandbox.lens.settings import Population
from sandbox.town import Town, make_town
from schemas.entities import ENTITIES
from schemas.identifiers import citizen_id

ROOT = Path(__file__).parents[2]
MANIFESTS = load_all(ROOT / "connectors" / "systems")
FIXTURE = ROOT / "tests" / "fixtures" / "sandbox" / "dirt.tsv"


@pytest.fixture(scope="module")
def town() -> Town:
    return make_town(2000, 1)


@pytest.fixture(scope="module")
def views(town: Town) -> dict[str, SystemView]:
    return {system: view(town, manifest, lens_for(system), 1) for system, manifest in MANIFESTS.items()}


def fixture_rows() -> list[tuple[str, str, str]]:
    with FIXTURE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(r["class"], r["before"], r["after"].replace("\\t", "\t")) for r in rows]


@pytest.mark.parametrize(("name", "before", "after"), fixture_rows())
def test_dirt_writes_what_the_fixture_says(name: str, before: str, after: str) -> None:
    dirty = CLASSES[name].change(pa.array([before, None, before]), np.random.default_rng(0))
    assert dirty.to_pylist() == [None if after == "-" else after, None, None if after == "-" else after]


CHANCY = {
    "id_number.one_digit_wrong", "id_number.two_digits_swapped", "name.middle_dot_variant", "date.other_separator",
    "phone.two_in_a_cell", "code.unknown_code",
}  # fmt: skip


def test_every_class_of_dirt_is_tested() -> None:
    assert {name for name, _, _ in fixture_rows()} | CHANCY == set(CLASSES)


def test_wrong_and_swapped_digits_spoil_the_number_but_never_the_area() -> None:
    numbers = pa.array(["420199195203148817"[:17] + citizen_id.check_digit("42019919520314881")] * 200)
    rng = np.random.default_rng(1)
    wrong = CLASSES["id_number.one_digit_wrong"].change(numbers, rng).to_pylist()
    swapped = CLASSES["id_number.two_digits_swapped"].change(numbers, rng).to_pylist()
    assert all(n[:8] == "42019919" for n in wrong + swapped)
    assert all(sum(a != b for a, b in zip(n, numbers[0].as_py(), strict=True)) == 1 for n in wrong)
    assert all(citizen_id.check_digit(n[:17]) != n[17] for n in wrong)
    assert all(sorted(n) == sorted(numbers[0].as_py()) for n in swapped)


def test_chancy_dirt_stays_within_its_forms() -> None:
    rng = np.random.default_rng(2)
    dots = CLASSES["name.middle_dot_variant"].change(pa.array(["阿依古丽·买买提"] * 50 + ["张三"]), rng).to_pylist()
    assert set(dots[:50]) <= {f"阿依古丽{d}买买提" for d in ("•", "．", "・", ".", "")}
    assert len(set(dots[:50])) > 2
    assert dots[50] is None
    days = CLASSES["date.other_separator"].change(pa.array(["1990-01-02"] * 50), rng).to_pylist()
    assert set(days) == {"1990/01/02", "1990.01.02", "19900102", "1990年01月02日"}
    phones = CLASSES["phone.two_in_a_cell"].change(pa.array(["16312345678"]), rng).to_pylist()
    assert re.fullmatch(r"16312345678/027-2\d{7}", phones[0])
    assert set(CLASSES["code.unknown_code"].change(pa.array(["1"] * 50), rng).to_pylist()) <= {
        "?",
        "待定",
        "ZZ",
        "其它(见备注)",
    }


def test_mixups_take_the_fact_of_the_right_person(town: Town) -> None:
    people, rng = town.tables["person"], np.random.default_rng(3)
    rows = np.arange(town.count("person"))
    spouse = town.relations["person.spouse"]
    ids = MIXUPS["id_number.spouse_id"][2](town, rows, rng).to_pylist()
    truth = people["id_number"].to_pylist()
    assert all(ids[i] == (truth[spouse[i]] if spouse[i] >= 0 else None) for i in rows)
    guardian = MIXUPS["phone.guardians_phone"][2](town, rows, rng)
    assert not any(g and a for g, a in zip(guardian.to_pylist(), people["elder_type"].to_pylist(), strict=True))
    signs = MIXUPS["address.shop_sign"][2](town, np.array([5, -1]), rng).to_pylist()
    assert signs == [town.tables["organisation"]["sign_name"][5].as_py(), None]


def test_mixups_of_births_places_and_firms(town: Town) -> None:
    rng = np.random.default_rng(3)
    people, firms = np.arange(town.count("person")), np.arange(town.count("organisation"))
    born = town.tables["person"]["birth_date"].to_pylist()
    swapped = MIXUPS["birth_date.day_and_month_swapped"][2](town, people, rng).to_pylist()
    assert all(
        s is None or (s[:4], s[5:7], s[8:]) == (b[:4], b[8:], b[5:7]) for s, b in zip(swapped, born, strict=True)
    )
    assert 0.2 < sum(s is not None for s in swapped) / len(swapped) < 0.5
    assert set(MIXUPS["birth_date.first_of_january"][2](town, people, rng).to_pylist()) == {
        b[:4] + "-01-01" for b in born
    }
    homes = town.tables["person"]["residence_address"].to_pylist()
    other = MIXUPS["address.home_by_second_name"][2](town, people, rng).to_pylist()
    for before, after in zip(homes, other, strict=True):
        found = [e for e in town.second_names if e in (before or "")]
        assert (after is None) == (not found)
        assert after is None or any(before.replace(e, town.second_names[e]) == after for e in found)
    names = town.tables["organisation"]["name"].to_pylist()
    short = MIXUPS["organisation.without_region"][2](town, firms, rng).to_pylist()
    assert all(s is None or (n.endswith(s) and not s.startswith("武汉市")) for s, n in zip(short, names, strict=True))
    formed = MIXUPS["organisation.another_form"][2](town, firms, rng).to_pylist()
    assert any("有限责任公司" in f for f in formed)
    assert all(f.replace("有限责任公司", "有限公司") == n for f, n in zip(formed, names, strict=True))


def test_what_was_not_collected_is_absent(views: dict[str, SystemView]) -> None:
    missing = views["health_file"].rows["archives"]["id_card_no"]
    assert 0.02 < missing.null_count / len(missing) < 0.2


def test_the_same_seed_gives_the_same_view(town: Town, views: dict[str, SystemView]) -> None:
    again = view(make_town(2000, 1), MANIFESTS["sg_etong"], lens_for("sg_etong"), 1)
    assert all(again.rows[name].equals(rows) for name, rows in views["sg_etong"].rows.items())
    assert again.truth.equals(views["sg_etong"].truth)
    other = view(town, MANIFESTS["sg_etong"], lens_for("sg_etong"), 2)
    assert not other.rows["persons"].equals(again.rows["persons"])


def test_all_forty_systems_are_there() -> None:
    assert len(MANIFESTS) == 40


@pytest.mark.parametrize("system", sorted(MANIFESTS))
def test_every_system_sees_the_columns_of_its_manifest(system: str, views: dict[str, SystemView]) -> None:
    manifest = MANIFESTS[system]
    for dataset in manifest.datasets:
        rows = views[system].rows[dataset.name]
        assert rows.num_rows > 0
        assert tuple(rows.column_names) == dataset.columns
        assert all(t == pa.string() for t in rows.schema.types)
        keys = list(zip(*(rows[k].to_pylist() for k in dataset.key), strict=True))
        assert len(set(keys)) == len(keys)
        assert not any(part is None for key in keys for part in key)
        if dataset.updated_at:
            assert rows[dataset.updated_at.column].null_count == 0


@pytest.mark.parametrize("system", sorted(MANIFESTS))
def test_every_column_is_filled_somewhere(system: str, views: dict[str, SystemView]) -> None:
    """A mapped column that is empty everywhere would hide a broken mapping from every later test."""
    rare = {"religion", "overseas_background", "registration_no", "departure_date", "foreign_surname", "death_date"}
    for dataset in MANIFESTS[system].datasets:
        rows = views[system].rows[dataset.name]
        if rows.num_rows < 100:
            continue
        for entity in dataset.entities:
            for name, mapped in entity.fields.items():
                if name not in rare and len(mapped.column) == 1:
                    assert rows[mapped.column[0]].null_count < rows.num_rows, (dataset.name, name)


@pytest.mark.parametrize("system", sorted(MANIFESTS))
def test_every_decoded_record_has_exactly_one_truth(system: str, town: Town, views: dict[str, SystemView]) -> None:
    manifest: Manifest = MANIFESTS[system]
    truth = views[system].truth
    places = list(zip(truth["record_key"].to_pylist(), truth["role"].to_pylist(), strict=True))
    assert len(set(places)) == len(places)
    known = {entity: set(table["truth_id"].to_pylist()) for entity, table in town.tables.items()}
    for entity, truth_id in zip(truth["entity_type"].to_pylist(), truth["truth_id"].to_pylist(), strict=True):
        assert truth_id in known[entity]
    for dataset in manifest.datasets:
        rows = views[system].rows[dataset.name]
        places_column = pa.array([str(i) for i in range(rows.num_rows)])
        decoded = decode(rows.append_column("_place", places_column), manifest, dataset.name, "2026-11-01T00:00:00")
        for table in decoded.tables.values():
            for place in zip(table["record_key"].to_pylist(), table["role"].to_pylist(), strict=True):
                assert place in set(places), place


def test_no_identity_number_names_a_real_place(views: dict[str, SystemView]) -> None:
    digits = str.maketrans("０１２３４５６７８９Ｘ", "0123456789X")
    checked = 0
    for system, seen in views.items():
        for dataset in MANIFESTS[system].datasets:
            for entity in dataset.entities:
                for name, mapped in entity.fields.items():
                    if ENTITIES[entity.type].field(name).kind == "id_number" and len(mapped.column) == 1:
                        for value in seen.rows[dataset.name][mapped.column[0]].to_pylist():
                            plain = re.sub(r"[ '\t]", "", (value or "").translate(digits))
                            if re.fullmatch(r"\d{15}|\d{17}[\dXx]", plain):
                                assert plain.startswith("420199"), (system, mapped.column)
                                checked += 1
    assert checked > 8000


def test_systems_hold_stale_values_and_authorities_fewer(town: Town, views: dict[str, SystemView]) -> None:
    change = town.history["person", "phone"]
    old = {o for o, d in zip(change.old.to_pylist(), change.day, strict=True) if d >= 0}

    def stale_share(system: str, dataset: str, column: str) -> float:
        values = [v for v in views[system].rows[dataset][column].to_pylist() if v]
        return sum(v in old for v in values) / len(values)

    assert stale_share("sg_etong", "persons", "lxdh") < 0.025
    assert stale_share("employment", "registrations", "AAE005") > 0.03


def test_the_departed_stay_in_systems_that_do_not_look(town: Town, views: dict[str, SystemView]) -> None:
    gone = {
        t
        for t, u in zip(town.tables["person"]["truth_id"].to_pylist(), town.lives["person"].until, strict=True)
        if u >= 0
    }
    assert gone & set(views["sg_etong"].truth["truth_id"].to_pylist())
    closed = [v for v in views["sg_etong"].rows["persons"]["zxbz"].to_pylist() if v == "1"]
    assert closed, "some departures are known and flagged"


def test_some_people_are_there_twice(views: dict[str, SystemView]) -> None:
    truth = views["health_file"].truth
    counts = truth.group_by("truth_id").aggregate([("record_key", "count")])
    assert pc.max(counts["record_key_count"]).as_py() == 2
    assert 1 <= pc.sum(pc.equal(counts["record_key_count"], 2)).as_py() < 30


def test_dirt_is_modest_and_authorities_are_cleaner(views: dict[str, SystemView]) -> None:
    def invalid(system: str, dataset: str, column: str) -> float:
        answer = citizen_id.parse(views[system].rows[dataset][column])
        return float(pc.mean(pc.is_valid(answer["issue"]).cast(pa.int8())).as_py())

    assert 0 < invalid("health_file", "archives", "id_card_no") < 0.05
    assert invalid("ybss", "persons", "ZJHM") < invalid("health_file", "archives", "id_card_no") + 0.02


def test_populations_hold_whom_they_say(town: Town) -> None:
    def people(name: str) -> pa.Table:
        return town.tables["person"].take(pa.array(members(town, population(name))))

    assert set(people("floating")["population_type"].to_pylist()) == {"2"}
    assert people("disabled")["disability_no"].null_count == 0
    assert set(people("women")["sex"].to_pylist()) == {"2"}
    assert max(people("women")["birth_date"].to_pylist()) <= "2008-11-01"
    assert 100 < len(members(town, population("elders"))) < 600
    built = town.tables["house"].take(pa.array(members(town, population("old_flats"))))["built_year"]
    assert max(int(y) for y in built.to_pylist()) <= 2003


@pytest.mark.parametrize("condition", ["age ~ 3", "nonsense present", "shoe = 3", ""])
def test_a_condition_that_means_nothing_is_refused(town: Town, condition: str) -> None:
    with pytest.raises(BadCondition):
        members(town, Population("x", "person", (condition,)))


def test_a_lens_with_unknown_names_is_refused() -> None:
    with pytest.raises(BadLens, match=r"no class of dirt 'id_number\.typo'"):
        make_lens({"rates": {"id_number.typo": 1}})
    with pytest.raises(BadLens, match="no population 'martians'"):
        make_lens({"datasets": {"persons": {"who": "martians"}}})


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [
        ("WM-{year}-{n4}", r"WM-2026-\d{4}"), ("{date}{n5}", r"202611\d{7}"), ("{uuid}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("wl_{base6}", r"wl_[0-9A-Za-z]{6}"), ("{hex16}", r"[0-9a-f]{16}"), ("JWH{community}", r"JWH420106001001"),
        ("420106{household}-{n2}", r"42010600000007-\d{3}"),
    ],
)  # fmt: skip
def test_keys_have_the_shape_of_their_pattern_and_are_unique(pattern: str, shape: str) -> None:
    count = 500
    facts = KeyFacts(
        np.random.default_rng(1), np.full(count, 20758), pa.array(["420106001001"] * count), np.full(count, 7)
    )
    keys = make_keys(pattern, facts).to_pylist()
    assert all(re.fullmatch(shape, key) for key in keys), keys[0]
    assert len(set(keys)) == (1 if pattern == "JWH{community}" else count)


def test_seeding_writes_every_dataset_the_truth_and_the_counts(tmp_path: Path) -> None:
    some = {system: MANIFESTS[system] for system in ("ybss", "econ_census", "wei_linli")}
    seed_all(tmp_path, some, 300, 5)
    summary = json.loads((tmp_path / "sandbox" / "town.json").read_text(encoding="utf-8"))
    files = {p.stem for p in (tmp_path / "sandbox" / "seed").iterdir()}
    assert files == {f"{s}.{d.name}" for s, m in some.items() for d in m.datasets} == set(summary["datasets"])
    assert summary["records"] == sum(pq.read_metadata(p).num_rows for p in (tmp_path / "sandbox" / "seed").iterdir())
    assert pq.read_table(tmp_path / "sandbox" / "truth.parquet").num_rows >= summary["records"]
    first = {p.name: p.read_bytes() for p in (tmp_path / "sandbox" / "seed").iterdir()}
    seed_all(tmp_path, some, 300, 5)
    assert {p.name: p.read_bytes() for p in (tmp_path / "sandbox" / "seed").iterdir()} == first


def test_about_twenty_thousand_records_for_two_thousand_people(views: dict[str, SystemView]) -> None:
    total = sum(rows.num_rows for seen in views.values() for rows in seen.rows.values())
    assert 17_000 < total < 24_000


def test_a_town_of_fifty_thousand_can_be_seen() -> None:
    big = make_town(50_000, 3)
    seen = view(big, MANIFESTS["health_file"], lens_for("health_file"), 3)
    assert seen.rows["archives"].num_rows > 40_000
    assert seen.truth.num_rows == seen.rows["archives"].num_rows
