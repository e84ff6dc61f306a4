"""Entries (录入) as records of the system `entry`: the newest entry of a fact is its record's current version.

Only what was added since the last run is read. PostgreSQL's transaction numbers tell it: an entry whose transaction was
still running then has a number not below the mark, so it is not missed; an entry read twice is found unchanged.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from warehouse.duck import first
from warehouse.reading import MasterReader
from warehouse.standardised import Counts, Stage

SYSTEM: Final = "entry"
"""The system whose records the entries are."""

_MARK: Final = "entry_mark"

_NOW: Final = "SELECT system_identifier::text AS cluster, pg_snapshot_xmin(pg_current_snapshot())::text AS mark FROM pg_control_system()"

_NEWEST: Final = (
    "SELECT DISTINCT ON (master_id, field) entity_type, field, value, entered_at, entry_id::text AS entry_id, "
    "master_id::text AS master_id FROM entry {where}ORDER BY master_id, field, entered_at DESC, entry_id DESC"
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
    for entity_type, field in con.execute("SELECT DISTINCT entity_type, field FROM _entry ORDER BY ALL").fetchall():
        records = con.sql(
            f"SELECT '{SYSTEM}' AS system_id, master_id || '/' || field AS record_key, entity_type AS role, '{SYSTEM}' AS dataset, "
            f"entered_at AS observed_at, false AS deleted, 'entry ' || entry_id AS place, value AS \"{field}\" "
            "FROM _entry WHERE entity_type = ? AND field = ?",
            params=[entity_type, field],
        ).to_arrow_table()
        stage.add({entity_type: records})
    con.unregister("_entry")
    stage.merge(Counts(received=newest.num_rows, taken=newest.num_rows), {})
