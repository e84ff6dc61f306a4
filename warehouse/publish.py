"""Publishing a consolidation to PostgreSQL: golden records, crosswalk, links and outbox in one transaction.

DuckDB works out what changed; only the changes travel, streamed with COPY, and a few set statements apply them. Either all
of it is there afterwards or nothing (transactional outbox).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.derive.sql import as_text, column_type
from schemas.entities import ENTITIES, LINKS
from schemas.model import EntityType
from warehouse import golden_history, grids, search_keys
from warehouse.duck import count, first
from warehouse.ledger import Ledger
from warehouse.seals.batches import changes_sealed, facts_sealed, keys_blinded, rows_sealed
from warehouse.tables import WAKE
from warehouse.transfer import DIALECT

__all__ = ["Published", "Publisher", "as_text"]

REPLACED = (
    "(state IN ('planned', 'awaiting_person', 'conflict') OR (state = 'no_answer' AND operation = 'create')) "
    "AND leased_by IS NULL AND operation <> 'delete' AND NOT (state = 'planned' AND operation = 'update' "
    "AND coalesce(code, '') IN ('not_there', 'sent_again'))"
)
"""Changes that a newer plan replaces. One under way is settled first, and an update of which nobody knows whether it was
written is read back first; a record that was perhaps created is found by the next reading, which then plans an update. An
update that was perhaps sent and is not there yet goes first: it may still be on its way, and the target knows it by its key
when it is sent again, but would take it for news after the newer one."""

WANTED_AGAIN = """
UPDATE fresh_plan p SET idempotency_key = concat(p.idempotency_key, ':after:', (SELECT max(x.change_id) FROM outbox x
    WHERE x.system_id = p.system_id AND x.record_key = p.record_key AND x.state = 'verified'))
FROM outbox o WHERE o.idempotency_key = p.idempotency_key AND o.state = 'verified' AND EXISTS (
    SELECT 1 FROM jsonb_array_elements(p.changes) c JOIN pushed s ON s.system_id = p.system_id AND s.record_key = p.record_key
    AND s.entity_type = p.entity_type AND s.role = p.role AND s.field = c ->> 'field'
    WHERE s.value IS DISTINCT FROM c ->> 'new')
"""
"""A value that was written, replaced by another, and is wanted once more before the system is read again: it is another
write than the first and needs a key of its own, since neither we nor the system would repeat a key that is done."""

PLAN_TYPES = {"master_id": "uuid", "changes": "jsonb"}

NODE = {
    "node_id": "uuid",
    "parent_id": "uuid",
    "level": "varchar",
    "name": "varchar",
    "full_text": "varchar",
    "master_id": "uuid",
}
POINT = {"entity_type": "varchar", "master_id": "uuid", "field": "varchar", "node_id": "uuid", "exact": "boolean"}
KEYS = {"address_node": ("node_id",), "address_point": ("entity_type", "master_id", "field")}
"""Columns of the address tree with their types, and the key of each of its tables."""


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _counted(name: str) -> str:
    return f'count("{name}")'


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication changed."""

    golden: Mapping[EntityType, int]
    ended: int
    crosswalk: int
    planned: int
    superseded: int


