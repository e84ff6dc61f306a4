"""One hostile value, name or key never stops a run: it is cleaned or refused, told, and the rest goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from road_support import MakeHome, Town, citizen

from connectors import raw
from connectors.manifest.errors import ManifestErrors
from onefact import enter, pull, push, rebuild
from onefact.consolidate import consolidate
from schemas.records import PLACE
from warehouse import tables
from warehouse.postgres import Postgres

HEAD = """
id: {system}
name: 测试
department: 测试
kind: files
cadence: daily
purpose: 测试
legal_basis: 测试
authorisation: {{document: 测试, expires: 2028-12-31}}
capabilities: {{update: true, create: true}}
connection: {{folder: {system}, out_dir: {system}_out}}
trust: {trust}
compartment: {compartment}
datasets:
"""
DATASET = """
  - name: {name}
    title: 测试
    source: {{pattern: "{name}*.jsonl", format: jsonl}}
    key: {key}
    entities:
      - type: {entity}
        role: {role}
        scope: {{members: {members}}}
        fields: {fields}
"""
PERSON = {
    "name": "name", "phone": "phone", "id_number": "number", "birth_date": "born", "children_count": "children",
    "volunteer_hours": "hours", "household_no": "household",
}  # fmt: skip
ELEMENTS = (
    "province", "city", "district", "street", "community", "road", "road_no", "compound", "building", "unit", "floor",
    "room",
)  # fmt: skip
MakeTown = Callable[..., Town]
ZHANG = {"id": "1", "name": "张三", "phone": "13900000001"}


def dataset(fields: Mapping[str, Any], *, entity: str = "person", **about: str) -> str:
    known = {"name": "a", "key": "id", "role": entity, "members": "existing", **about}
    return DATASET.format(entity=entity, fields=json.dumps(dict(fields), ensure_ascii=False), **known)


def manifest(system: str, *datasets: str, trust: int = 20, compartment: str = "base") -> str:
    return HEAD.format(system=system, trust=trust, compartment=compartment) + "".join(datasets)


def deliver(town: Town, system: str, rows: Sequence[Mapping[str, str | None]], file: str = "a.jsonl") -> None:
    path = town.home.systems / system / file
    path.parent.mkdir(exist_ok=True)
    every = {name: None for row in rows for name in row} | dict.fromkeys(PERSON.values())
    path.write_text("".join(json.dumps({**every, **row}) + "\n" for row in rows), encoding="utf-8")


def run(town: Town) -> list[pull.Pulled]:
    town.home.now.advance()  # type: ignore[attr-defined]
    pulled = pull.pull(town.home)
    consolidate(town.home)
    assert [p.error for p in push.push(town.home)] == [None] * len(town.query("SELECT DISTINCT system_id FROM outbox"))
    return pulled


@pytest.fixture
def make(make_home: MakeHome, tmp_path: Path) -> MakeTown:
    return lambda **manifests: Town(make_home(tmp_path, manifests))


VALUES = {
    "more children than INTEGER holds": ("children", "9999999999", "children_count", None),
    "more hours than NUMERIC holds": ("hours", "1e20", "volunteer_hours", None),
    "the zero date": ("born", "0000-00-00", "birth_date", None),
    "a date beyond the calendar": ("born", "99999-01-01", "birth_date", None),
    "padding with NUL": ("household", "H\0\0", "household_no", "H"),
    "half a character": ("household", "H\ud800", "household_no", "H?"),
    "quotes and a semicolon": ("household", "o'b\"; --", "household_no", "o'b\"; --"),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_hostile_value_costs_only_itself(make: MakeTown, case: str) -> None:
    column, value, field, kept = VALUES[case]
    town = make(s=manifest("s", dataset(PERSON)))
    deliver(town, "s", [{**ZHANG, column: value}, {"id": "2", "name": "李四", "phone": "13900000002"}])
    (pulled,) = run(town)
    assert (pulled.error, pulled.counts.taken, pulled.counts.rejected_values) == (None, 2, int(kept is None))
    assert {p["name"]: p[field] for p in town.query("SELECT * FROM person")} == {"张三": kept, "李四": None}


@pytest.mark.parametrize("key", ["k\0", "k" * 201])
def test_a_key_that_no_register_holds_is_a_counted_reject(make: MakeTown, key: str) -> None:
    town = make(s=manifest("s", dataset(PERSON)))
    deliver(town, "s", [{**ZHANG, "id": key}, {"id": "2", "name": "李四"}])
    (pulled,) = run(town)
    assert (pulled.counts.received, pulled.counts.taken, pulled.counts.rejected) == (2, 1, 1)
    with town.home.warehouse() as con:
        assert con.execute("SELECT rule, place FROM reject").fetchall() == [("record.bad_key", "a.jsonl!1")]


def test_two_rows_are_never_taken_for_one_because_of_the_separator(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset(PERSON, key="[k1, k2]")))
    rows = [("a|b", "c", "张三"), ("a", "b|c", "李四"), ("a", "b", "王五")]
    deliver(town, "s", [{"k1": a, "k2": b, "name": name, "phone": "13900000001"} for a, b, name in rows])
    (pulled,) = run(town)
    assert (pulled.counts.taken, pulled.counts.rejected, pulled.counts.duplicates) == (1, 2, 0)
    assert [r["record_key"] for r in town.query("SELECT record_key FROM crosswalk")] == ["a|b"]


def test_a_long_key_can_be_written_to(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset(PERSON)), t=manifest("t", dataset(PERSON), trust=50))
    deliver(town, "s", [{**ZHANG, "id": "k" * 200}])
    deliver(town, "t", [{**ZHANG, "number": citizen(11)}])
    run(town)
    assert ("s", "k" * 200) in {(r["system_id"], r["record_key"]) for r in town.query("SELECT * FROM outbox")}


ADDRESSES = {
    "a text that is no address": ({"full_text": "武昌区" + "啊" * 180}, "compound", None),
    "elements that together are too long": (dict.fromkeys(ELEMENTS, "长" * 20), "full_text", None),
    "a room that its word makes too long": ({"full_text": "武昌区中南路1号", "room": "1" * 20}, "room", None),
}


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_element_longer_than_its_column_is_left_out(make: MakeTown, case: str) -> None:
    row, field, kept = ADDRESSES[case]
    town = make(s=manifest("s", dataset({name: name for name in row}, entity="address")))
    deliver(town, "s", [{"id": "1", **row}])
    assert run(town)[0].counts.taken == 1
    assert [a[field] for a in town.query("SELECT * FROM address")] == [kept]


def test_an_entry_that_no_column_holds_is_refused_at_once(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset(PERSON)))
    deliver(town, "s", [ZHANG])
    run(town)
    with pytest.raises(enter.EntryRefused):
        enter.enter(town.home, "张三", "children_count", "99999999999")


@pytest.mark.parametrize(
    "text",
    [
        dataset(PERSON, role='"o\'brien"'),
        dataset(PERSON, role="r" * 41),
        dataset({"birth_date": {"column": "born", "as": "text"}}),
    ],
)
def test_a_name_or_kind_that_the_master_cannot_hold_is_told_when_the_manifest_is_read(
    make: MakeTown, text: str
) -> None:
    with pytest.raises(ManifestErrors):
        assert make(s=manifest("s", text)).home.manifests


def test_a_chinese_role_is_as_good_as_any(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset(PERSON, role="房东")))
    deliver(town, "s", [ZHANG])
    run(town)
    assert [r["role"] for r in town.query("SELECT role FROM crosswalk")] == ["房东"]


def test_a_field_that_one_dataset_only_shows_is_still_a_claim_of_the_other(make: MakeTown) -> None:
    shown = {**PERSON, "phone": {"column": "phone", "direction": "none"}}
    town = make(s=manifest("s", dataset(PERSON, name="x"), dataset(shown, name="y")))
    deliver(town, "s", [ZHANG], "x.jsonl")
    run(town)
    assert [p["phone"] for p in town.query("SELECT phone FROM person")] == ["13900000001"]


def test_two_datasets_may_both_take_new_members(make: MakeTown) -> None:
    both = (dataset(PERSON, name=name, members="all") for name in "xy")
    town = make(s=manifest("s", dataset(PERSON)), t=manifest("t", *both))
    deliver(town, "s", [ZHANG])
    (town.home.systems / "t").mkdir()
    run(town)
    assert town.outbox("system_id, dataset, operation") == [("t", "x", "create"), ("t", "y", "create")]


def test_a_fact_of_another_compartment_does_not_leave_in_a_whole_row(make: MakeTown) -> None:
    fields = {**PERSON, "aid_type": "aid"}
    aid = manifest("aid", dataset(fields), trust=50, compartment="benefits")
    town = make(aid=aid, s=manifest("s", dataset(fields)))
    deliver(town, "aid", [{**ZHANG, "number": citizen(11), "aid": "低保"}])
    deliver(town, "s", [{**ZHANG, "name": "章三", "number": citizen(11), "aid": None}])
    run(town)
    (sent,) = (town.home.systems / "s_out").glob("*.csv")
    assert "张三" in sent.read_text(encoding="utf-8")
    assert "低保" not in sent.read_text(encoding="utf-8")


def test_a_rebuild_without_a_manifest_deletes_nothing(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset(PERSON)), t=manifest("t", dataset(PERSON)))
    for system in "st":
        deliver(town, system, [ZHANG])
    run(town)
    (town.home.systems / "t.yaml").rename(town.home.path / "t.yaml")
    town.home.__dict__.pop("manifests")  # read them again, as the next command does
    with pytest.raises(rebuild.ManifestMissing, match=r"t\.yaml"):
        rebuild.rebuild(town.home)
    run(town)
    shutil.move(town.home.path / "t.yaml", town.home.systems / "t.yaml")
    town.home.__dict__.pop("manifests")
    assert rebuild.rebuild(town.home).consolidated.changed == 0


def test_the_working_folder_may_have_any_name(make_home: MakeHome, tmp_path: Path) -> None:
    town = Town(make_home(tmp_path / "o'brien 的家", {"s": manifest("s", dataset(PERSON))}))
    deliver(town, "s", [ZHANG])
    assert run(town)[0].counts.taken == 1


def test_a_source_may_number_its_rows_in_a_column_called_hash() -> None:
    rows = pa.table({"#": ["1", "2", "1"], "name": ["甲", "乙", "甲"], PLACE: ["f!1", "f!2", "f!3"]})
    kept, repeats = raw.drop_repeats(rows)
    assert (kept[PLACE].to_pylist(), repeats) == (["f!2", "f!3"], 1)


def test_of_several_first_commands_at_once_each_finds_the_tables(server: Postgres) -> None:
    server.create_database("crowd")
    engine = sa.create_engine(server.url("crowd"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: tables.create_all(engine), range(4)))
    assert sa.inspect(engine).has_table("outbox")
    engine.dispose()


def test_a_manifest_may_gain_a_field_and_still_read_what_was_landed_before(make: MakeTown) -> None:
    town = make(s=manifest("s", dataset({"name": "name"})))
    deliver(town, "s", [ZHANG])
    run(town)
    (town.home.systems / "s.yaml").write_text(manifest("s", dataset(PERSON)), encoding="utf-8")
    town.home.__dict__.pop("manifests")
    rebuild.rebuild(town.home)
    assert [p["name"] for p in town.query("SELECT name FROM person")] == ["张三"]
