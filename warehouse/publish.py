"""Publishing a consolidation to PostgreSQL: golden records, crosswalk, links and outbox in one transaction.

DuckDB works out what changed; only the changes travel, as Arrow through ADBC into temporary tables, and a few set
statements apply them. Either all of it is there afterwards or nothing (transactional outbox).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow as pa

from schemas.derive.sql import column_type
from schemas.entities import ENTITIES, LINKS
from schemas.model import EntityType
from warehouse.duck import count, first

OPEN_STATES = "('planned', 'pending', 'awaiting_person', 'no_answer', 'conflict')"
"""States of an outbox row that a newer plan replaces."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication changed."""

    golden: Mapping[EntityType, int]
    ended: int
    crosswalk: int
    planned: int
    superseded: int


class Publisher:
    """One PostgreSQL transaction over ADBC; use as a context manager, commits when the block ends without error."""

    def __init__(self, dsn: str, con: duckdb.DuckDBPyConnection, run_id: str) -> None:
        self._pg = adbc.connect(dsn, autocommit=False)
        self._cur = self._pg.cursor()
        self._con, self._run = con, run_id

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._pg.commit()
            else:
                self._pg.rollback()
        finally:
            self._cur.close()
            self._pg.close()

    def _execute(self, sql: str) -> int:
        self._cur.execute(sql)
        return max(self._cur.rowcount, 0)

    def _send(self, name: str, query: str) -> int:
        """Copy the result of a DuckDB query into the temporary PostgreSQL table `name`; return the rows."""
        table = self._con.sql(query).to_arrow_table()
        if table.num_rows:
            self._cur.adbc_ingest(name, table, mode="create", temporary=True)
        return int(table.num_rows)

    def golden(self, entity_type: EntityType, changed: str) -> int:
        """Insert or update the golden records of relation `changed` (as `golden_<entity>`); return how many."""
        entity = ENTITIES[entity_type]
        if not self._any(changed):
            return 0
        empty = self._empty(entity_type)
        names = [f.name for f in entity.fields]
        if empty:  # nothing to overwrite: columns without a value need not travel
            filled_counts = ", ".join(f'count("{n}")' for n in names)
            counts = first(self._con, f"SELECT {filled_counts} FROM {changed}")
            names = [n for n, filled in zip(names, counts or (), strict=True) if filled]
        columns = ", ".join(f'"{n}"' for n in names)
        rows = self._send(
            f"fresh_{entity_type}", f"SELECT master_id::VARCHAR AS master_id, {columns}, provenance FROM {changed}"
        )
        casts = ", ".join(f'"{n}"::{column_type(entity.field(n)).compile()}' for n in names)
        update = ", ".join(f'"{n}" = excluded."{n}"' for n in [*names, "provenance", "run_id"])
        conflict = (
            "" if empty else (f" ON CONFLICT (master_id) DO UPDATE SET {update}, version = {entity_type}.version + 1")
        )
        self._execute(
            f"INSERT INTO {entity_type} (master_id, {columns}, provenance, run_id) SELECT master_id::uuid, {casts}, "
            f"provenance::jsonb, '{self._run}' FROM fresh_{entity_type}{conflict}"
        )
        return rows

    def _any(self, relation: str) -> bool:
        return bool(count(self._con, f"SELECT count(*) FROM (SELECT 1 FROM {relation} LIMIT 1)"))

    def _empty(self, table: str) -> bool:
        self._cur.execute(f"SELECT NOT EXISTS (SELECT 1 FROM {table})")
        row = self._cur.fetchone()
        return bool(row and row[0])

    def ended(self, entity_type: EntityType, relation: str) -> int:
        """Remove golden records of ended ids and leave a redirect for each; return how many."""
        rows = self._send(
            f"ended_{entity_type}", f"SELECT old_id::VARCHAR AS old_id, new_id::VARCHAR AS new_id FROM {relation}"
        )
        if rows:
            self._execute(
                f"DELETE FROM {entity_type} WHERE master_id IN (SELECT old_id::uuid FROM ended_{entity_type})"
            )
            self._execute(
                f"INSERT INTO redirect SELECT old_id::uuid, new_id::uuid, '{entity_type}', '{self._run}' "
                f"FROM ended_{entity_type} ON CONFLICT (old_id) DO UPDATE SET new_id = excluded.new_id, run_id = excluded.run_id"
            )
            self._execute(
                f"UPDATE decision d SET master_id = e.new_id::uuid FROM ended_{entity_type} e "
                "WHERE d.master_id = e.old_id::uuid AND e.new_id IS NOT NULL"
            )
        return rows

    def crosswalk(self, gone: str, fresh: str) -> int:
        """Apply crosswalk changes: remove the rows of `gone`, insert or update those of `fresh`."""
        removed = self._send("gone_link", f"SELECT system_id, record_key, entity_type, role FROM {gone}")
        if removed:
            self._execute(
                "DELETE FROM crosswalk c USING gone_link g WHERE c.system_id = g.system_id AND c.record_key = g.record_key "
                "AND c.entity_type = g.entity_type AND c.role = g.role"
            )
        empty = self._empty("crosswalk")
        added = self._send(
            "fresh_link",
            f"SELECT system_id, record_key, entity_type, role, master_id::VARCHAR AS master_id, rule FROM {fresh}",
        )
        if added:
            conflict = (
                ""
                if empty
                else (
                    " ON CONFLICT (system_id, record_key, entity_type, role) DO UPDATE "
                    "SET master_id = excluded.master_id, rule = excluded.rule"
                )
            )
            if empty:  # building the index once is twice as fast as keeping it up row by row
                self._execute("ALTER TABLE crosswalk DROP CONSTRAINT crosswalk_pkey")
                self._execute("DROP INDEX ix_crosswalk_master_id")
            self._execute(
                "INSERT INTO crosswalk SELECT system_id, record_key, entity_type, role, master_id::uuid, rule "
                f"FROM fresh_link{conflict}"
            )
            if empty:
                self._execute("ALTER TABLE crosswalk ADD PRIMARY KEY (system_id, record_key, entity_type, role)")
                self._execute("CREATE INDEX ix_crosswalk_master_id ON crosswalk (master_id)")
        return removed + added

    def links(self, relation: str, touched: str) -> int:
        """Replace the relations of the touched entities by those of `relation` (link, left_id, right_id, ...)."""
        ids = self._send("touched_id", f"SELECT DISTINCT master_id::VARCHAR AS id FROM {touched}")
        rows = self._send(
            "fresh_relation",
            "SELECT link, left_id::VARCHAR AS left_id, right_id::VARCHAR AS right_id, relation, system_id, record_key, "
            f"valid_from FROM {relation}",
        )
        for link in LINKS:
            if ids and not self._empty(link.name):
                self._execute(
                    f"DELETE FROM {link.name} WHERE left_id IN (SELECT id::uuid FROM touched_id) "
                    f"OR right_id IN (SELECT id::uuid FROM touched_id)"
                )
            if rows:
                self._execute(
                    f"INSERT INTO {link.name} (left_id, right_id, relation, system_id, record_key, valid_from) "
                    "SELECT left_id::uuid, right_id::uuid, relation, system_id, record_key, valid_from FROM fresh_relation "
                    f"WHERE link = '{link.name}' ON CONFLICT DO NOTHING"
                )
        return rows

    def outbox(self, plan: str, touched: str) -> tuple[int, int]:
        """Insert planned changes, and close open ones of touched entities that the new plan no longer holds.

        Returns (planned, superseded). The idempotency key makes a repeated plan a no-op.
        """
        rows = self._send("fresh_plan", f"SELECT * REPLACE (master_id::VARCHAR AS master_id) FROM {plan}")
        kept = "AND idempotency_key NOT IN (SELECT idempotency_key FROM fresh_plan)" if rows else ""
        superseded = 0
        if not self._empty("outbox"):
            ids = self._send("touched_master", f"SELECT DISTINCT master_id::VARCHAR AS id FROM {touched}")
            if ids:
                superseded = self._execute(
                    f"UPDATE outbox SET state = 'dead', code = 'superseded', settled_at = now() WHERE state IN {OPEN_STATES} "
                    f"AND master_id IN (SELECT id::uuid FROM touched_master) {kept}"
                )
        planned = 0
        if rows:
            planned = self._execute(
                "INSERT INTO outbox (run_id, system_id, dataset, entity_type, role, master_id, record_key, operation, changes, "
                f"base_version, idempotency_key) SELECT '{self._run}', system_id, dataset, entity_type, role, master_id::uuid, "
                "record_key, operation, changes::jsonb, base_version, idempotency_key FROM fresh_plan "
                "ORDER BY system_id, dataset, record_key ON CONFLICT (idempotency_key) DO NOTHING"
            )
        return planned, superseded

    def run(self, verb: str, summary: Mapping[str, Any]) -> None:
        """Register the run in the same transaction, so that working copies can tell whether they are current."""
        text = json.dumps(summary, ensure_ascii=False).replace("'", "''")
        self._execute(f"INSERT INTO run (run_id, verb, summary) VALUES ('{self._run}', '{verb}', '{text}'::jsonb)")


def fetch(dsn: str, query: str) -> pa.Table:
    """Return the result of a PostgreSQL query as Arrow (for working copies and exports)."""
    with adbc.connect(dsn) as pg, pg.cursor() as cur:
        cur.execute(query)
        return cur.fetch_arrow_table()
