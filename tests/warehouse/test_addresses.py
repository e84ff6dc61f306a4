"""Which address texts are said, and by whom: followed record by record, it equals reading all records."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.addresses import follow_uses, parse_new, saying_again
from warehouse.duck import SOURCE_ID, open_warehouse

TEXTS = [f"武珞路{n}号{b}栋{n}01室" for n in range(1, 4) for b in (1, 2)]


def write(con: duckdb.DuckDBPyConnection, said: dict[str, str | None]) -> None:
    """Replace records, as a merge does; None = the record is gone."""
    for key, text in said.items():
        con.execute("DELETE FROM std_address WHERE record_key = ?", [key])
        if text:
            con.execute(
                f"INSERT INTO std_address BY NAME SELECT *, {SOURCE_ID} AS sid FROM (SELECT 'one' AS system_id, ? AS record_key, ? AS full_text)",
                [key, text],
            )
        con.execute(
            f"INSERT INTO touched_record SELECT *, {SOURCE_ID} FROM (SELECT 'one' AS system_id, ? AS record_key)", [key]
        )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(dice=st.randoms(use_true_random=False))
def test_followed_step_by_step_the_texts_are_those_of_all_records(dice: random.Random, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    path: Path = tmp_path_factory.mktemp("w") / "w.duckdb"
    held: dict[str, str] = {}
    with open_warehouse(path) as con:
        for _ in range(4):
            change = {f"k{dice.randint(1, 5)}": dice.choice([None, *TEXTS]) for _ in range(dice.randint(1, 4))}
            before = set(held.values())
            write(con, change)
            held = {k: t for k, t in {**held, **change}.items() if t}
            parse_new(con)
            con.execute("BEGIN")
            follow_uses(con)
            gone = {text for (text,) in con.execute("SELECT text FROM address_gone").fetchall()}
            said = {text for (text,) in con.execute("SELECT text FROM address_said").fetchall()}
            con.execute(
                "INSERT INTO place_said SELECT text, 1 FROM address_said WHERE text NOT IN (SELECT text FROM place_said)"
            )
            con.execute("DELETE FROM place_said WHERE text IN (SELECT text FROM address_gone)")
            assert gone == before - set(held.values())
            assert said >= set(held.values()) - before
            if dice.random() < 0.3:  # a run that was not kept: all of it is done again by the next
                con.execute("ROLLBACK")
                held_before = before
                assert {t for (t,) in con.execute("SELECT text FROM place_said").fetchall()} == held_before
                con.execute("BEGIN")
                follow_uses(con)
                con.execute(
                    "INSERT INTO place_said SELECT text, 1 FROM address_said WHERE text NOT IN (SELECT text FROM place_said)"
                )
                con.execute("DELETE FROM place_said WHERE text IN (SELECT text FROM address_gone)")
            con.execute("DELETE FROM touched_record")
            con.execute("COMMIT")
            assert {t for (t,) in con.execute("SELECT text FROM place_said").fetchall()} == set(held.values())


def test_who_says_a_text(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as con:
        write(con, {"a": TEXTS[0], "b": TEXTS[1], "c": TEXTS[0]})
        parse_new(con)
        follow_uses(con)
        con.execute("CREATE TEMP TABLE again AS SELECT ? AS text", [TEXTS[0]])
        found = con.execute(
            f"SELECT record_key FROM std_address WHERE sid IN ({saying_again('again')}) ORDER BY 1"
        ).fetchall()
    assert found == [("a",), ("c",)]
