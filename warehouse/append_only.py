"""Append-only tables (只增不改): PostgreSQL itself refuses to change or delete what was written.

A ledger that a program can rewrite proves nothing. The refusals are triggers, made with the table, so they hold for every
client, not only for onefact. They guard against mistakes and careless scripts; the owner of the database can still drop
a trigger.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

REFUSE = """
CREATE OR REPLACE FUNCTION onefact_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND nullif(current_setting('onefact.expiry', true), '') IS NOT NULL THEN
        IF EXISTS (SELECT 1 FROM sealed_log WHERE seq = current_setting('onefact.expiry')::bigint AND act IN ('expire', 'cut')
            AND subjects @> to_jsonb(ARRAY[TG_TABLE_NAME::text]) AND xmin = pg_current_xact_id()::xid) THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
"""Raises for whatever statement fires it, but for a deletion that stands in the sealed log already, with count and hash, in
the very transaction that deletes (`onefact.retention`): what the law lets expire goes, and never without its proof."""

REFUSE_TRUNCATE = """
CREATE OR REPLACE FUNCTION onefact_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE filled boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.%I)', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO filled;
    IF filled THEN
        RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$
"""
"""Raises unless the table is empty: the first load truncates an empty table to do without the write-ahead log."""


def never_changed(table: sa.Table) -> None:
    """Let PostgreSQL refuse every UPDATE, DELETE and TRUNCATE of a table's rows."""
    _guard(table, "BEFORE UPDATE OR DELETE", "FOR EACH STATEMENT", "change")


def closed_once(table: sa.Table, closing: Sequence[str]) -> None:
    """Let PostgreSQL refuse DELETE, TRUNCATE and every UPDATE but the one that closes an open row.

    Args:
        table: the ledger.
        closing: the columns that closing sets; the first says whether a row is closed.
    """
    fixed = ", ".join(c.name for c in table.columns if c.name not in closing)
    closed = closing[0]
    _guard(table, f"BEFORE DELETE OR UPDATE OF {fixed}", "FOR EACH STATEMENT", "change")
    once = f"FOR EACH ROW WHEN (OLD.{closed} IS NOT NULL OR NEW.{closed} IS NULL)"
    _made(table, _trigger(table, "once", "BEFORE UPDATE", once, "onefact_refuse"))


def _guard(table: sa.Table, when: str, each: str, name: str) -> None:
    _made(table, REFUSE)
    _made(table, REFUSE_TRUNCATE)
    _made(table, _trigger(table, name, when, each, "onefact_refuse"))
    _made(table, _trigger(table, "truncate", "BEFORE TRUNCATE", "FOR EACH STATEMENT", "onefact_refuse_truncate"))


def _trigger(table: sa.Table, name: str, when: str, each: str, function: str) -> str:
    return f"CREATE TRIGGER {table.name}_{name} {when} ON {table.name} {each} EXECUTE FUNCTION {function}()"


def _made(table: sa.Table, statement: str) -> None:
    """Run a statement whenever the table is made."""
    ddl = sa.DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
    sa.event.listen(table, "after_create", ddl)
