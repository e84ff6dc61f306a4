"""The shadow (影子) of what was written to the systems, brought to the working copy for the records a run is about.

The shadow has a row for each field ever written: a run that read all of it would cost more each day.
"""

from __future__ import annotations

from typing import Final

import duckdb

from schemas.entities import ENTITIES
from warehouse.duck import count, standardised_table
from warehouse.reading import MasterReader

MANY: Final = 100_000
"""Records for which the whole shadow is read at once instead."""

_COLUMNS: Final = "p.system_id, p.record_key, p.entity_type, p.role, p.field, p.value, p.at AS written_at"

LATE_WRITE: Final = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR, held MAP(VARCHAR, VARCHAR), written_at TIMESTAMPTZ"
"""Columns of `late_write`: what we wrote to a record since it was last read as it is here, and when we last did."""


def load(con: duckdb.DuckDBPyConnection, master: MasterReader) -> None:
    """Create `pushed_now` (system_id, record_key, entity_type, role, field, value, written_at) of the records of touched entities.

    And `late_write`, what of it was written after the record was read: the system holds that, whatever stands here. Reads
    `crosswalk_now` and `touched` (`warehouse.working_copy.gather_links`).
    """
    records = " UNION ALL ".join(
        f"SELECT s.system_id, s.record_key, '{e}' AS entity_type, s.role, s.batch_id FROM {standardised_table(e)} s "
        f"WHERE s.rid IN (SELECT n.rid FROM crosswalk_now n SEMI JOIN touched USING (entity_type, master_id) WHERE n.entity_type = '{e}')"
        for e in ENTITIES
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE shadowed AS {records}")
    wanted = "SELECT DISTINCT system_id, record_key FROM shadowed"
    if count(con, f"SELECT count(*) FROM ({wanted})") > MANY:
        rows = master.fetch(f"SELECT {_COLUMNS} FROM pushed p")
    else:
        few = con.sql(wanted).to_arrow_table()
        rows = master.fetch_beside(
            "wanted_record", few, f"SELECT {_COLUMNS} FROM pushed p JOIN wanted_record USING (system_id, record_key)"
        )
    con.register("_pushed", rows)
    con.execute("CREATE OR REPLACE TEMP TABLE pushed_now AS SELECT * FROM _pushed")
    con.unregister("_pushed")
    _find_late(con, master)


def _find_late(con: duckdb.DuckDBPyConnection, master: MasterReader) -> None:
    batches = con.sql("SELECT DISTINCT s.batch_id FROM shadowed s SEMI JOIN pushed_now USING (system_id, record_key)")
    read = master.fetch_beside(
        "wanted_batch",
        batches.to_arrow_table(),
        "SELECT batch_id, landed_at FROM batch JOIN wanted_batch USING (batch_id)",
    )
    con.register("_read", read)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE late_write AS SELECT p.system_id, p.record_key, p.entity_type, p.role, "
        "map_from_entries(list((p.field, p.value))) AS held, max(p.written_at) AS written_at FROM pushed_now p "
        "JOIN shadowed s USING (system_id, record_key, entity_type, role) JOIN _read b USING (batch_id) WHERE p.written_at > b.landed_at "
        "GROUP BY ALL"
    )
    con.unregister("_read")
