"""Each distinct text worked once (每个不同的值只处理一次): what is derived from a text is kept beside it, in a table of its own.

Names and addresses repeat in every system; linking, survivorship and planning join on what was derived and never
derive it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb
import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.model import Kind
from warehouse.duck import standardised_table

CHUNK = 200_000
"""Texts worked at a time, to bound memory."""


def columns_of(kind: Kind) -> list[tuple[str, str]]:
    """Return (table, column) of every field of this kind in the standardised tables."""
    return [
        (standardised_table(entity_type), field.name)
        for entity_type, entity in ENTITIES.items()
        for field in entity.fields
        if field.kind == kind
    ]


def work_new(
    con: duckdb.DuckDBPyConnection,
    sources: Iterable[tuple[str, str]],
    table: str,
    columns: str,
    work: Callable[[pa.Array], pa.Table],
) -> int:
    """Work every text that `table` does not hold yet; return how many were new.

    Args:
        con: the warehouse.
        sources: (table, column) of the fields that the texts come from.
        table: where the results are kept; its key is the column `text`.
        columns: the columns of `work`'s result to keep, comma-separated.
        work: from distinct texts to one row of results each.
    """
    # What is not touched was worked when it was.
    touched = "sid IN (SELECT sid FROM touched_record)"
    # What came last lies at the end of a table: rows that are chosen by their place let it skip the rest.
    columns_in: dict[str, list[str]] = {}
    for source, column in sources:
        columns_in.setdefault(source, []).append(f'"{column}"')
    texts = " UNION ".join(
        f"SELECT unnest([{', '.join(names)}]) AS text FROM {source} WHERE rowid IN (SELECT rowid FROM {source} WHERE {touched})"
        for source, names in columns_in.items()
    )
    return work_texts(con, texts, table, columns, work)


def work_texts(
    con: duckdb.DuckDBPyConnection, texts: str, table: str, columns: str, work: Callable[[pa.Array], pa.Table]
) -> int:
    """Work those of some texts (SQL of one column `text`) that `table` does not hold yet; otherwise as `work_new`."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE new_text AS WITH asked AS MATERIALIZED (SELECT DISTINCT text FROM ({texts}) WHERE text IS NOT NULL) "
        # The texts in question may be few, those that are known are many.
        f"SELECT text FROM asked WHERE text NOT IN (SELECT text FROM {table} WHERE text IN (SELECT text FROM asked))"
    )
    done = 0
    cursor = con.cursor()  # the reader keeps the connection busy
    for batch in con.sql("SELECT text FROM new_text").to_arrow_reader(CHUNK):
        new = batch.column(0)
        cursor.register("_worked", work(new).add_column(0, "text", new))
        cursor.execute(f"INSERT INTO {table} BY NAME SELECT text, {columns} FROM _worked")
        cursor.unregister("_worked")
        done += len(new)
    return done
