"""Group the records of one entity: anchors first, then attaching keys in synchronous rounds, then the unanchored rest.

Every step looks at the whole set at once and chooses by order of rule, never by order of arrival, so any batch order
and any batch size give the same groups. All of it is DuckDB SQL over hash-coded keys; only the components of the
unanchored rest are found in SciPy.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from linkage.address.located import locate
from linkage.rules import RULES, Rules
from schemas.model import EntityType

FOREIGN = "system_id VARCHAR, record_key VARCHAR, role VARCHAR, fields VARCHAR[]"

ROUNDS = 3
"""A record may attach through one that attached in the round before; three rounds reach all but a few in a million."""

HUB = 50
"""A key shared by more unanchored records than this is a hub (a default value, a shared phone) and links nothing."""


def resolve(con: duckdb.DuckDBPyConnection, entity_type: EntityType, *, records: str) -> None:
    """Create the temporary tables `grouped_<entity>` and `foreign_<entity>`.

    `grouped_<entity>` (system_id, record_key, role, label, rule) says which records are one;
    `foreign_<entity>` (system_id, record_key, role, fields) which fields of a record speak of somebody else.

    Args:
        con: a DuckDB connection that sees the relations below.
        entity_type: which entity.
        records: relation with the standardised records (`schemas.records.standardised_schema`); the places of their
            addresses (`linkage.address.places`) must be resolved before.
    """
    rules = RULES[entity_type]
    _comparable(con, rules, records)
    con.execute(f"CREATE OR REPLACE TEMP TABLE foreign_{entity_type} ({FOREIGN})")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE anchored AS SELECT rid, hash(anchor) AS group_id, 'anchor' AS rule FROM comparable "
        "WHERE anchor IS NOT NULL"
    )
    if con.execute("SELECT count(*) FROM comparable WHERE anchor IS NULL").fetchall()[0][0]:
        for _ in range(ROUNDS):
            if not _attach_round(con, rules):
                break
        _group_rest(con, rules)
    _label(con, entity_type)


def _comparable(con: duckdb.DuckDBPyConnection, rules: Rules, records: str) -> None:
    """Build the comparison table: one row per record with its anchor and its keys as hashes."""
    at = rules.place
    locate(con, records=records, address=at.address, code=at.code, depths=at.depths)
    columns = ", ".join(f"{sql} AS {name}" for name, sql in rules.columns)
    keys = ", ".join(
        f"CASE WHEN ({key.sql}) IS NOT NULL THEN hash({key.sql}) END AS k_{key.name}" for key in rules.keys
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE comparable AS WITH c AS (SELECT s.system_id, s.record_key, s.role, "
        f"{columns} FROM {records} s LEFT JOIN located l ON l.system_id = s.system_id AND l.record_key = s.record_key "
        "AND l.role = s.role) SELECT row_number() OVER (ORDER BY system_id, record_key, role) AS rid, system_id, "
        f"record_key, role, {rules.anchor} AS anchor, {keys} FROM c"
    )


def _attach_round(con: duckdb.DuckDBPyConnection, rules: Rules) -> int:
    """Attach unanchored records whose key points at exactly one group; return how many were attached."""
    # Few records wait, most hold: only the keys of those that wait are looked up among the others.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE waiting AS SELECT * FROM comparable WHERE rid NOT IN (SELECT rid FROM anchored)"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE proposal (rid BIGINT, group_id UBIGINT, priority INTEGER, rule VARCHAR)")
    for priority, key in enumerate(rules.keys):
        con.execute(
            "INSERT INTO proposal SELECT c.rid, o.group_id, ?, ? FROM waiting c "
            f"JOIN (SELECT k_{key.name} AS k, min(group_id) AS group_id FROM anchored JOIN comparable USING (rid) "
            f"WHERE k_{key.name} IN (SELECT k_{key.name} FROM waiting) GROUP BY k HAVING min(group_id) = max(group_id)) o ON o.k = c.k_{key.name}",
            [priority, key.name],
        )
    con.execute(
        "INSERT INTO anchored SELECT rid, arg_min(group_id, priority), arg_min(rule, priority) FROM proposal GROUP BY rid"
    )
    return int(con.execute("SELECT count(DISTINCT rid) FROM proposal").fetchall()[0][0])


def _group_rest(con: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Group the records that no anchor reached, by the same keys among themselves (star edges, then components)."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE rest AS SELECT * FROM comparable WHERE rid NOT IN (SELECT rid FROM anchored)"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE edge (a BIGINT, b BIGINT, priority INTEGER, rule VARCHAR)")
    for priority, key in enumerate(rules.keys):
        con.execute(
            "INSERT INTO edge SELECT s.rid, r.rid, ?, ? FROM rest r "
            f"JOIN (SELECT k_{key.name} AS k, min(rid) AS rid FROM rest WHERE k_{key.name} IS NOT NULL GROUP BY k "
            f"HAVING count(*) BETWEEN 2 AND {HUB}) o ON o.k = r.k_{key.name} JOIN rest s ON s.rid = o.rid "
            "WHERE r.rid <> s.rid",
            [priority, key.name],
        )
    edges = con.execute("SELECT a, b FROM edge").fetchnumpy()
    rids = con.execute("SELECT rid FROM rest ORDER BY rid").fetchnumpy()["rid"]
    components = _components(rids, edges["a"], edges["b"])
    con.register("_component", pa.table({"rid": rids, "component": components}))
    con.execute(
        "INSERT INTO anchored SELECT c.rid, hash('rest', min(c.component) OVER (PARTITION BY c.component)), coalesce(e.rule, 'single') "
        "FROM _component c LEFT JOIN (SELECT rid, arg_min(rule, priority) AS rule FROM (SELECT a AS rid, rule, priority FROM edge "
        "UNION ALL SELECT b, rule, priority FROM edge) GROUP BY rid) e USING (rid)"
    )
    con.unregister("_component")


def _components(
    rids: np.ndarray[tuple[int], np.dtype[np.int64]],
    a: np.ndarray[tuple[int], np.dtype[np.int64]],
    b: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each rid the smallest rid of its component."""
    if len(rids) == 0:
        return rids
    left, right = np.searchsorted(rids, a), np.searchsorted(rids, b)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(rids), len(rids)))
    count, labels = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(smallest, labels, rids)
    return np.asarray(smallest[labels], dtype=np.int64)


def _label(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Name each group by its first record, which does not depend on the order of arrival."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{entity_type} AS SELECT c.system_id, c.record_key, c.role, "
        "min(c.rid) OVER (PARTITION BY a.group_id) AS label, a.rule FROM comparable c JOIN anchored a USING (rid)"
    )
    for table in (
        "comparable",
        "anchored",
        "rest",
        "edge",
        "waiting",
        "proposal",
        "named",
        "outvoted",
        "located",
    ):
        con.execute(f"DROP TABLE IF EXISTS {table}")
