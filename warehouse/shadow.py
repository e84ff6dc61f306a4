"""The shadow (影子) of what was written to the systems, brought to the working copy for the records a run is about.

The shadow has a row for each field ever written: a run that read all of it would cost more each day.
"""

from __future__ import annotations

from typing import Final

import duckdb

from warehouse.duck import count
from warehouse.reading import MasterReader

MANY: Final = 100_000
"""Records for which the whole shadow is read at once instead."""

_COLUMNS: Final = "p.system_id, p.record_key, p.entity_type, p.role, p.field, p.value"


def load(con: duckdb.DuckDBPyConnection, master: MasterReader) -> None:
    """Create `pushed_now` (system_id, record_key, entity_type, role, field, value) of the records of touched entities.

    Reads `crosswalk_now` and `touched` (`warehouse.working_copy.gather_links`).
    """
    wanted = "SELECT DISTINCT system_id, record_key FROM crosswalk_now SEMI JOIN touched USING (entity_type, master_id)"
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
