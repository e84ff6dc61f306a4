"""Withdrawn registrations (撤销的新登记): what was created by mistake ends, and what other systems made of it is deleted.

When somebody undoes the entry by which a person or firm came into being, records that we created in other systems from it
still stand there. They hold nothing but our own copy, so they found no golden record by themselves: the id ends, and each of
these records is to be deleted, by the system where it takes deletions, else by a person. A record that somebody has changed
there since speaks for itself again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import duckdb
import sqlalchemy as sa

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import count, standardised_table
from warehouse.entries import SYSTEM
from warehouse.reading import MasterReader
from warehouse.tables import WAKE
from warehouse.tables.steps import UNANSWERED

FOUNDED: Final = (
    "SELECT DISTINCT e.entity_type, e.master_id FROM act a JOIN entry e ON e.act_id = a.act_id "
    "WHERE a.undoes IS NOT NULL AND e.record_key = e.master_id::text"
)
"""Entities whose beginning was undone; an undo writes anew each field that the beginning had."""

_RECORDS: Final = (
    f"WITH founded AS ({FOUNDED}) SELECT '{SYSTEM}' AS system_id, coalesce(e.record_key, e.master_id::text || '/' || e.field) AS record_key, "
    "e.entity_type, e.entity_type AS role FROM entry e JOIN founded USING (entity_type, master_id) "
    "UNION SELECT d.system_id, d.record_key, d.entity_type, d.role FROM decision d JOIN founded USING (entity_type, master_id) "
    "WHERE d.reason = 'created'"
)
_PUSHED: Final = (
    f"WITH founded AS ({FOUNDED}) SELECT p.system_id, p.record_key, p.entity_type, p.role, p.field, p.value FROM pushed p "
    "JOIN decision d USING (system_id, record_key, entity_type, role) JOIN founded f ON f.entity_type = d.entity_type "
    "AND f.master_id = d.master_id WHERE d.reason = 'created'"
)

_CREATED: Final = (
    f"WITH founded AS ({FOUNDED}) SELECT o.change_id::text AS change_id, o.system_id, o.entity_type, o.role, c ->> 'field' AS field, "
    "c ->> 'new' AS value FROM outbox o JOIN founded f ON f.entity_type = o.entity_type AND f.master_id = o.master_id, "
    "jsonb_array_elements(o.changes) c WHERE o.operation = 'create' AND o.state IN ('sent', 'verified') AND o.record_key IS NULL "
    "AND c ->> 'new' IS NOT NULL"
)
"""What was created where no answer named the record (files without receipts): it is known by what it holds."""

COLUMNS: Final = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR"


def load(con: duckdb.DuckDBPyConnection, master: MasterReader) -> None:
    """Create `withdrawn_now` (system_id, record_key, entity_type, role), `withdrawn_pushed` (with field, value), `withdrawn_created`."""
    for table, query in (
        ("withdrawn_now", _RECORDS),
        ("withdrawn_pushed", _PUSHED),
        ("withdrawn_created", _CREATED),
    ):
        con.register("_withdrawn", master.fetch(query))
        con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM _withdrawn")
        con.unregister("_withdrawn")


def drop(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Take entities that only withdrawn records speak for out of `linked_<entity>`; their ids are in `ended_<entity>`."""
    con.execute(f"CREATE TEMP TABLE IF NOT EXISTS withdrawn_now ({COLUMNS})")
    con.execute(f"CREATE TEMP TABLE IF NOT EXISTS withdrawn_pushed ({COLUMNS}, field VARCHAR, value VARCHAR)")
    con.execute(
        "CREATE TEMP TABLE IF NOT EXISTS withdrawn_created "
        "(change_id VARCHAR, system_id VARCHAR, entity_type VARCHAR, role VARCHAR, field VARCHAR, value VARCHAR)"
    )
    _keep_changed(con, entity_type)
    _find_unnamed(con, entity_type)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE withdrawn_master AS SELECT l.master_id "
        f"FROM linked_{entity_type} l LEFT JOIN withdrawn_now w ON w.entity_type = '{entity_type}' AND w.system_id = l.system_id "
        "AND w.record_key = l.record_key AND w.role = l.role GROUP BY l.master_id HAVING count(*) = count(w.record_key)"
    )
    gone = "SELECT master_id FROM withdrawn_master"
    con.execute(
        f"INSERT INTO ended_{entity_type} SELECT DISTINCT master_id, NULL::UUID FROM known_{entity_type} "
        f"WHERE master_id IN ({gone}) AND master_id NOT IN (SELECT old_id FROM ended_{entity_type})"
    )
    con.execute(f"DELETE FROM linked_{entity_type} WHERE master_id IN ({gone})")
    con.execute(f"DELETE FROM restored_{entity_type} WHERE old_id IN ({gone})")
    con.execute(f"DELETE FROM review_now WHERE left_master IN ({gone}) OR right_master IN ({gone})")


