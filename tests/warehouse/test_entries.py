"""Entries reach the working copy once each, whichever order their transactions end in."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from warehouse import entries
from warehouse.duck import open_warehouse
from warehouse.reading import MasterReader

ADD = (
    "INSERT INTO entry (entry_id, entity_type, master_id, field, value, actor, entered_at) "
    "VALUES (%s, 'person', %s, 'phone', %s, 'test', %s)"
)
ZHANG, LI = "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"


class Entries:
    """A master with entries, and a working copy that follows it."""

    def __init__(self, dsn: str, con: duckdb.DuckDBPyConnection) -> None:
        self.dsn, self.con = dsn, con

    def add(self, who: str, phone: str | None, at: str) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(ADD, (str(uuid.uuid4()), who, phone, at))

    def read(self) -> list[str]:
        with MasterReader(self.dsn) as master:
            return entries.stage(self.con, master, "2026-11-25T10:00:00")

    def forget(self) -> None:
        """Empty the copy's records: what is not read again stays away."""
        self.con.execute("DELETE FROM std_person")

    def phones(self) -> dict[str, str | None]:
        return dict(self.con.execute("SELECT split_part(record_key, '/', 1), phone FROM std_person").fetchall())


@pytest.fixture
def town(make_home: Callable[..., Any], tmp_path: Path) -> Entries:
    return Entries(
        make_home(tmp_path, {}).database.dsn(), open_warehouse(tmp_path / "warehouse_copy.duckdb", threads=1)
    )


def test_only_what_was_added_since_is_read_and_the_newest_entry_counts(town: Entries) -> None:
    town.add(ZHANG, "13900000001", "2026-11-25T09:00:00")
    town.add(LI, "13900000002", "2026-11-25T09:00:00")
    assert len(town.read()) == 2
    assert town.phones() == {ZHANG: "13900000001", LI: "13900000002"}
    town.forget()
    town.add(ZHANG, "13900000003", "2026-11-25T09:30:00")
    town.add(ZHANG, "13900000004", "2026-11-25T09:10:00")  # typed earlier on a telephone without network, sent later
    town.read()
    assert town.phones() == {ZHANG: "13900000003"}


def test_an_entry_that_is_taken_back_empties_the_record(town: Entries) -> None:
    town.add(ZHANG, "13900000001", "2026-11-25T09:00:00")
    town.read()
    town.add(ZHANG, None, "2026-11-25T09:30:00")
    town.read()
    assert town.phones() == {ZHANG: None}


def test_an_entry_whose_transaction_ends_after_a_later_one_is_not_missed(town: Entries) -> None:
    with psycopg.connect(town.dsn) as slow:
        slow.execute(ADD, (str(uuid.uuid4()), ZHANG, "13900000001", "2026-11-25T09:00:00"))
        town.add(LI, "13900000002", "2026-11-25T09:01:00")
        town.read()
        assert town.phones() == {LI: "13900000002"}
        slow.commit()
    town.read()
    assert town.phones() == {ZHANG: "13900000001", LI: "13900000002"}


def test_a_master_restored_into_another_cluster_is_read_whole(town: Entries) -> None:
    town.add(ZHANG, "13900000001", "2026-11-25T09:00:00")
    town.read()
    town.con.execute("UPDATE meta SET value = 'other:18446744073709551615' WHERE name = 'entry_mark'")
    town.forget()
    town.add(LI, "13900000002", "2026-11-25T09:00:00")
    town.read()
    assert town.phones() == {ZHANG: "13900000001", LI: "13900000002"}
