"""Address texts parsed once: every distinct text that any record holds, its elements and its key for equality."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from schemas import address
from warehouse.distinct import columns_of, work_new


def parse_new(con: duckdb.DuckDBPyConnection) -> int:
    """Parse every address text that is not in `address_text` yet; return how many were new.

    Creates the temporary view `address_said`: the parse of those texts that a record says now. `address_text` keeps what
    was worked once, but a place is judged by what is said of it today.
    """
    texts = " UNION ".join(f'SELECT "{column}" AS text FROM {source}' for source, column in columns_of("address"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE address_live AS {texts}")
    con.execute(
        "CREATE OR REPLACE TEMP VIEW address_said AS SELECT * FROM address_text SEMI JOIN address_live USING (text)"
    )
    return work_new(con, columns_of("address"), "address_text", ", ".join((*address.COLUMNS, "normal_key")), _parse)


def _parse(texts: pa.Array) -> pa.Table:
    table = address.parse(texts)
    return table.append_column("normal_key", address.normal_key(table))
