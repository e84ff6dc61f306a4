"""Comparing what systems hold now with the master (核对), field by field, in one SQL statement per dataset role.

The fresh reading stands in temporary tables beside the standardised records; neither landing, nor cursors, nor the
standardised records are touched. What explains a difference (a change under way, one that was rejected) comes from the
outbox. See `warehouse.planning` for when two values count as equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import standardised_schema
from warehouse.duck import standardised_table
from warehouse.planning import Target
from warehouse.tables.steps import OPEN

FOUND = (
    "system_id VARCHAR, dataset VARCHAR, entity_type VARCHAR, role VARCHAR, record_key VARCHAR, field VARCHAR, kind VARCHAR, "
    "code VARCHAR, master_id UUID, change_id BIGINT"
)
"""Columns of `found`."""

EXPLAINING = (
    "SELECT DISTINCT ON (system_id, record_key, role, field) system_id, record_key, role, c ->> 'field' AS field, "
    "c ->> 'old' AS old, c ->> 'new' AS new, state, coalesce(code, '') AS code, change_id "
    "FROM outbox, jsonb_array_elements(changes) AS c WHERE record_key IS NOT NULL AND coalesce(code, '') <> 'superseded' "
    "AND NOT coalesce(jsonb_exists(withheld, c ->> 'field'), false) "
    f"ORDER BY system_id, record_key, role, field, state IN ({', '.join(repr(s) for s in OPEN)}) DESC, change_id DESC"
)
"""PostgreSQL: the change that speaks for a field of a record: an open one before settled ones, the newest of each."""

CREATED = "SELECT system_id, record_key, role FROM decision WHERE reason = 'created'"
"""PostgreSQL: records that we created."""


def begin(con: duckdb.DuckDBPyConnection, explaining: pa.Table, created: pa.Table) -> None:
    """Create the temporary tables of a reconciliation: `found`, `explaining`, `created`."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE found ({FOUND})")
    for name, rows in (("explaining", explaining), ("created", created)):
        con.register("_rows", rows)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _rows")
        con.unregister("_rows")


