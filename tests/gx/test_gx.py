"""Great Expectations and the SQL, made from the same rules, name the same rows. Run: make test-gx."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("great_expectations", reason="an extra: make test-gx installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from workbench import Workbench, person

from quality import gx
from quality.catalogue import load
from quality.inputs import Inputs
from quality.rule import Rule
from quality.run import run

NOW = datetime(2026, 11, 25)  # noqa: DTZ001 - local time of the site
RECORDS = [
    person("ybss", "right", id_number="420199198001010019", name="张三", sex="1", ethnicity="01", phone="13912345678"),
    person("ybss", "again", id_number="420199198001010019", name="张三", sex="3", ethnicity="99", phone="139"),
    person(
        "zz_9x", "elsewhere", id_number="420199198001010019", name="李?", sex="2", ethnicity="02", phone="02787654321"
    ),
    person("zz_9x", "empty"),
    person("zz_9x", "empty_too", name="王" * 90),
    person("ybss", "many", id_number="420199198001010027", name="赵六1", phone="abc"),
]


def rules_of(entity: str) -> list[Rule]:
    return [r for r in gx.native(load().rules) if r.entity == entity and r.relation == "records"]


def test_both_name_the_same_rows_for_every_native_rule(tmp_path: Path) -> None:
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load(RECORDS)
        rules = load().only([r.id for r in rules_of("person")])
        run(bench.con, rules, Inputs(NOW))
        found: dict[str, set[tuple[str, str, str]]] = {r.id: set() for r in rules.rules}
        for rule, *key in bench.con.execute("SELECT rule_id, system_id, record_key, role FROM q_failing").fetchall():
            found[rule].add(tuple(key))
        frame = bench.con.sql("SELECT * FROM std_person").to_arrow_table().to_pandas()
    theirs = gx.on_frame(rules.rules, frame, NOW)
    assert theirs == found
    assert len([r for r, keys in found.items() if keys]) >= 8  # the comparison is of something


def test_ranges_and_uniqueness_agree(tmp_path: Path) -> None:
    rows = [
        person("ybss", str(i), longitude=str(lon), latitude="30.5")
        for i, lon in enumerate((114.3, 30.5, 113.6, 115.2), start=1)
    ]
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load(rows, "address")
        rules = load().only(["address.longitude.in_city", "address.latitude.in_city"])
        run(bench.con, rules, Inputs(NOW))
        found = set(bench.con.execute("SELECT rule_id, record_key FROM q_failing").fetchall())
        frame = bench.con.sql("SELECT * FROM std_address").to_arrow_table().to_pandas()
    theirs = gx.on_frame(rules.rules, frame, NOW)
    assert {(rule, key) for rule, keys in theirs.items() for _, key, _ in keys} == found
    assert found == {("address.longitude.in_city", "2"), ("address.longitude.in_city", "4")}


def test_uniqueness_with_nulls_is_the_same_in_both(tmp_path: Path) -> None:
    once = load().rule("person.id_number.once")
    for within in ("system", "all"):
        rule = replace(once, when="", check=replace(once.check, within=within))  # type: ignore[arg-type]
        with Workbench(tmp_path / f"{within}.duckdb") as bench:
            bench.load(RECORDS)
            run(bench.con, replace(load(), rules=(rule,)), Inputs(NOW))
            found = {
                tuple(k) for k in bench.con.execute("SELECT system_id, record_key, role FROM q_failing").fetchall()
            }
            frame = bench.con.sql("SELECT * FROM std_person").to_arrow_table().to_pandas()
        assert gx.on_frame([rule], frame, NOW) == {rule.id: found}
        assert {key for _, key, _ in found} == {"right", "again", *(["elsewhere"] if within == "all" else [])}


def test_the_suite_says_the_rules_in_chinese() -> None:
    rules = rules_of("person")
    made = gx.suite(rules)
    assert [e.description for e in made.expectations] == [r.name for r in rules]
    assert all(e.meta["gbt36344"] for e in made.expectations)
