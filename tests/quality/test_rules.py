"""The rules find the rows they should and no others; what cannot run says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from workbench import Workbench, person

from quality.catalogue import CatalogueError, UnknownRule, WaiverText, load
from quality.dimensions import indicators
from quality.inputs import Inputs
from quality.rule import Rule
from quality.run import Result, run

CASES = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "quality" / "cases.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 25, 9, 0)  # noqa: DTZ001 - local time of the site
RULES = load()


def failing(bench: Workbench) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule, key in bench.con.execute("SELECT rule_id, record_key FROM q_failing ORDER BY 1, 2").fetchall():
        found.setdefault(rule, []).append(key)
    return found


def refuse(bench: Workbench, entity: str, refused: dict[str, list[str]]) -> None:
    for key, issues in refused.items():
        for issue in issues:
            field, _, rule = issue.partition(":")
            bench.con.execute(
                'INSERT INTO reject (system_id, record_key, entity_type, role, field, "level", rule) VALUES (?, ?, ?, ?, ?, ?, ?)',
                ["sg_etong", key, entity, entity, field, "value", rule],
            )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["case"])
def test_a_rule_finds_exactly_the_rows_that_are_wrong(case: dict[str, Any], tmp_path: Path) -> None:
    with Workbench(tmp_path / "w.duckdb") as bench:
        rows = [person(r.pop("system", "sg_etong"), key, **r) for key, r in case["records"].items()]
        bench.load(rows, case["entity"])
        refuse(bench, case["entity"], case.get("refused", {}))
        run(bench.con, RULES.only(list(case["fails"])), Inputs(NOW))
        found = failing(bench)
    assert {rule: found.get(rule, []) for rule in case["fails"]} == {r: sorted(k) for r, k in case["fails"].items()}


def test_the_catalogue_is_whole() -> None:
    assert len(RULES.rules) >= 80
    assert len({r.id for r in RULES.rules}) == len(RULES.rules)
    assert len({r.name for r in RULES.rules}) == len(RULES.rules)
    assert all(any("\u4e00" <= c <= "\u9fff" for c in r.name) for r in RULES.rules)
    assert {r.dimension for r in RULES.rules} == {"01", "02", "03", "04", "05", "06"}
    assert all(r.code in indicators() and r.approver for r in RULES.rules)
    assert {r.relation for r in RULES.rules} == {"records", "golden", "systems"}


def test_every_rule_that_ships_is_sql_that_runs(tmp_path: Path) -> None:
    with Workbench(tmp_path / "w.duckdb") as bench:
        results = run(bench.con, RULES, Inputs(NOW))
    assert [(r.rule.id, r.reason) for r in results if "规则有误" in r.reason] == []
    # Nothing is there, so nothing is evaluated: no rule may say that it passed.
    assert {r.state for r in results} == {"not_evaluated", "did_not_run"}


def result(results: list[Result], rule: str) -> Result:
    return next(r for r in results if r.rule.id == rule)


def test_a_broken_rule_does_not_stop_its_neighbours(tmp_path: Path) -> None:
    broken = RULES.rule("person.sex.matches_id")
    broken = replace(broken, id="person.broken", check=replace(broken.check, sql="no_such_column = 1"))
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load(
            [person("ybss", "1", birth_date="2030-01-01", sex="1", id_type="111", id_number="420199198001010019")]
        )
        rules = RULES.only(["person.birth_date.not_future"])
        results = run(bench.con, replace(rules, rules=(broken, *rules.rules)), Inputs(NOW))
        assert result(results, "person.broken").state == "did_not_run"
        assert "no_such_column" in result(results, "person.broken").reason
        assert failing(bench) == {"person.birth_date.not_future": ["1"]}


def test_what_a_rule_needs_and_lacks_is_said(tmp_path: Path) -> None:
    with Workbench(tmp_path / "w.duckdb") as bench:
        results = run(
            bench.con,
            RULES.only(["person.record.ghost", "system.pull.reachable", "person.register.covered"]),
            Inputs(NOW),
        )
    assert {r.state for r in results} == {"did_not_run"}
    assert all(r.reason.startswith("缺少依据") for r in results)


def test_a_rule_counts_within_its_effective_dates_only(tmp_path: Path) -> None:
    rule = RULES.rule("person.birth_date.not_future")
    later = replace(rule, since=date(2026, 11, 26))
    over = replace(rule, id="person.over", until=date(2026, 11, 24))
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load([person("ybss", "1", birth_date="2030-01-01")])
        results = run(bench.con, replace(RULES, rules=(later, over)), Inputs(NOW))
    assert [r.reason for r in results] == ["未生效或已失效"] * 2


@pytest.mark.parametrize(
    ("systems", "until", "found"),
    [
        (("ybss",), date(2026, 11, 25), {"person.birth_date.not_future": ["b"]}),
        ((), date(2026, 11, 25), {}),
        (("ybss",), date(2026, 11, 24), {"person.birth_date.not_future": ["a", "b"]}),
    ],
    ids=["one system", "all systems", "run out"],
)
def test_a_waiver_holds_for_its_systems_until_its_day(
    systems: tuple[str, ...], until: date, found: dict[str, list[str]], tmp_path: Path
) -> None:
    waiver = WaiverText(systems=systems, until=until, by="李科长", why="换库期间")
    rules = load(waivers={"person.birth_date.not_future": [waiver]}).only(["person.birth_date.not_future"])
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load([person("ybss", "a", birth_date="2030-01-01"), person("zz_9x", "b", birth_date="2030-01-01")])
        run(bench.con, rules, Inputs(NOW))
        assert failing(bench) == found


def test_a_field_can_be_missing_only_where_the_system_holds_it(tmp_path: Path) -> None:
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load([person("ybss", "a", name="张三"), person("zz_9x", "b", name="张三")])
        expected = {("person", "phone"): frozenset({("zz_9x", "person")})}
        run(bench.con, RULES.only(["person.phone.filled"]), Inputs(NOW, expected=expected))
        assert failing(bench) == {"person.phone.filled": ["b"]}


def test_a_copy_that_differs_from_its_authority_is_found(tmp_path: Path) -> None:
    number = "420199198001010019"
    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load(
            [
                person(
                    "ybss", "a", id_type="111", id_number=number, name="张三", ethnicity="01", at="2026-10-02T00:00:00"
                ),
                person("zz_9x", "b", id_type="111", id_number=number, name="张三", ethnicity="02"),
                person("fltong", "c", id_type="111", id_number=number, name="张三", ethnicity="01"),
            ]
        )
        bench.run()
        run(bench.con, RULES.only(["person.ethnicity.as_authority"]), Inputs(NOW))
        assert failing(bench) == {"person.ethnicity.as_authority": ["b"]}
        # Without the authority's own value there is nothing to compare with.
        bench.load([person("ybss", "a", deleted=True)])
        bench.run()
        results = run(bench.con, RULES.only(["person.ethnicity.as_authority"]), Inputs(NOW))
        assert results[0].state == "not_evaluated"


GOOD = {
    "id": "person.x.y",
    "name": "测试规则一条",
    "code": "010400",
    "entity": "person",
    "fields": ["name"],
    "fails": "true",
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"code": "019999"}, "no indicator"),
        ({"code": "770000"}, "code"),
        ({"fields": ["nmae"]}, "did you mean name"),
        ({"entity": None}, "entity"),
        ({"fields": []}, "fields"),
        ({"not_null": True}, "one check"),
        ({"fails": ""}, "one check"),
        ({"severity": "fatal"}, "severity"),
        ({"treshold": 1}, "treshold"),
        ({"fails": "", "codes": "no_such_set"}, "no_such_set"),
        ({"id": "Person X"}, "id"),
        ({"approver": ""}, "approver"),
        ({"since": None}, "since"),
    ],
)
def test_a_mistake_in_a_rule_is_named(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    rule = {**GOOD, "since": "2026-01-01", "approver": "某人", **change}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"rules": [rule]}, allow_unicode=True), encoding="utf-8")
    with pytest.raises(CatalogueError, match=says) as raised:
        load(tmp_path)
    assert raised.value.file == "own.yaml"
    assert raised.value.rule == rule["id"]


@pytest.mark.parametrize(
    "text",
    ["rules: [", "ruels: []", "families: [{id: x, each: {kind: colour}}]", "families: [{id: x, each: {colour: red}}]"],
)
def test_a_file_that_is_no_catalogue_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"own\.yaml"):
        load(tmp_path)


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    rule = {**GOOD, "since": "2026-01-01", "approver": "某人"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"rules": [rule, rule]}, allow_unicode=True), encoding="utf-8")
    with pytest.raises(CatalogueError, match="taken already"):
        load(tmp_path)


def test_a_waiver_of_no_rule_is_refused() -> None:
    with pytest.raises(UnknownRule, match=r"person\.sex\.matches_id"):
        load(waivers={"person.sex.match_id": [WaiverText(until=date(2026, 1, 1), by="a", why="b")]})


def test_the_version_is_that_of_the_content() -> None:
    assert load().version == RULES.version
    changed: Rule = replace(RULES.rules[0], threshold=0.5)
    assert replace(RULES, rules=(changed, *RULES.rules[1:])).version != RULES.version
