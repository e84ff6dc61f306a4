"""Quality on the road: results are published and kept, orders close by themselves, a broken source is not published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from road_support import Town, citizen, flat, row
from typer.testing import CliRunner

from onefact import consolidate, pull
from onefact.cli.app import app
from onefact.quality import orders, read
from onefact.quality.check import check
from onefact.quality.gate import GateClosed
from onefact.quality.settings import SettingsUnreadable, load_settings
from quality.scores import LEVELS


def settle(town: Town, system: str, rows: list[dict[str, str]]) -> None:
    town.write(system, rows)
    pull.pull(town.home)
    consolidate.consolidate(town.home)


def people(count: int, bad: int = 0) -> list[dict[str, str]]:
    """So many people, of whom the first `bad` have a number with a wrong check digit."""
    made = []
    for i in range(1, count + 1):
        number = citizen(i)
        if i <= bad:
            number = number[:-1] + ("1" if number[-1] != "1" else "2")
        made.append(dict(row(str(i), f"张{chr(0x4E00 + i)}", id_number=number, home=flat(i))))
    return made


def test_a_run_is_kept_and_published(town: Town) -> None:
    settle(town, "ybss", people(3))
    town.home.now.advance()  # type: ignore[attr-defined]
    checked = check(town.home)
    assert {p.name for p in checked.folder.iterdir()} == {
        "failing.parquet", "rules.parquet", "scores.parquet", "agreement.parquet"
    }  # fmt: skip
    (kept,) = read.runs(town.home)
    assert (kept.run_id, kept.catalogue, kept.failing) == (checked.run_id, checked.catalogue, checked.failing)
    results = read.rule_results(town.home)
    assert len(results) == len(checked.results)
    assert results["person.id_number.number"]["state"] == "passed"
    assert results["person.record.ghost"]["reason"] == "缺少依据：findings"
    for level in LEVELS:
        found = read.scores(town.home, level)
        assert all(s.score is None or 0 <= s.score <= 1 for s in found)
        assert all((s.score is None) == (s.evaluated == 0) for s in found)
    # A system that has delivered nothing has no score for what it holds: 未评价, not 100.
    silent = {s.dimension: s.score for s in read.scores(town.home, "system", "volunteer")}
    assert silent["03"] is None


def test_scores_have_a_trend(town: Town) -> None:
    settle(town, "ybss", people(4, bad=2))
    first = check(town.home)
    settle(town, "ybss", people(4))
    second = check(town.home)
    (accuracy,) = [s for s in read.scores(town.home, "system", "ybss") if s.dimension == "03"]
    assert accuracy.before is not None
    assert accuracy.score is not None
    assert accuracy.before < accuracy.score
    assert len(accuracy.past) == 2
    assert first.failing > second.failing


def test_an_order_is_opened_once_and_closes_when_the_row_is_right(town: Town) -> None:
    wrong = {**people(1)[0], "sex": "女"}  # number 1 is a man's
    settle(town, "ybss", [wrong])
    rule = "person.sex.matches_id"
    assert check(town.home).opened >= 1
    _, opened = orders.orders(town.home, rule=rule)
    assert [(o["kind"], o["system_id"], o["record_key"], o["department"]) for o in opened] == [
        ("authority", "ybss", "1", "公安")
    ]
    assert check(town.home).opened == 0
    assert orders.orders(town.home, rule=rule)[0] == 1
    settle(town, "ybss", [{**wrong, "sex": "男"}])
    last = check(town.home)
    assert orders.orders(town.home, rule=rule)[0] == 0
    ((order,)) = orders.orders(town.home, rule=rule, closed=True)[1]
    assert (order["closing"], order["closed_by"]) == ("right", last.run_id)


def test_an_order_that_a_person_dismissed_is_not_opened_again(town: Town) -> None:
    settle(town, "ybss", [{**people(1)[0], "sex": "女"}])
    check(town.home)
    ((order,)) = orders.orders(town.home, rule="person.sex.matches_id")[1]
    orders.dismiss(town.home, order["order_id"], "王警官", "变性登记，号码未换")
    check(town.home)
    assert orders.orders(town.home, rule="person.sex.matches_id")[0] == 0
    with pytest.raises(orders.NoSuchOrder):
        orders.dismiss(town.home, order["order_id"], "王警官", "再次")


def test_a_waived_rule_ends_its_orders(town: Town) -> None:
    settle(town, "ybss", [{**people(1)[0], "sex": "女"}])
    check(town.home)
    town.home.path.joinpath("quality.yaml").write_text(
        "waivers:\n  person.sex.matches_id: [{systems: [ybss], until: 2026-12-31, by: 李科长, why: 换库}]\n",
        encoding="utf-8",
    )
    check(town.home)
    ((order,)) = orders.orders(town.home, rule="person.sex.matches_id", closed=True)[1]
    assert order["closing"] == "ended"


def test_a_failed_critical_rule_stops_publishing_and_not_pulling(town: Town) -> None:
    settle(town, "ybss", people(30))
    before = town.whole()
    town.write("ybss", people(40, bad=40))
    (pulled,) = [p for p in pull.pull(town.home) if p.system_id == "ybss"]
    assert pulled.error is None
    assert pulled.counts.taken == 40
    with pytest.raises(GateClosed, match="ybss") as closed:
        consolidate.consolidate(town.home)
    assert {s.rule_id for s in closed.value.stopped} == {"person.identity.readable"}
    assert town.whole() == before
    assert town.query("SELECT summary FROM run WHERE verb = 'gate'")[0]["summary"]["state"] == "on"
    # The source is corrected, pulled again, and all that waited is published.
    settle(town, "ybss", people(41))
    assert len(town.golden()) == 41


@pytest.mark.parametrize("gate", ["off", "warn"])
def test_the_gate_is_a_setting(town: Town, gate: str) -> None:
    town.home.path.mkdir(parents=True, exist_ok=True)
    town.home.path.joinpath("quality.yaml").write_text(f"gate: {{state: {gate}}}\n", encoding="utf-8")
    settle(town, "ybss", people(40, bad=40))
    assert town.query("SELECT count(*) AS n FROM person")[0]["n"] > 0
    assert town.query("SELECT count(*) AS n FROM run WHERE verb = 'gate'")[0]["n"] == (gate == "warn")


def test_few_rows_do_not_close_the_gate(town: Town) -> None:
    settle(town, "ybss", people(3, bad=3))
    assert town.query("SELECT count(*) AS n FROM person")[0]["n"] == 3


@pytest.mark.parametrize("text", ["gate: {state: maybe}", "gates: {}", "gate: ["])
def test_settings_that_cannot_be_read_are_named(town: Town, text: str) -> None:
    town.home.path.mkdir(parents=True, exist_ok=True)
    town.home.path.joinpath("quality.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsUnreadable, match=r"quality\.yaml"):
        load_settings(town.home)


def test_agreement_says_who_lags_and_by_how_long(town: Town) -> None:
    number = citizen(1)
    town.write("ybss", [row("a", "张三", id_number=number)])
    town.write(
        "sg_etong", [{**row("b", "张三", id_number=number, phone="13900000002"), "changed": "2026-10-12 00:00:00"}]
    )
    town.write(
        "volunteer", [{**row("c", "张三", id_number=number, phone="13900000001"), "changed": "2026-10-02 00:00:00"}]
    )
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    check(town.home)
    (phone,) = [a for a in read.agreement(town.home, "person") if a.field == "phone"]
    assert (phone.systems, phone.agreeing, phone.compared, phone.same) == (2, 1, 2, 1)
    assert phone.laggards == (("volunteer", 1, 20.0),)  # the other is known since 12 October, today is 1 November


def test_the_commands_show_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(town, "ybss", [{**people(1)[0], "sex": "女"}])
    monkeypatch.setenv("ONEFACT_DATABASE_URL", town.home.database.dsn())
    base = ["--home", str(town.home.path), "--systems", str(town.home.systems), "quality"]

    def said(*args: str) -> str:
        done = CliRunner().invoke(app, [*base, *args])
        assert done.exit_code == 0, done.output
        return done.output

    assert "总分" in said("run")
    document = json.loads(said("failing", "--rule", "person.sex.matches_id", "--json"))
    assert [(r["system_id"], r["record_key"]) for r in document["rows"]] == [("ybss", "1")]
    assert "GB/T 36344" in said("scores")
    assert "未运行" in said("rules", "--state", "did_not_run")
    assert "豁免" in said("rules", "person.sex.matches_id")
    assert "一致系统" in said("agreement")
    assert "权威纠错" in said("orders", "--kind", "authority")


def test_without_a_run_the_way_to_one_is_said(town: Town) -> None:
    with pytest.raises(read.NoRunYet, match="onefact quality run"):
        read.scores(town.home)


def test_old_snapshots_are_removed_and_their_numbers_stay(town: Town) -> None:
    settle(town, "ybss", people(1))
    Path(town.home.path / "quality.yaml").write_text("keep: 1\n", encoding="utf-8")
    check(town.home)
    town.home.now.advance()  # type: ignore[attr-defined]
    last = check(town.home)
    assert [p.name for p in (town.home.path / "quality").iterdir()] == [last.run_id]
    assert len(read.runs(town.home)) == 2