class Publisher(Ledger):
    """One PostgreSQL transaction; use as a context manager, commits when the block ends without error."""

    def golden(self, entity_type: EntityType, changed: str) -> int:
        """Insert or update the golden records of relation `changed` (as `golden_<entity>`); return how many."""
        entity = ENTITIES[entity_type]
        if not count(self._con, f"SELECT count(*) FROM {changed}"):
            return 0
        names = [f.name for f in entity.fields]
        filled = first(self._con, f"SELECT {', '.join(_counted(n) for n in names)} FROM {changed}") or ()
        held = [n for n, some in zip(names, filled, strict=True) if some]
        written = _quoted(["master_id", *held, "provenance", "run_id"])
        values = f"SELECT master_id, {_quoted([*held, 'provenance'])}, '{self._run}' AS run_id FROM {changed}"
        if self._empty(entity_type):
            return self._fill(entity_type, values, rows_sealed(self._seals, entity_type))
        types = "".join(f', "{n}" {column_type(entity.field(n)).compile(dialect=DIALECT)}' for n in held)
        rows = self._send(
            f"fresh_{entity_type}",
            f"master_id uuid{types}, provenance jsonb, run_id varchar",
            values,
            rows_sealed(self._seals, entity_type),
        )
        self._execute(golden_history.replaced_sql(entity_type, f"fresh_{entity_type}", held, self._at, self._run))
        # A field that no fresh record fills is emptied: it was retracted.
        update = ", ".join(f'"{n}" = {f"excluded.{chr(34)}{n}{chr(34)}" if n in held else "NULL"}' for n in names)
        self._execute(
            f"INSERT INTO {entity_type} ({written}) SELECT {written} FROM fresh_{entity_type} ON CONFLICT (master_id) DO UPDATE "
            f"SET {update}, provenance = excluded.provenance, run_id = excluded.run_id, version = {entity_type}.version + 1"
        )
        return rows

    def links(self, relation: str, touched: str) -> int:
        """Replace the relations of the touched entities by those of `relation` (link, left_id, right_id, ...)."""
        columns = "left_id, right_id, relation, system_id, record_key, valid_from"
        types = (
            "left_id uuid, right_id uuid, relation varchar, system_id varchar, record_key varchar, valid_from varchar"
        )
        self._send("touched_id", "id uuid", f"SELECT DISTINCT master_id AS id FROM {touched}")
        rows = 0
        for link in LINKS:
            values = f"SELECT {columns} FROM {relation} WHERE link = '{link.name}'"
            if self._empty(link.name):
                rows += self._fill(link.name, values)
                continue
            self._execute(
                f"DELETE FROM {link.name} WHERE left_id IN (SELECT id FROM touched_id) "
                "OR right_id IN (SELECT id FROM touched_id)"
            )
            rows += self._send(f"fresh_{link.name}", types, values)
            self._execute(
                f"INSERT INTO {link.name} ({columns}) SELECT {columns} FROM fresh_{link.name} ON CONFLICT DO NOTHING"
            )
        return rows

    def tree(self, nodes: tuple[str, str], points: tuple[str, str]) -> int:
        """Apply changes to the address tree and to who is in which grid; return how many nodes and points changed.

        `nodes` and `points` name the relations (gone, fresh).
        """
        moved = self._send("grid_moved", grids.KEY_TYPES, grids.MOVED)
        for statement in grids.BEFORE if moved else (grids.CHANGED,):
            self._execute(statement)
        changed = self._keyed("address_node", NODE, *nodes) + self._keyed("address_point", POINT, *points)
        for statement in grids.AFTER if moved else ():
            self._execute(statement)
        return changed

    def _keyed(self, table: str, types: Mapping[str, str], gone: str, fresh: str) -> int:
        """Remove rows of `gone` and put those of `fresh` in their place; the first columns of `types` are the key."""
        columns = _quoted(list(types))
        values = f"SELECT {columns} FROM {fresh}"
        if self._empty(table):
            return self._fill(table, values)
        keys = [name for name in types if name in KEYS[table]]
        same = " AND ".join(f't."{k}" = g."{k}"' for k in keys)
        like = ", ".join(f'"{k}" {types[k]}' for k in keys)
        rows = self._send(
            f"gone_{table}", like, f"SELECT {_quoted(keys)} FROM {gone} UNION ALL SELECT {_quoted(keys)} FROM {fresh}"
        )
        if rows:
            self._execute(f"DELETE FROM {table} t USING gone_{table} g WHERE {same}")
            self._copy(table, values)
        return rows

    def found_by(self) -> int:
        """Write the search keys of records that changed or moved anew, after the tree; return how many those records have.

        Reads `changed_`, `fresh_`, `golden_` and `ended_<entity>`, `point_gone` and `point_fresh`. A master that has no keys
        yet gets those of all its records.
        """
        where = [f"SELECT '{e}' AS entity_type, master_id FROM changed_{e}" for e in ENTITIES]
        where += [f"SELECT '{e}', old_id FROM ended_{e}" for e in ENTITIES]
        where += [f"SELECT entity_type, master_id FROM {point}" for point in ("point_gone", "point_fresh")]
        if self._empty("search_key"):
            where = [
                f"SELECT '{e}' AS entity_type, master_id FROM {r}_{e}" for e in ENTITIES for r in ("golden", "fresh")
            ]
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE search_touched AS {' UNION '.join(where)}")
        if not self._send("search_touched", "entity_type varchar, master_id uuid", "SELECT * FROM search_touched"):
            return 0
        self._execute(search_keys.FRESH)
        keys = 0
        for entity_type in ENTITIES:
            mine = f"SELECT master_id FROM search_touched WHERE entity_type = '{entity_type}'"
            now = (
                f"(SELECT * FROM fresh_{entity_type} WHERE master_id IN ({mine}) UNION ALL SELECT * FROM golden_{entity_type} "
                f"WHERE master_id IN ({mine}) AND master_id NOT IN (SELECT master_id FROM touched_{entity_type}))"
            )
            if sql := search_keys.keys_sql(entity_type, now):
                keys += self._copy("fresh_key", sql, keys_blinded(self._seals))
        keys += self._execute(search_keys.PLACES)
        for statement in search_keys.RENEW:
            self._execute(statement)
        return keys

    def candidates(self, touched: str) -> int:
        """Replace the losing values of the touched entities (`candidate_<entity>`); return how many there are now."""
        self._send(
            "candidate_of", "entity_type varchar, master_id uuid", f"SELECT entity_type, master_id FROM {touched}"
        )
        self._execute("DELETE FROM candidate c USING candidate_of t WHERE t.master_id = c.master_id")
        parts = (
            f"SELECT '{e}' AS entity_type, master_id, field, value, ref, systems FROM candidate_{e}" for e in ENTITIES
        )
        return self._copy("candidate", " UNION ALL ".join(parts), facts_sealed(self._seals))

    def taken(self, entries: Sequence[str]) -> int:
        """Say of entries that this run has taken them: what they bring about is in the outbox from now on."""
        if not entries:
            return 0
        statement = "UPDATE entry SET taken_by = %s WHERE entry_id = ANY(%s::uuid[]) AND taken_by IS NULL"
        return self._pg.execute(statement, (self._run, list(entries))).rowcount

    def confirm(self, confirmed: str) -> int:
        """Settle what only a reading can confirm, since the system's own reading shows the values; return how many."""
        self._run_named()
        self._send("confirmed_change", "change_id bigint", f"SELECT change_id FROM {confirmed}")
        return self._execute(
            "UPDATE outbox o SET state = 'verified', settled_at = now(), "
            "code = CASE o.state WHEN 'sent' THEN 'shown' ELSE 'typed_by_person' END "
            "FROM confirmed_change c WHERE c.change_id = o.change_id AND o.state IN ('awaiting_person', 'sent')"
        )

    def outbox(self, plan: str, touched: str) -> tuple[int, int]:
        """Insert planned changes, and close open ones of touched entities that the new plan no longer holds.

        Returns (planned, superseded). The idempotency key makes a repeated plan a no-op, with three exceptions: a change
        that was superseded and is wanted again is planned again; a record still to be created gets the newest values;
        one whose creation was rejected is tried again when its values have changed.
        """
        columns = "system_id, dataset, entity_type, role, master_id, record_key, operation, changes, base_version, idempotency_key"
        types = ", ".join(f"{c} {PLAN_TYPES.get(c, 'varchar')}" for c in columns.split(", "))
        self._run_named()
        self._send("fresh_plan", types, f"SELECT {columns} FROM {plan}", changes_sealed(self._seals))
        superseded = 0
        if not self._empty("outbox"):
            self._execute(WANTED_AGAIN)
            self._send("touched_master", "id uuid", f"SELECT DISTINCT master_id AS id FROM {touched}")
            superseded = self._execute(
                f"UPDATE outbox o SET state = 'dead', code = 'superseded', settled_at = now() WHERE {REPLACED} "
                "AND master_id IN (SELECT id FROM touched_master) "
                "AND NOT EXISTS (SELECT 1 FROM fresh_plan p WHERE p.idempotency_key = o.idempotency_key)"
            )
        planned = self._execute(
            f"INSERT INTO outbox (run_id, {columns}) SELECT '{self._run}', {columns} FROM fresh_plan "
            "ORDER BY system_id, dataset, record_key ON CONFLICT (idempotency_key) DO UPDATE SET state = 'planned', "
            "code = NULL, message = NULL, detail = NULL, settled_at = NULL, run_id = excluded.run_id, changes = excluded.changes, "
            "attempts = 0, next_try_at = NULL "
            "WHERE (outbox.state = 'dead' AND outbox.code = 'superseded') OR (outbox.changes <> excluded.changes "
            "AND outbox.state IN ('planned', 'awaiting_person', 'rejected'))"
        )
        if planned:
            self._execute(f"SELECT pg_notify('{WAKE}', '')")  # told when the transaction commits
        return planned, superseded

    def _run_named(self) -> None:
        """Let the steps that the outbox's triggers write down carry this run."""
        self._pg.execute("SELECT set_config('onefact.run', %s, true)", (self._run,))

    def run(self, verb: str, summary: Mapping[str, Any]) -> None:
        """Register the run in the same transaction, so that working copies can tell whether they are current."""
        values = (self._run, verb, json.dumps(summary, ensure_ascii=False))
        self._pg.execute("INSERT INTO run (run_id, verb, summary) VALUES (%s, %s, %s::jsonb)", values)
