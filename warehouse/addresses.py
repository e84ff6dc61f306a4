"""Address texts parsed once: every distinct text that any record holds, its elements and its key for equality.

Persons, houses and organisations name places in free text; the parse is kept beside the text so that linking,
survivorship and planning join on it and never parse again.
"""

from __future__ import annotations

import duckdb

from schemas import address
from schemas.entities import ENTITIES
from warehouse.duck import standardised_table

CHUNK = 200_000
"""Texts parsed at a time, to bound memory."""


def address_columns() -> list[tuple[str, str]]:
    """Return (table, column) of every address-typed field of the standardised tables."""
    return [
        (standardised_table(entity_type), field.name)
        for entity_type, entity in ENTITIES.items()
        for field in entity.fields
        if field.kind == "address"
    ]


def parse_new(con: duckdb.DuckDBPyConnection) -> int:
    """Parse every address text that is not in `address_text` yet; return how many were new."""
    texts = " UNION ".join(f'SELECT "{column}" AS text FROM {table}' for table, column in address_columns())
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE new_text AS SELECT text FROM ({texts}) WHERE text IS NOT NULL "
        "AND text NOT IN (SELECT text FROM address_text)"
    )
    reader = con.sql("SELECT text FROM new_text").to_arrow_reader(CHUNK)
    parsed = 0
    cursor = con.cursor()
    for batch in reader:
        texts_ = batch.column(0)
        table = address.parse(texts_)
        keyed = table.append_column("normal_key", address.normal_key(table)).add_column(0, "text", texts_)
        cursor.register("_parsed", keyed)
        cursor.execute("INSERT INTO address_text BY NAME SELECT * FROM _parsed")
        cursor.unregister("_parsed")
        parsed += len(texts_)
    return parsed
