"""Address texts parsed once: every distinct text that any record holds, its elements and its key for equality."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from schemas import address
from warehouse.distinct import work_new


def parse_new(con: duckdb.DuckDBPyConnection) -> int:
    """Parse every address text that is not in `address_text` yet; return how many were new."""
    return work_new(con, "address", "address_text", ", ".join((*address.COLUMNS, "normal_key")), _parse)


def _parse(texts: pa.Array) -> pa.Table:
    table = address.parse(texts)
    return table.append_column("normal_key", address.normal_key(table))
