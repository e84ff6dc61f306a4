"""Great Expectations inside PostgreSQL names the same golden records as the SQL, and holds them back before they are published."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("great_expectations", reason="an extra: make test-gx installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from road_support import MakeHome, Town, citizen, flat, manifests, row

from onefact import consolidate, pull
from onefact.quality import master
from onefact.quality.gate import GateClosed, GateDisagrees
from quality import gx
from schemas.entities import ENTITIES
from warehouse import candidates

SPOIL = {
    "sex": "9", "ethnicity": "77", "phone": "139", "name": "王" * 90, "longitude": "30.5", "education": "XX", "death_date": "去年",
}  # fmt: skip
"""Values that no golden record should have, as a bug of ours or a hand in the database could bring about."""


@pytest.fixture
def town(make_home: Callable[..., MakeHome], tmp_path: Path) -> Town:
    made = Town(make_home(tmp_path / "town", manifests("ybss")))  # type: ignore[arg-type]
    made.home.path.mkdir(parents=True, exist_ok=True)
    made.home.path.joinpath("quality.yaml").write_text("gate: {postgres: true, floor: 5}\n", encoding="utf-8")
    made.write("ybss", [row(str(i), f"张{chr(0x4E00 + i)}", id_number=citizen(i), home=flat(i)) for i in range(1, 9)])
    pull.pull(made.home)
    return made


def candidates_left(town: Town) -> list[dict[str, object]]:
    return town.query("SELECT relname FROM pg_class WHERE starts_with(relname, 'candidate_') AND relkind = 'r'")


def test_golden_records_that_are_right_are_published(town: Town) -> None:
    consolidate.consolidate(town.home)
    assert len(town.golden()) == 8
    assert candidates_left(town) == []


def test_both_name_the_same_golden_records_row_for_row(town: Town) -> None:
    """Every native rule, on records of which some are spoiled in every field: inside PostgreSQL and in DuckDB."""
    consolidate.consolidate(town.home)
    found = 0
    with town.home.warehouse() as con:
        for entity_type, entity in ENTITIES.items():
            rules = list(master.rules_of(town.home, entity_type))
            spoiled = [
                f'CASE row_number() OVER () WHEN 1 THEN \'{SPOIL.get(n, "?")}\' WHEN 2 THEN NULL ELSE "{n}" END AS "{n}"'
                for n in entity.names
            ]
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE spoiled AS SELECT master_id, {', '.join(spoiled)} FROM golden_{entity_type}"
            )
            numbers = {r.field for r in rules if r.check.kind == "range"}
            for n in numbers:
                con.execute(f'UPDATE spoiled SET "{n}" = NULL WHERE TRY_CAST("{n}" AS DOUBLE) IS NULL')
            with candidates.Candidates(town.home.database.dsn(), con, "test") as sender:
                sender.put(entity_type, "spoiled", {r.field for r in rules}, numbers)
            theirs = gx.on_postgres(rules, town.home.database.url(), candidates.table_of(entity_type))
            ours = {r.id: master.failing(con, r, "spoiled", town.home)[1] for r in rules}
            assert {rule: keys for rule, (_, keys) in theirs.items()} == ours
            found += len([1 for keys in ours.values() if keys])
    candidates.drop(town.home.engine)
    assert found >= 18, "the comparison is of something"


def test_a_master_that_fails_a_rule_is_not_published(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours that spoils golden values is stopped, though every record that was delivered is right."""
    real = master.hold

    def spoiled(home, con, run_id):  # type: ignore[no-untyped-def]
        con.execute("UPDATE changed_person SET sex = '7'")
        return real(home, con, run_id)

    monkeypatch.setattr(master, "hold", spoiled)
    with pytest.raises(GateClosed, match="master"):
        consolidate.consolidate(town.home)
    assert town.query("SELECT count(*) AS n FROM person") == [{"n": 0}]
    assert candidates_left(town) == []
    monkeypatch.undo()
    consolidate.consolidate(town.home)  # nothing was lost
    assert len(town.golden()) == 8


def test_when_the_two_disagree_nothing_is_published(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gx.on_postgres

    def blind(rules, url, table):  # type: ignore[no-untyped-def]
        return {rule: (True, {"somebody"}) for rule in real(rules, url, table)}

    monkeypatch.setattr(gx, "on_postgres", blind)
    with pytest.raises(GateDisagrees, match="两者不一致"):
        consolidate.consolidate(town.home)
    assert town.query("SELECT count(*) AS n FROM person") == [{"n": 0}]
