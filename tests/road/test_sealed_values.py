"""No number of a person lies in clear in PostgreSQL, and everything goes on after the keys were replaced."""

from __future__ import annotations

import psycopg
import pytest
from road_support import LI, WANG, Town, citizen, with_files

from onefact import acts, enter, keys, pull, push
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate
from onefact.received import received
from onefact.search import search
from warehouse.tables import METADATA
from warehouse.tables.create import create_all

NUMBERS = {WANG, LI, "13900000001", "13900000002", "13900000009", "13900000033"}
TAILS = {n[-6:] for n in (WANG, LI)} | {"0009", "0033"}


def told(town: Town) -> set[str]:
    """Tables in which whoever holds the database and no key can read one of the numbers."""
    with psycopg.connect(town.home.database.dsn()) as connection:
        texts = {n: connection.execute(f'SELECT t::text FROM "{n}" t'.encode()).fetchall() for n in METADATA.tables}
        keyed = {key for (key,) in connection.execute("SELECT key FROM search_key")}
    found = {name for name, rows in texts.items() if any(n in text for n in NUMBERS for (text,) in rows)}
    return found | ({"search_key"} if keyed & TAILS else set())


def filled(town: Town) -> None:
    with_files(town)
    onward(town)
    enter.enter(town.home, WANG, "phone", "13900000033")
    enter.enter(town.home, "王伟", "id_number", LI)  # not the worker's to decide: it becomes a ticket
    onward(town)


def onward(town: Town) -> tuple[int, int]:
    """One round; returns (planned changes, golden records written)."""
    town.home.now.advance()  # type: ignore[attr-defined]
    pull.pull(town.home)
    done = consolidate(town.home)
    push.push(town.home)
    return done.planned, sum(done.golden.values())


def names(town: Town, typed: str) -> list[str]:
    with town.home.engine.connect() as connection:
        return [hit.title for hit in search(connection, typed, None)]


def everything(town: Town) -> list[object]:
    tables = {
        "entry": "entry_id",
        "ticket": "ticket_id",
        "pushed": "record_key, field",
        "candidate": "master_id, field, ref",
    }
    rows = [town.query(f"SELECT * FROM {table} ORDER BY {order}") for table, order in tables.items()]
    return [town.golden(), town.outbox("system_id, record_key, operation, state, changes, detail"), *rows]


def test_numbers_lie_sealed_wherever_they_go_and_are_found(town: Town) -> None:
    filled(town)
    assert told(town) == set()
    assert town.person("ybss", "Y1")["phone"] == "13900000033"
    for typed in (WANG, WANG[-6:], "13900000033", "0033", " 139 0000 0033"):
        assert names(town, typed) == ["王伟"], typed
    assert names(town, "1390000") == [], "the beginning of a number is in no index"
    assert [m.name for m in enter.find(town.home, LI)] == ["李小红"]


def test_new_keys_change_nothing_but_the_keys(town: Town) -> None:
    filled(town)
    typed = 'UPDATE outbox SET detail = \'[["电话", "13900000033"], ["备注", null]]\' RETURNING change_id'
    assert town.query(typed), "as an older onefact has kept what a person had to type"
    before = everything(town)
    lying = keys.rotate(town.home, dry_run=True).values
    assert lying.keys() == {"outbox"}, "everything else is sealed by the active keys"
    done = keys.rotate(town.home)
    assert {"person", "entry", "outbox", "pushed", "ticket"} <= done.values.keys()
    assert everything(town) == before
    assert told(town) == set()
    history = town.query("SELECT count(*) AS n FROM golden_history")
    assert onward(town) == (0, 0), "no value has changed"
    assert town.query("SELECT count(*) AS n FROM golden_history") == history
    assert names(town, WANG) == ["王伟"]
    assert [m.name for m in enter.find(town.home, LI)] == ["李小红"]
    assert {line.active for line in keys.lines(town.home) if line.key_id == "base.1"} == {False}


def test_a_master_that_lay_in_clear_is_sealed_by_a_rotation(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFACT_DATA_CIPHER", "off")
    filled(town)
    assert {"person", "entry", "outbox", "pushed", "ticket"} <= told(town)
    golden = town.golden()
    monkeypatch.setenv("ONEFACT_DATA_CIPHER", "aes")
    create_all(town.home.engine)
    keys.rotate(town.home)
    assert told(town) <= {"golden_history"}, "what is only added to stays as it was written"
    assert town.golden() == golden
    assert onward(town) == (0, 0)
    assert names(town, WANG[-6:]) == ["王伟"]


def test_a_ticket_about_a_number_is_found_by_its_value(town: Town) -> None:
    filled(town)
    act = Act(
        "0198a000-0000-7000-8000-0000000000ab",
        "correct",
        (Fact("person", town.id_of("ybss", "Y2"), "id_number", citizen(31, "20180601")),),
    )
    acts.take(town.home, act, "worker")
    with town.home.engine.begin() as connection:
        (told,) = received(connection, town.home, acts.find(connection, act.act_id))
    assert [d.state for d in told.deliveries if d.system_id == "ybss"] == ["ticket"]
