"""Forms of names kept beside the name: every distinct name that any record holds is standardised once.

What the forms are is the matter of linkage, which this room does not know: the caller brings the function.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa

from schemas.entities import ENTITIES
from warehouse.duck import standardised_table

CHUNK = 200_000
"""Names standardised at a time, to bound memory."""


def name_columns() -> list[tuple[str, str]]:
    """Return (table, column) of every name-typed field of the standardised tables."""
    return [
        (standardised_table(entity_type), field.name)
        for entity_type, entity in ENTITIES.items()
        for field in entity.fields
        if field.kind == "name"
    ]


def standardise_new(con: duckdb.DuckDBPyConnection, standardise: Callable[[pa.Array], pa.Table]) -> int:
    """Standardise every name that is not in `name_form` yet; return how many were new.

    Args:
        con: the warehouse.
        standardise: from distinct names to one row of forms each, with the columns of `name_form` but `text`.
    """
    names = " UNION ".join(f'SELECT "{column}" AS text FROM {table}' for table, column in name_columns())
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE new_name AS SELECT text FROM ({names}) WHERE text IS NOT NULL "
        "AND text NOT IN (SELECT text FROM name_form)"
    )
    reader = con.sql("SELECT text FROM new_name").to_arrow_reader(CHUNK)
    done = 0
    cursor = con.cursor()
    for batch in reader:
        texts = batch.column(0)
        forms = standardise(texts).add_column(0, "text", texts)
        cursor.register("_forms", forms)
        cursor.execute("INSERT INTO name_form SELECT text, folded, pinyin, pinyin_fuzzy FROM _forms")
        cursor.unregister("_forms")
        done += len(texts)
    return done