class Reading:
    """The fresh reading of one system, page by page, newest version of each record last."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con, self._page = con, 0
        for entity_type in ENTITIES:
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE read_{entity_type} AS SELECT *, 0 AS page FROM {standardised_table(entity_type)} LIMIT 0"
            )
        con.execute("CREATE OR REPLACE TEMP TABLE read_reject (record_key VARCHAR)")

    def add(self, tables: Mapping[EntityType, pa.Table], rejects: pa.Table) -> None:
        """Add the decoded records of a page, and the keys of rows that could not be taken: they are there, only unread."""
        self._page += 1
        for entity_type, table in tables.items():
            if table.num_rows:
                names = ", ".join(f'"{n}"' for n in table.column_names)
                self._con.register("_page", table)
                self._con.execute(
                    f"INSERT INTO read_{entity_type} BY NAME SELECT {names}, {self._page} AS page FROM _page"
                )
                self._con.unregister("_page")
        self._con.register("_page", rejects)
        self._con.execute("INSERT INTO read_reject SELECT record_key FROM _page WHERE record_key IS NOT NULL")
        self._con.unregister("_page")

    def settle(self) -> None:
        """Create `now_<entity>`, the newest version of each record that is there, and `now_twice`, keys in one page twice."""
        con = self._con
        twice = []
        for entity_type in ENTITIES:
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE now_{entity_type} AS SELECT * FROM read_{entity_type} "
                "QUALIFY row_number() OVER (PARTITION BY record_key, role ORDER BY page DESC, observed_at DESC NULLS LAST) = 1"
            )
            con.execute(f"DELETE FROM now_{entity_type} WHERE coalesce(deleted, false)")
            compared = [n for n in standardised_schema(entity_type).names if n not in {"place", "observed_at"}]
            content = ", ".join(f'"{n}"' for n in compared)
            twice.append(
                f"SELECT record_key, role, page FROM (SELECT DISTINCT page, {content} FROM read_{entity_type}) "
                "GROUP BY record_key, role, page HAVING count(*) > 1"
            )
        con.execute(f"CREATE OR REPLACE TEMP TABLE now_twice AS {' UNION ALL '.join(twice)}")

    def absent(self, target: Target) -> list[str]:
        """Return the keys of our records of a role that the reading does not show."""
        rows = self._con.execute(f"SELECT DISTINCT x.record_key {_gone(target)}").fetchall()
        return sorted(row[0] for row in rows)


def _gone(target: Target) -> str:
    return (
        f"FROM crosswalk x JOIN {standardised_table(target.entity_type)} s ON s.system_id = x.system_id "
        "AND s.record_key = x.record_key AND s.role = x.role "
        f"WHERE x.system_id = '{target.system_id}' AND x.entity_type = '{target.entity_type}' AND x.role = '{target.role}' "
        f"AND s.dataset = '{target.dataset}' "
        f"AND NOT EXISTS (SELECT 1 FROM now_{target.entity_type} n WHERE n.record_key = x.record_key AND n.role = x.role) "
        "AND x.record_key NOT IN (SELECT record_key FROM read_reject)"
    )


def compare(con: duckdb.DuckDBPyConnection, target: Target, writable: frozenset[str]) -> None:
    """Add to `found` what differs between the master and the reading of one dataset role."""
    _load_folds(con, target)
    front = f"'{target.system_id}', '{target.dataset}', '{target.entity_type}', '{target.role}'"
    con.execute(
        f"INSERT INTO found SELECT DISTINCT {front}, x.record_key, '', 'ghost', 'gone', x.master_id, NULL {_gone(target)}"
    )
    con.execute(
        f"INSERT INTO found SELECT DISTINCT {front}, x.record_key, '', 'ghost', 'twice', x.master_id, NULL FROM crosswalk x "
        f"JOIN now_twice t ON t.record_key = x.record_key AND t.role = x.role WHERE x.system_id = '{target.system_id}' "
        f"AND x.entity_type = '{target.entity_type}' AND x.role = '{target.role}'"
    )
    con.execute(
        f"INSERT INTO found SELECT {front}, x.record_key, '', 'ghost', 'doubled', x.master_id, NULL FROM crosswalk x "
        "JOIN created c ON c.system_id = x.system_id AND c.record_key = x.record_key AND c.role = x.role "
        f"WHERE x.system_id = '{target.system_id}' AND x.entity_type = '{target.entity_type}' AND x.role = '{target.role}' "
        "AND EXISTS (SELECT 1 FROM crosswalk o WHERE o.master_id = x.master_id AND o.entity_type = x.entity_type "
        "AND o.system_id = x.system_id AND o.role = x.role AND o.record_key <> x.record_key)"
    )
    for name in target.fields:
        con.execute(_field(target, name, front, written=name in writable))


def _load_folds(con: duckdb.DuckDBPyConnection, target: Target) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE fold (field VARCHAR, golden VARCHAR, held VARCHAR)")
    rows = [(name, golden, held) for name, table in target.folds.items() for golden, held in table.items()]
    if rows:
        con.executemany("INSERT INTO fold VALUES (?, ?, ?)", rows)


def _field(target: Target, name: str, front: str, *, written: bool) -> str:
    """Return the SQL that adds the differences of one field."""
    entity = target.entity_type
    field = ENTITIES[entity].field(name)
    expected, join = f'g."{name}"', ""
    if name in target.folds:
        expected = "f.held"
        join = f"LEFT JOIN fold f ON f.field = '{name}' AND f.golden = g.\"{name}\" "
    differs = f'{expected} IS NOT NULL AND n."{name}" IS DISTINCT FROM {expected}'
    if field.identifies:  # a number that is there is never written over: whose record it is, is linkage's question
        differs += f' AND n."{name}" IS NULL'
    if field.kind == "address":
        join += f'LEFT JOIN address_text an ON an.text = n."{name}" LEFT JOIN address_text ag ON ag.text = g."{name}" '
        differs += " AND NOT coalesce(an.normal_key = ag.normal_key, false)"
    open_ = ", ".join(f"'{s}'" for s in OPEN)
    ours = f"e.new = {expected}"
    kinds = (
        f"CASE WHEN e.state IN ({open_}) THEN 'pending' "
        f"WHEN e.state = 'verified' AND {ours} AND n.\"{name}\" IS NOT DISTINCT FROM e.old THEN 'silent_loss' "
        f"WHEN n.\"{name}\" IS DISTINCT FROM s.\"{name}\" THEN 'news' ELSE 'stale' END"
    )
    unexplained = "unexplained" if written else "no_write_path"
    codes = (
        "CASE kind WHEN 'pending' THEN state WHEN 'silent_loss' THEN code WHEN 'news' THEN 'not_pulled' "
        f"ELSE CASE WHEN state IN ('rejected', 'conflict', 'dead') THEN state ELSE '{unexplained}' END END"
    )
    return (
        f"INSERT INTO found WITH d AS (SELECT x.record_key, x.master_id, {kinds} AS kind, e.state, e.change_id, "
        f"'back_to_old' AS code FROM now_{entity} n "
        f"JOIN crosswalk x ON x.entity_type = '{entity}' AND x.system_id = '{target.system_id}' "
        "AND x.record_key = n.record_key AND x.role = n.role "
        f"JOIN golden_{entity} g ON g.master_id = x.master_id "
        f"LEFT JOIN {standardised_table(entity)} s ON s.system_id = '{target.system_id}' AND s.record_key = n.record_key AND s.role = n.role "
        f"LEFT JOIN explaining e ON e.system_id = '{target.system_id}' AND e.record_key = n.record_key AND e.role = n.role "
        f"AND e.field = '{name}' {join}"
        f"WHERE n.dataset = '{target.dataset}' AND n.role = '{target.role}' AND {differs}) "
        f"SELECT {front}, record_key, '{name}', kind, {codes}, master_id, change_id FROM d"
    )


def written_values(con: duckdb.DuckDBPyConnection, target: Target, names: Sequence[str]) -> pa.Table:
    """Return (record_key, field, value) of fields that hold, in canonical form, what we last wrote there.

    Reads `pushed_now`; the caller compares the raw texts (`near miss`, 回写后改写).
    """
    parts = [
        f"SELECT p.record_key, p.field, p.value, x.master_id::VARCHAR AS master_id FROM pushed_now p "
        f"JOIN now_{target.entity_type} n ON n.record_key = p.record_key AND n.role = p.role "
        f"JOIN crosswalk x ON x.system_id = p.system_id AND x.record_key = p.record_key AND x.role = p.role "
        f"AND x.entity_type = p.entity_type "
        f"WHERE p.system_id = '{target.system_id}' AND p.entity_type = '{target.entity_type}' AND p.role = '{target.role}' "
        f"AND n.dataset = '{target.dataset}' AND p.field = '{name}' AND n.\"{name}\" = p.value"
        for name in names
    ]
    empty = "SELECT ''::VARCHAR AS record_key, '' AS field, '' AS value, '' AS master_id WHERE false"
    return con.sql(" UNION ALL ".join([empty, *parts])).to_arrow_table()


def add_near(con: duckdb.DuckDBPyConnection, target: Target, near: pa.Table) -> None:
    """Add near misses (record_key, field, master_id) of a role to `found`."""
    if near.num_rows:
        con.register("_near", near)
        con.execute(
            f"INSERT INTO found SELECT '{target.system_id}', '{target.dataset}', '{target.entity_type}', '{target.role}', "
            "record_key, field, 'near_miss', 'rewritten', master_id::UUID, NULL FROM _near"
        )
        con.unregister("_near")
