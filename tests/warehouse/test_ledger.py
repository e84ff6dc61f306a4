"""The ledger of who is whom: nothing is forgotten, nothing is rewritten, and judgements stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_support import Asked, Master, master, pair

from warehouse import judgements, tables
from warehouse.duck import open_warehouse
from warehouse.judgements import By
from warehouse.ledger import FORMER
from warehouse.postgres import Postgres
from warehouse.reading import MasterReader, fetch

TWO = {"s/1": ("A", "anchor"), "s/2": ("B", "single")}
ONE = {"s/1": ("A", "anchor"), "s/2": ("A", "match")}


@pytest.fixture
def ledger(make_home: Callable[..., Any], tmp_path: Path) -> Master:
    return Master(make_home(tmp_path, {}))


def by(ledger: Master, actor: str = "张", reason: str = "电话核实") -> By:
    return By(actor, reason, ledger.home.now())


def judge(ledger: Master, one: str, other: str, judgement: str, actor: str = "张") -> int:
    with ledger.home.engine.begin() as connection:
        return judgements.judge(connection, [pair(one, other)], judgement, by(ledger, actor))  # type: ignore[arg-type]


# --- append-only


REFUSED = {
    "edge": [
        "UPDATE edge SET weight = 99", "UPDATE edge SET judgement = 'positive'", "UPDATE edge SET actor = 'x', ended_at = now()",
        "UPDATE edge SET created_at = now()", "UPDATE edge SET ended_by = 'x'", "UPDATE edge SET ended_at = NULL",
        "DELETE FROM edge", "TRUNCATE edge",
    ],
    "closed edge": ["UPDATE edge SET ended_at = now()", "UPDATE edge SET ended_at = NULL, ended_by = NULL"],
    "crosswalk_history": [
        "UPDATE crosswalk_history SET until = now()", "UPDATE crosswalk_history SET master_id = gen_random_uuid()",
        "DELETE FROM crosswalk_history", "TRUNCATE crosswalk_history",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("what", "statement"), [(w, s) for w, statements in REFUSED.items() for s in statements])
def test_what_was_written_is_not_rewritten(written: Master, what: str, statement: str) -> None:
    if what == "closed edge":
        statement += f" {'WHERE' if 'WHERE' not in statement else 'AND'} ended_at IS NOT NULL"
        assert written.query("SELECT 1 FROM edge WHERE ended_at IS NOT NULL")
    before = everything(written)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        written.write(statement)
    assert everything(written) == before


@pytest.fixture(scope="module")
def written(make_home: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Master:
    """Edges open and closed, and history: for tests that only try to change them."""
    ledger = Master(make_home(tmp_path_factory.mktemp("written"), {}))
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    ledger.run(ONE, {("s/1", "s/2"): 12.0})
    return ledger


def everything(ledger: Master) -> list[list[dict[str, Any]]]:
    return [ledger.query(f"SELECT * FROM {t} ORDER BY 1") for t in ("edge", "crosswalk_history")]


def test_an_open_edge_can_be_closed_once(ledger: Master) -> None:
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    close = "UPDATE edge SET ended_at = now(), ended_by = 'x'"
    ledger.write(close)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        ledger.write(close)


def test_a_pair_has_one_name_and_one_open_edge(ledger: Master) -> None:
    row = "INSERT INTO edge (entity_type, left_system, left_key, left_role, right_system, right_key, right_role) VALUES ('person', "
    ledger.write(f"{row}'a', '1', 'p', 'b', '1', 'p')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        ledger.write(f"{row}'a', '1', 'p', 'b', '1', 'p')")
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.write(f"{row}'b', '1', 'p', 'a', '1', 'p')")


def test_an_older_database_gains_the_new_columns_and_keeps_its_rows(server: Postgres) -> None:
    server.create_database("older")
    engine = sa.create_engine(server.url("older"))
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE crosswalk (system_id varchar(60), record_key varchar(200), entity_type varchar(20), role varchar(40), "
            "master_id uuid NOT NULL, rule varchar(40) NOT NULL, PRIMARY KEY (system_id, record_key, entity_type, role))"
        ))  # fmt: skip
        old = "INSERT INTO crosswalk (system_id, record_key, entity_type, role, master_id, rule) VALUES ('s', :key, 'person', 'person', gen_random_uuid(), 'anchor')"
        connection.execute(sa.text(old), {"key": "1"})
    for _ in range(2):
        tables.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(old), {"key": "2"})
        found = connection.execute(sa.text("SELECT record_key, since IS NOT NULL FROM crosswalk ORDER BY 1")).all()
    engine.dispose()
    assert [tuple(r) for r in found] == [("1", False), ("2", True)]  # since when the first is linked, nobody knows


# --- edges and crosswalk over runs


def edges(ledger: Master) -> list[tuple[float, str | None, str | None]]:
    rows = ledger.query("SELECT weight, run_id, ended_by FROM edge WHERE judgement = 'auto' ORDER BY edge_id")
    return [tuple(r.values()) for r in rows]  # type: ignore[misc]


def test_evidence_that_changes_is_closed_and_written_anew(ledger: Master) -> None:
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    ledger.run(TWO, {("s/1", "s/2"): 4.0})
    ledger.run(TWO, {})
    ledger.run(TWO, {("s/1", "s/2"): 4.0})
    assert edges(ledger) == [(3.0, "run1", "run2"), (4.0, "run2", "run3"), (4.0, "run4", None)]


def test_evidence_told_again_after_a_rebuild_does_not_grow_the_ledger(ledger: Master) -> None:
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    before = ledger.query("SELECT * FROM edge")
    ledger.weights, ledger.who = {}, {}  # a lost working copy knows nothing
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    assert ledger.query("SELECT * FROM edge") == before
    assert ledger.query("SELECT count(*) AS n FROM crosswalk_history")[0]["n"] == 0


def test_a_merge_leaves_history_and_an_unmerge_gives_the_id_back(ledger: Master) -> None:
    ledger.run(TWO)
    ledger.run(ONE)
    assert [(str(r["old_id"]), str(r["new_id"])) for r in ledger.query("SELECT old_id, new_id FROM redirect")] == [
        (master("B"), master("A"))
    ]
    former = fetch(ledger.home.database.dsn(), FORMER).to_pylist()
    assert [(r["record_key"], r["master_id"]) for r in former] == [("2", master("B"))]
    ledger.run(TWO)
    assert ledger.query("SELECT * FROM redirect") == []
    assert fetch(ledger.home.database.dsn(), FORMER).num_rows == 0
    history = ledger.query(
        "SELECT record_key, master_id::text, rule, run_id, ended_by FROM crosswalk_history ORDER BY history_id"
    )
    assert [tuple(r.values()) for r in history] == [
        ("2", master("B"), "single", "run1", "run2"), ("2", master("A"), "match", "run2", "run3"),
    ]  # fmt: skip


def test_who_a_record_was_is_told_of_the_records_an_id_stood_for_last(ledger: Master) -> None:
    ledger.run({"s/1": ("A", "match"), "s/2": ("B", "match"), "s/3": ("B", "match")})
    ledger.run({"s/1": ("A", "match"), "s/2": ("B", "match"), "s/3": ("C", "match")})  # 3 leaves B, which goes on
    ledger.run({"s/1": ("A", "match"), "s/2": ("A", "match"), "s/3": ("C", "match")})
    former = fetch(ledger.home.database.dsn(), FORMER).to_pylist()
    assert [(r["record_key"], r["master_id"]) for r in former] == [("2", master("B"))]


def test_a_link_that_was_known_of_an_id_follows_it_back(ledger: Master) -> None:
    ledger.run(TWO)
    ledger.write("INSERT INTO decision VALUES ('s', '2', 'person', 'person', %s, 'created')", master("B"))
    ledger.run(ONE)
    assert str(ledger.query("SELECT master_id FROM decision")[0]["master_id"]) == master("A")
    ledger.run(TWO)
    assert str(ledger.query("SELECT master_id FROM decision")[0]["master_id"]) == master("B")


# --- judgements


def test_one_judgement_of_a_pair_stands_and_the_former_ones_are_kept(ledger: Master) -> None:
    assert judge(ledger, "s/1", "s/2", "positive", "张") == 1
    assert judge(ledger, "s/2", "s/1", "positive", "李") == 0  # the same pair, judged so already
    assert judge(ledger, "s/1", "s/2", "negative", "李") == 1
    with ledger.home.engine.begin() as connection:
        assert judgements.withdraw(connection, [pair("s/1", "s/2")], by(ledger, "王", "看错了")) == 1
        assert judgements.withdraw(connection, [pair("s/1", "s/2")], by(ledger)) == 0
    rows = ledger.query("SELECT judgement, actor, reason, ended_by FROM edge ORDER BY edge_id")
    assert [tuple(r.values()) for r in rows] == [
        ("positive", "张", "电话核实", "李"), ("negative", "李", "电话核实", "王"), ("withdrawn", "王", "看错了", "王"),
    ]  # fmt: skip
    assert fetch(ledger.home.database.dsn(), judgements.CURRENT).num_rows == 0


def test_judgements_survive_runs_and_a_new_model(ledger: Master) -> None:
    ledger.run(TWO, {("s/1", "s/2"): 3.0})
    judge(ledger, "s/1", "s/2", "negative")
    for version in ("v2", "v3"):
        ledger.weights = {}
        ledger.run(TWO, {("s/1", "s/2"): 20.0}, model=version)
    ledger.run({"s/1": ("A", "anchor")})  # the record goes
    standing = fetch(ledger.home.database.dsn(), judgements.CURRENT).to_pylist()
    assert [(r["left_key"], r["right_key"], r["judgement"]) for r in standing] == [("1", "2", "negative")]


def test_a_new_judgement_touches_its_records_until_it_was_applied(ledger: Master, tmp_path: Path) -> None:
    con, dsn = open_warehouse(tmp_path / "warehouse.duckdb", threads=1), ledger.home.database.dsn()

    def touched() -> list[str]:
        with MasterReader(dsn) as master:
            judgements.load(con, master)
        return sorted(f"{s}/{k}" for s, k in con.execute("SELECT system_id, record_key FROM touched_record").fetchall())

    def done() -> None:
        con.execute("DELETE FROM touched_record")
        judgements.applied(con)

    assert touched() == []
    judge(ledger, "s/1", "s/2", "positive")
    assert touched() == touched() == ["s/1", "s/2"]
    judge(ledger, "s/3", "s/4", "positive")  # comes while the run is going on
    done()
    assert touched() == ["s/3", "s/4"]
    done()
    with ledger.home.engine.begin() as connection:
        judgements.withdraw(connection, [pair("s/1", "s/2")], by(ledger))
    assert touched() == ["s/1", "s/2"]
    assert types(con, "judgement_now")["judgement"] == "VARCHAR"
    assert types(con, "former_now")["master_id"] == "UUID"
    con.close()


def types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {r[0]: r[1] for r in con.execute(f"DESCRIBE {relation}").fetchall()}


ACT = st.tuples(st.sampled_from(["1", "2", "3"]), st.sampled_from(["positive", "negative", "unsure", "withdraw"]))


@settings(max_examples=20, deadline=None)
@given(acts=st.lists(ACT, max_size=8))
def test_what_stands_is_the_last_word_on_each_pair_and_every_word_is_kept(
    written: Master, acts: list[tuple[str, str]]
) -> None:
    stands: dict[str, str] = {}
    words = 0
    run = uuid4().hex  # pairs of their own for each example
    for key, act in acts:
        named = pair(f"{run}/0", f"{run}/{key}")
        with written.home.engine.begin() as connection:
            if act == "withdraw":
                done = judgements.withdraw(connection, [named], by(written))
                assert done == (stands.pop(key, None) is not None)
            else:
                done = judgements.judge(connection, [named], act, by(written))  # type: ignore[arg-type]
                assert done == (stands.get(key) != act)
                stands[key] = act
        words += done
    rows = fetch(written.home.database.dsn(), f"{judgements.CURRENT} AND left_system = '{run}'").to_pylist()
    assert {r["right_key"]: r["judgement"] for r in rows} == stands
    assert written.query("SELECT count(*) AS n FROM edge WHERE left_system = %s", run) == [{"n": words}]


# --- questions


def questions(ledger: Master) -> list[tuple[int, str, str, str]]:
    rows = ledger.query("SELECT review_id, left_key, right_key, state FROM review ORDER BY review_id")
    return [tuple(r.values()) for r in rows]  # type: ignore[misc]


def test_a_question_keeps_its_number_and_closes_when_it_is_none_any_more(ledger: Master) -> None:
    ledger.run(TWO, questions=[Asked("s/1", "s/2", ("A", "B"), gain=1)])
    ledger.run(TWO, questions=[Asked("s/1", "s/2", ("A", "B"), gain=7)])
    assert questions(ledger) == [(1, "1", "2", "open")]
    assert ledger.query("SELECT gain FROM review") == [{"gain": 7.0}]
    ledger.run(TWO)
    assert questions(ledger) == [(1, "1", "2", "closed")]
    ledger.run(TWO, questions=[Asked("s/1", "s/2", ("A", "B"))])
    assert questions(ledger) == [(1, "1", "2", "closed"), (2, "1", "2", "open")]


def test_questions_of_entities_that_were_not_touched_stay(ledger: Master) -> None:
    three = {**TWO, "s/3": ("C", "single"), "s/4": ("D", "single")}
    ledger.run(three, questions=[Asked("s/1", "s/2", ("A", "B")), Asked("s/3", "s/4", ("C", "D"))])
    rest = Master(ledger.home, dict(TWO), {}, runs=1)  # a run that touches A and B only
    rest.run(TWO)
    assert questions(ledger) == [(1, "1", "2", "closed"), (2, "3", "4", "open")]


@pytest.mark.parametrize("judgement", ["negative", "unsure"])
def test_what_was_answered_is_not_asked_again(ledger: Master, judgement: str) -> None:
    four = {
        "s/1": ("A", "match"),
        "s/2": ("A", "match"),
        "t/1": ("B", "match"),
        "t/2": ("B", "match"),
        "u/1": ("C", "match"),
    }
    ledger.run(four)
    judge(ledger, "s/1", "t/1", judgement)
    ledger.run(four, questions=[
        Asked("s/1", "t/1", ("A", "B")), Asked("s/2", "t/2", ("A", "B")), Asked("s/2", "u/1", ("A", "C")),
    ])  # fmt: skip
    assert [(left, right) for _, left, right, _ in questions(ledger)] == [("2", "1")]  # only A and C are asked about
