"""Group the records that have no place (无定位记录归组): attaching keys in synchronous rounds, then the rest among themselves.

Every step looks at the whole set at once and chooses by order of key, never by order of arrival, so any batch order and
any batch size give the same groups.
"""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from linkage.clustering import components
from linkage.homes.rules import Rules

ROUNDS: Final = 3
"""A record may attach through one that attached in the round before; three rounds reach all but a few in a million."""

HUB: Final = 50
"""A key that more records share which nothing reaches is a hub (a default value) and links nothing among them."""


def bear(rules: Rules, rows: str, columns: str, where: str) -> str:
    """Return SQL of the key values of rows: (`columns`, priority, value), one row for each."""
    return " UNION ALL ".join(
        f"SELECT {columns}, {priority}::TINYINT AS priority, {key.column} AS value FROM {rows} "
        f"WHERE {key.column} IS NOT NULL AND {where.format(column=key.column, priority=priority)}"
        for priority, key in enumerate(rules.keys)
    )


def attach(con: duckdb.DuckDBPyConnection, rules: Rules, *, rows: str, bearers: str, into: str) -> None:
    """Make the table `into` (rid, group_id, rule): the group of each row.

    A group is named by its place, where it has one, else by its smallest record.

    Args:
        con: where the tables are.
        rules: of the entity.
        rows: relation (rid, `k_<key>`) of records without a place, with all others that share a key value with one of
            them and have none, and so on.
        bearers: table (priority, value, group_id) of the places whose records bear the key values of the rows; what
            attaches is added to it.
        into: name of the table.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} (rid UBIGINT, group_id UBIGINT, rule VARCHAR)")
    con.execute(f"CREATE OR REPLACE TEMP TABLE waiting AS {bear(rules, rows, 'rid', 'true')}")
    for _ in range(ROUNDS):
        if not _round(con, bearers):
            break
        con.execute(f"INSERT INTO {into} SELECT rid, group_id, {_name(rules)} FROM proposal")
    _rest(con, rules, rows, into)
    for table in ("waiting", "proposal", "shared", "rest"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _name(rules: Rules) -> str:
    """SQL of the name of the key with the column `priority`."""
    return "CASE priority " + " ".join(f"WHEN {i} THEN '{key.name}'" for i, key in enumerate(rules.keys)) + " END"


def _round(con: duckdb.DuckDBPyConnection, bearers: str) -> int:
    """Attach waiting records whose key points at exactly one group; return how many."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE proposal AS SELECT w.rid, arg_min(o.group_id, priority) AS group_id, min(priority) AS priority "
        f"FROM waiting w JOIN (SELECT priority, value, min(group_id) AS group_id FROM {bearers} GROUP BY priority, value "
        "HAVING min(group_id) = max(group_id)) o USING (priority, value) GROUP BY w.rid"
    )
    con.execute(
        f"INSERT INTO {bearers} SELECT w.priority, w.value, p.group_id FROM waiting w JOIN proposal p USING (rid)"
    )
    con.execute("DELETE FROM waiting WHERE rid IN (SELECT rid FROM proposal)")
    return int(con.execute("SELECT count(*) FROM proposal").fetchall()[0][0])


def _rest(con: duckdb.DuckDBPyConnection, rules: Rules, rows: str, into: str) -> None:
    """Group what nothing reached by the same keys: records that share a value of few are connected."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE shared AS SELECT rid, priority, min(rid) OVER same AS first FROM waiting "
        f"WINDOW same AS (PARTITION BY priority, value) QUALIFY count(*) OVER same BETWEEN 2 AND {HUB}"
    )
    edges = con.execute("SELECT rid, first FROM shared WHERE rid <> first").fetchnumpy()
    rids = np.unique(np.concatenate([edges["rid"], edges["first"]]))
    left, right = (np.searchsorted(rids, edges[end]) for end in ("rid", "first"))
    con.register("_rest", pa.table({"rid": rids, "group_id": rids[components(len(rids), left, right)]}))
    con.execute("CREATE OR REPLACE TEMP TABLE rest AS SELECT * FROM _rest")
    con.unregister("_rest")
    con.execute(
        f"INSERT INTO {into} SELECT r.rid, coalesce(g.group_id, r.rid), coalesce({_name(rules)}, 'single') "
        f"FROM {rows} r LEFT JOIN rest g USING (rid) "
        "LEFT JOIN (SELECT rid, min(priority) AS priority FROM shared GROUP BY rid) s USING (rid) "
        f"WHERE r.rid NOT IN (SELECT rid FROM {into})"
    )