def _find_unnamed(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """A record that holds all of what was created, and nothing else of it, is ours though no answer named it."""
    if not count(con, f"SELECT count(*) FROM withdrawn_created WHERE entity_type = '{entity_type}'"):
        return
    cases = " ".join(f"WHEN '{f.name}' THEN s.\"{f.name}\"" for f in ENTITIES[entity_type].fields)
    con.execute(
        "INSERT INTO withdrawn_now SELECT DISTINCT system_id, record_key, entity_type, role FROM ("
        f"SELECT c.change_id, s.system_id, s.record_key, c.entity_type, s.role, c.value, CASE c.field {cases} END AS held "
        f"FROM withdrawn_created c JOIN {standardised_table(entity_type)} s USING (system_id, role) "
        f"WHERE c.entity_type = '{entity_type}' AND s.rid IN (SELECT rid FROM linked_{entity_type})) x "
        "LEFT JOIN address_text l ON l.text = x.value LEFT JOIN address_text r ON r.text = x.held "
        "GROUP BY change_id, system_id, record_key, entity_type, role "
        "HAVING count(held) >= 2 AND coalesce(bool_and(value = held OR l.normal_key = r.normal_key) FILTER (WHERE held IS NOT NULL), false)"
    )


def _keep_changed(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """A record that holds another value than we wrote was touched there: somebody vouches for it."""
    cases = " ".join(f"WHEN '{f.name}' THEN s.\"{f.name}\"" for f in ENTITIES[entity_type].fields)
    con.execute(
        "DELETE FROM withdrawn_now AS w USING (SELECT p.system_id, p.record_key, p.role "
        f"FROM withdrawn_pushed p JOIN {standardised_table(entity_type)} s USING (system_id, record_key, role) "
        f"LEFT JOIN address_text l ON l.text = p.value LEFT JOIN address_text r ON r.text = CASE p.field {cases} END "
        f"WHERE p.entity_type = '{entity_type}' AND p.value <> CASE p.field {cases} END "
        "AND NOT coalesce(l.normal_key = r.normal_key, false)) c "
        f"WHERE w.entity_type = '{entity_type}' AND w.system_id = c.system_id AND w.record_key = c.record_key AND w.role = c.role"
    )


_CALLED_OFF: Final = """
UPDATE outbox SET state = 'dead', code = 'superseded', settled_at = now() WHERE operation = 'delete' AND state IN ('planned', 'awaiting_person')
AND EXISTS (SELECT 1 FROM crosswalk x WHERE x.entity_type = outbox.entity_type AND x.master_id = outbox.master_id)
"""

_DELETE: Final = f"""
WITH founded AS ({FOUNDED})
INSERT INTO outbox (run_id, system_id, dataset, entity_type, role, master_id, record_key, operation, changes, idempotency_key, state, code)
SELECT :run, o.system_id, o.dataset, o.entity_type, o.role, o.master_id,
  coalesce(o.record_key, (SELECT min(d.record_key) FROM decision d WHERE d.reason = 'created' AND d.system_id = o.system_id
    AND d.entity_type = o.entity_type AND d.role = o.role AND d.master_id = o.master_id)), 'delete',
  (SELECT jsonb_agg(jsonb_build_object('field', c -> 'field', 'old', c -> 'new', 'new', NULL)) FROM jsonb_array_elements(o.changes) c),
  'delete:' || o.change_id, CASE WHEN o.system_id = ANY(:deletes) THEN 'planned' ELSE 'awaiting_person' END, 'withdrawn'
FROM outbox o JOIN founded f ON f.entity_type = o.entity_type AND f.master_id = o.master_id
WHERE o.operation = 'create' AND (o.state = 'verified' OR (o.state = 'sent' AND o.code = ANY(:unanswered)))
AND NOT EXISTS (SELECT 1 FROM crosswalk x WHERE x.entity_type = o.entity_type AND x.master_id = o.master_id)
ORDER BY o.change_id ON CONFLICT (idempotency_key) DO NOTHING
"""


def plan_deletions(engine: sa.Engine, run_id: str, deletes: Collection[str]) -> int:
    """Plan the deletion of records that were created from an entry which was undone since; return how many.

    Args:
        engine: the master.
        run_id: this run.
        deletes: systems that take deletions; at every other one a person has to delete (`awaiting_person`).
    """
    values = {"run": run_id, "deletes": sorted(deletes), "unanswered": list(UNANSWERED)}
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.set_config("onefact.run", run_id, True)))
        connection.execute(sa.text(_CALLED_OFF))
        done = connection.execute(sa.text(_DELETE), values).rowcount
        if done:
            connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
    return int(done)
