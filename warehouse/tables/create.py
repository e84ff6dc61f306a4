"""Creating the tables, and adding columns that an older onefact lacked."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from schemas.entities import ENTITIES
from warehouse.search_keys import REGRID
from warehouse.tables.delivery import TOLD, keep_honest
from warehouse.tables.metadata import METADATA

CREATING = 420199
"""Number of the advisory lock under which tables are created."""


STEPPED = "SELECT count(*) = 2 AND (SELECT obj_description(p.oid, 'pg_proc') FROM pg_proc p WHERE p.proname = 'onefact_outbox_stepped' AND p.pronamespace = current_schema()::regnamespace) = :told FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relname = 'outbox' AND t.tgname LIKE 'outbox\\_%' AND c.relnamespace = current_schema()::regnamespace"
"""Whether the outbox has its triggers, in the version of this onefact."""


def create_all(engine: sa.Engine) -> None:
    """Create the tables and columns that are missing; of several first commands at once the others wait."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
        METADATA.create_all(connection)
        _widen_columns(connection)
        _add_columns(connection)
        _add_grids(connection)
        _add_indexes(connection)
        if not connection.execute(sa.text(STEPPED), {"told": TOLD}).scalar():
            keep_honest(connection)


def _add_columns(connection: sa.Connection) -> None:
    """Add columns that a table of an older onefact lacks; its rows hold NULL there, new ones the default.

    Only missing ones are altered: ALTER TABLE waits for every reader, even where it has nothing to do.
    """
    query = sa.text(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    )
    present = {(table, column) for table, column in connection.execute(query)}
    for table in METADATA.tables.values():
        for column in table.columns:
            if (table.name, column.name) in present:
                continue
            kind, named = column.type.compile(dialect=connection.dialect), f'"{column.name}"'
            connection.execute(sa.text(f'ALTER TABLE "{table.name}" ADD COLUMN IF NOT EXISTS {named} {kind}'))
            connection.execute(
                sa.text(f'ALTER TABLE "{table.name}" ALTER COLUMN {named} SET DEFAULT {default_of(column)}')
            )


def _widen_columns(connection: sa.Connection) -> None:
    """Make columns that hold sealed values texts of any length, where an older onefact had typed them.

    What stands there stays as it is, in clear; `onefact keys rotate` seals it.
    """
    query = sa.text(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
        "AND NOT (t.typname = 'varchar' AND a.atttypmod = -1)"
    )
    narrow = {(table, column) for table, column in connection.execute(query)}
    for entity in ENTITIES.values():
        fields = [f for f in entity.fields if f.sealed and (entity.name, f.name) in narrow]
        if fields:
            plain = {f.name: f'trim_scale("{f.name}")' if f.kind == "decimal" else f'"{f.name}"' for f in fields}
            changes = ", ".join(f'ALTER COLUMN "{n}" TYPE varchar USING {sql}::varchar' for n, sql in plain.items())
            connection.execute(sa.text(f'ALTER TABLE "{entity.name}" {changes}'))


def _add_grids(connection: sa.Connection) -> None:
    """Give the search keys of an older onefact their grids; their old index tells them."""
    if connection.execute(sa.text("SELECT to_regclass('search_key_key')")).scalar():
        for statement in REGRID:
            connection.execute(sa.text(statement))


def _add_indexes(connection: sa.Connection) -> None:
    """Make the indexes that a table of an older onefact lacks."""
    query = sa.text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    present = set(connection.execute(query).scalars())
    for table in METADATA.tables.values():
        for index in table.indexes:
            if index.name not in present:
                index.create(connection)


def default_of(column: sa.Column[Any]) -> str:
    """Return the SQL of a column's declared default, NULL when it has none."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return (
        dialect.ddl_compiler(dialect, sa.schema.CreateTable(column.table)).get_column_default_string(column) or "NULL"
    )
