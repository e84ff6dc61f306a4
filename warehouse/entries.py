"""Entries (录入) as records of the system `entry`: the newest entry of a fact is its record's current version.

Only what was added since the last run is read. PostgreSQL's transaction numbers tell it: an entry whose transaction was
still running then has a number not below the mark, so it is not missed; an entry read twice is found unchanged.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from schemas.model import EntityType
from warehouse.duck import first
from warehouse.reading import MasterReader
from warehouse.standardised import Counts, Stage

SYSTEM: Final = "entry"
"""The system whose records the entries are."""

_MARK: Final = "entry_mark"

_NOW: Final = "SELECT system_identifier::text AS cluster, pg_snapshot_xmin(pg_current_snapshot())::text AS mark FROM pg_control_system()"

_KEY: Final = "coalesce(record_key, master_id::text || '/' || field)"
"""The record of an entry: one for each fact, and one for all that a new entity began with."""

_NEWEST: Final = (
    f"SELECT DISTINCT ON ({_KEY}, field) {_KEY} AS record_key, entity_type, field, value, entered_at, entry_id::text AS entry_id "
    f"FROM entry {{where}}ORDER BY {_KEY}, field, entered_at DESC, entry_id DESC"
)
NEWEST_THEN: Final = (
    f"SELECT DISTINCT ON ({_KEY}, field) {_KEY} AS record_key, entity_type, field, value, entered_at, entry_id::text AS entry_id "
    f"FROM entry WHERE {_KEY} = ANY(:keys) AND coalesce(left(taken_by, 15) <= :run, entered_at < :until) "
    f"ORDER BY {_KEY}, field, entered_at DESC, entry_id DESC"
)
"""The newest entries of records that a past consolidation had taken; those of before it was noted who took them, by their time."""

_SINCE: Final = (
    "WHERE entry_id IN (WITH added AS (SELECT master_id, field, record_key FROM entry WHERE tx >= '{mark}'::xid8 OR tx IS NULL) "
    "SELECT e.entry_id FROM entry e JOIN (SELECT DISTINCT master_id, field FROM added) a USING (master_id, field) "
    "UNION SELECT e.entry_id FROM entry e JOIN (SELECT DISTINCT record_key FROM added) a USING (record_key)) "
)
_UNTAKEN: Final = "SELECT entry_id::text AS entry_id FROM entry WHERE taken_by IS NULL"


def stage(con: duckdb.DuckDBPyConnection, master: MasterReader, stamp: str) -> list[str]:
    """Merge the facts entered since the last call into the standardised records; return entries that no run has taken yet.

    What a new entity began with is one record, so that it is linked like a record of any other system: somebody who is
    known already does not become two.

    Args:
        con: the warehouse; it remembers up to where it has read, so a new file reads all.
        master: the master with the table `entry`.
        stamp: when this run reads, ISO.
    """
    # Both are taken before the rows are: what commits in between is read now and once more.
    untaken = master.fetch(_UNTAKEN)["entry_id"].to_pylist()
    now = master.fetch(_NOW).to_pylist()[0]
    known = first(con, f"SELECT value FROM meta WHERE name = '{_MARK}'")
    cluster, _, mark = str(known[0]).partition(":") if known else ("", "", "")
    since = _SINCE.format(mark=mark) if cluster == now["cluster"] else ""
    newest = master.fetch(_NEWEST.format(where=since))
    if newest.num_rows:
        merge(con, newest, stamp)
    con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_MARK, f"{now['cluster']}:{now['mark']}"])
    return [str(entry_id) for entry_id in untaken]


def merge(con: duckdb.DuckDBPyConnection, newest: pa.Table, stamp: str) -> None:
    """Merge entries (record_key, entity_type, field, value, entered_at, entry_id; the newest of each field) as records of the system."""
    stage, records = Stage(con, SYSTEM, SYSTEM, stamp), 0
    con.register("_entry", newest)
    fields: dict[EntityType, list[str]] = {}
    for entity_type, field in con.execute("SELECT DISTINCT entity_type, field FROM _entry ORDER BY ALL").fetchall():
        fields.setdefault(entity_type, []).append(field)
    tables: dict[EntityType, pa.Table] = {}
    for entity_type, names in fields.items():
        values = ", ".join(f"any_value(value) FILTER (WHERE field = '{name}') AS \"{name}\"" for name in names)
        tables[entity_type] = con.sql(
            f"SELECT '{SYSTEM}' AS system_id, record_key, entity_type AS role, '{SYSTEM}' AS dataset, max(entered_at) AS observed_at, "
            f"false AS deleted, 'entry ' || arg_max(entry_id, (entered_at, entry_id)) AS place, {values} "
            "FROM _entry WHERE entity_type = ? GROUP BY entity_type, record_key",
            params=[entity_type],
        ).to_arrow_table()
        records += tables[entity_type].num_rows
    stage.add(tables)
    con.unregister("_entry")
    stage.merge(Counts(received=records, taken=records), {})
