"""Entries (录入) as records of the system `entry`: the newest entry of a fact is its record's current version.

Only what was added since the last run is read. PostgreSQL's transaction numbers tell it: an entry whose transaction was
still running then has a number not below the mark, so it is not missed; an entry read twice is found unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from warehouse.duck import first
from warehouse.reading import MasterReader
from warehouse.standardised import Counts, Stage
from warehouse.tables import ENTRY

SYSTEM: Final = "entry"
"""The system whose records the entries are."""

_MARK: Final = "entry_mark"

_NOW: Final = "SELECT system_identifier::text AS cluster, pg_snapshot_xmin(pg_current_snapshot())::text AS mark FROM pg_control_system()"

_KEY: Final = "coalesce(record_key, master_id::text || '/' || field)"
"""Each fact is a record; what a new entity began with is one record under the entity's id, so that it is linked like a
record of any other system: somebody who is known already does not become two."""

_NEWEST: Final = (
    f"SELECT DISTINCT ON ({_KEY}, field) entity_type, field, value, entered_at, entry_id::text AS entry_id, {_KEY} AS key, "
    f"record_key IS NOT NULL AS founded FROM entry {{where}}ORDER BY {_KEY}, field, entered_at DESC, entry_id DESC"
)
_SINCE: Final = (
    "WHERE (master_id, field) IN (SELECT master_id, field FROM entry WHERE tx >= '{mark}'::xid8 "
    "UNION SELECT master_id, field FROM entry WHERE tx IS NULL) "
)


def stage(con: duckdb.DuckDBPyConnection, master: MasterReader, stamp: str) -> int:
    """Merge the facts entered since the last call into the standardised records; return how many facts were looked at.

    Args:
        con: the warehouse; it remembers up to where it has read, so a new file reads all.
        master: the master with the table `entry`.
        stamp: when this run reads, ISO.
    """
    # The mark is taken before the rows are: what commits in between is read now and once more.
    now = master.fetch(_NOW).to_pylist()[0]
    known = first(con, f"SELECT value FROM meta WHERE name = '{_MARK}'")
    cluster, _, mark = str(known[0]).partition(":") if known else ("", "", "")
    since = _SINCE.format(mark=mark) if cluster == now["cluster"] else ""
    newest = master.fetch(_NEWEST.format(where=since))
    if newest.num_rows:
        _merge(con, newest, stamp)
    con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_MARK, f"{now['cluster']}:{now['mark']}"])
    return int(newest.num_rows)


def _merge(con: duckdb.DuckDBPyConnection, newest: pa.Table, stamp: str) -> None:
    stage = Stage(con, SYSTEM, SYSTEM, stamp)
    con.register("_entry", newest)
    alone = "SELECT DISTINCT entity_type, field FROM _entry WHERE NOT founded ORDER BY ALL"
    for entity_type, field in con.execute(alone).fetchall():
        records = con.sql(
            f"SELECT '{SYSTEM}' AS system_id, key AS record_key, entity_type AS role, '{SYSTEM}' AS dataset, "
            f"entered_at AS observed_at, false AS deleted, 'entry ' || entry_id AS place, value AS \"{field}\" "
            "FROM _entry WHERE entity_type = ? AND field = ? AND NOT founded",
            params=[entity_type, field],
        ).to_arrow_table()
        stage.add({entity_type: records})
    together = "SELECT entity_type, list(DISTINCT field ORDER BY field) FROM _entry WHERE founded GROUP BY 1 ORDER BY 1"
    for entity_type, fields in con.execute(together).fetchall():
        values = ", ".join(f"max(value) FILTER (WHERE field = '{f}') AS \"{f}\"" for f in fields)
        records = con.sql(
            f"SELECT '{SYSTEM}' AS system_id, key AS record_key, entity_type AS role, '{SYSTEM}' AS dataset, "
            "max(entered_at) AS observed_at, bool_and(value IS NULL) AS deleted, 'entry ' || max(entry_id) AS place, "
            f"{values} FROM _entry WHERE entity_type = ? AND founded GROUP BY key, entity_type",
            params=[entity_type],
        ).to_arrow_table()
        stage.add({entity_type: records})
    con.unregister("_entry")
    records = len(set(newest["key"].to_pylist()))
    stage.merge(Counts(received=records, taken=records), {})


def untaken(master: MasterReader) -> list[str]:
    """Return the ids of the entries that no run has taken; asked before `stage`, which then reads them all."""
    rows = master.fetch("SELECT entry_id::text AS entry_id FROM entry WHERE taken_by IS NULL")
    return [str(i) for i in rows["entry_id"].to_pylist()]


def taken(engine: sa.Engine, run_id: str, ids: Sequence[str]) -> None:
    """Say of entries that a run has looked at them, where it had nothing to publish."""
    if ids:
        mine = sa.update(ENTRY).where(ENTRY.c.entry_id.in_(ids), ENTRY.c.taken_by.is_(None))
        with engine.begin() as connection:
            connection.execute(mine.values(taken_by=run_id))
