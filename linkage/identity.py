"""Persistent ids (稳定标识): groups come and go, a master id stays with the group that holds most of its records.

Ids are UUIDv7, minted once and never reused. A merge leaves a redirect from the id that ended to its heir; a split gives
the id to the larger part (DESIGN.md, rule 4).
"""

from __future__ import annotations

import duckdb

from schemas.model import EntityType


def assign(con: duckdb.DuckDBPyConnection, entity_type: EntityType, *, known: str, decisions: str) -> None:
    """Give every group its id: create temporary `linked_<entity>` and `ended_<entity>`.

    `linked_<entity>` (system_id, record_key, role, master_id, rule) is the new crosswalk of the entity;
    `ended_<entity>` (old_id, new_id) are ids that no longer stand, with their heir (NULL = no records left).

    Args:
        con: needs `grouped_<entity>` from `linkage.resolve`.
        entity_type: which entity.
        known: relation with the crosswalk as it stands (system_id, record_key, entity_type, role, master_id).
        decisions: relation of the same shape with links that are known, not computed (a portal entry, a record that
            we created); they outrank the rules.
    """
    con.execute(
        # A decided record follows its id and so must not outvote the records that the id stands for.
        "CREATE OR REPLACE TEMP TABLE vote AS SELECT g.label, k.master_id, "
        "sum(CASE WHEN d.master_id IS NULL THEN 1000 ELSE 1 END)::BIGINT AS n "
        f"FROM grouped_{entity_type} g JOIN {known} k USING (system_id, record_key, role) "
        f"LEFT JOIN {decisions} d ON d.system_id = g.system_id AND d.record_key = g.record_key AND d.role = g.role "
        f"AND d.entity_type = '{entity_type}' WHERE k.entity_type = '{entity_type}' GROUP BY g.label, k.master_id"
    )
    _follow_decisions(con, entity_type, decisions)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE won AS SELECT master_id, arg_max(label, (n, -label)) AS label, max(n) AS n "
        "FROM vote GROUP BY master_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE kept AS SELECT label, arg_min(master_id, (-n, master_id)) AS master_id FROM won GROUP BY label"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE named_group AS SELECT g.label, coalesce(k.master_id, uuidv7()) AS master_id "
        f"FROM (SELECT DISTINCT label FROM grouped_{entity_type}) g LEFT JOIN kept k USING (label)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE linked_{entity_type} AS SELECT g.system_id, g.record_key, g.role, n.master_id, g.rule "
        f"FROM grouped_{entity_type} g JOIN named_group n USING (label)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE ended_{entity_type} AS SELECT o.master_id AS old_id, n.master_id AS new_id "
        f"FROM (SELECT DISTINCT master_id FROM {known} WHERE entity_type = '{entity_type}') o "
        "LEFT JOIN won w ON w.master_id = o.master_id LEFT JOIN named_group n ON n.label = w.label "
        "WHERE n.master_id IS NULL OR n.master_id <> o.master_id"
    )
    for table in ("vote", "won", "kept", "named_group", f"grouped_{entity_type}"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _follow_decisions(con: duckdb.DuckDBPyConnection, entity_type: EntityType, decisions: str) -> None:
    """Move decided records into the group that holds most of the decided id's other records."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE decided AS SELECT system_id, record_key, role, master_id "
        f"FROM {decisions} WHERE entity_type = '{entity_type}'"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE home AS SELECT d.master_id, arg_max(v.label, (v.n, -v.label)) AS label "
        "FROM (SELECT DISTINCT master_id FROM decided) d JOIN vote v USING (master_id) GROUP BY d.master_id"
    )
    con.execute(
        f"UPDATE grouped_{entity_type} AS g SET label = h.label, rule = 'decided' FROM decided d JOIN home h USING (master_id) "
        "WHERE d.system_id = g.system_id AND d.record_key = g.record_key AND d.role = g.role"
    )
    con.execute("DROP TABLE decided")
    con.execute("DROP TABLE home")
