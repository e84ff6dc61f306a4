"""Persistent ids (稳定标识): groups come and go, a master id stays with the group that holds most of its records.

Ids are UUIDv7, minted once and never given to anybody else. A merge leaves a redirect from the id that ended to its heir;
a split gives the id to the larger part, and gives the other part back the id under which its records were known before
the merge (DESIGN.md, rule 4).
"""

from __future__ import annotations

import duckdb

from schemas.model import EntityType


def assign(con: duckdb.DuckDBPyConnection, entity_type: EntityType, *, known: str, decisions: str, former: str) -> None:
    """Give every affected group its id: create temporary `linked_<entity>`, `ended_<entity>` and `restored_<entity>`.

    `linked_<entity>` (rid, system_id, record_key, role, master_id, rule) is the new crosswalk of the affected records;
    `ended_<entity>` (old_id, new_id) are ids that no longer stand, with their heir (NULL = no records left);
    `restored_<entity>` (old_id) are redirected ids that stand again.

    Args:
        con: needs `grouped_<entity>` (rid, system_id, record_key, role, label, rule): whole groups, all records of every
            id that may change.
        entity_type: which entity.
        known: relation (rid, master_id) with the crosswalk of the affected records as it stands, gone ones included.
        decisions: relation (rid, master_id) of links that are known, not computed (a portal entry, a record that we
            created); they outrank the rules.
        former: relation (rid, master_id): under which redirected id a record was known before.
    """
    con.execute(
        # A decided record follows its id and so must not outvote the records that the id stands for.
        "CREATE OR REPLACE TEMP TABLE vote AS SELECT g.label, k.master_id, "
        "sum(CASE WHEN d.master_id IS NULL THEN 1000 ELSE 1 END)::BIGINT AS n, "
        # When a merge is undone the id goes with the records that were its own before; the others have a former id.
        f"count(*) FILTER (WHERE d.master_id IS NULL AND g.rid NOT IN (SELECT rid FROM {former})) AS own "
        f"FROM grouped_{entity_type} g JOIN {known} k USING (rid) LEFT JOIN {decisions} d USING (rid) GROUP BY g.label, k.master_id"
    )
    _found(con, entity_type, known, decisions)
    _follow_decisions(con, entity_type, decisions, former)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE won AS SELECT master_id, arg_max(label, (own, n, -label::HUGEINT)) AS label, "
        "arg_max(n, (own, n, -label::HUGEINT)) AS n FROM vote GROUP BY master_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE kept AS SELECT label, arg_min(master_id, (-n, master_id)) AS master_id FROM won GROUP BY label"
    )
    _restore(con, entity_type, known, former)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE named_group AS SELECT g.label, coalesce(k.master_id, b.master_id, uuidv7()) AS master_id "
        f"FROM (SELECT DISTINCT label FROM grouped_{entity_type}) g LEFT JOIN kept k USING (label) LEFT JOIN back b USING (label)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE linked_{entity_type} AS SELECT g.rid, g.system_id, g.record_key, g.role, n.master_id, g.rule "
        f"FROM grouped_{entity_type} g JOIN named_group n USING (label)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE ended_{entity_type} AS SELECT o.master_id AS old_id, n.master_id AS new_id "
        f"FROM (SELECT master_id FROM {known} UNION SELECT master_id FROM vote) o "
        "LEFT JOIN won w ON w.master_id = o.master_id LEFT JOIN named_group n ON n.label = w.label "
        "WHERE n.master_id IS NULL OR n.master_id <> o.master_id"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE restored_{entity_type} AS SELECT master_id AS old_id FROM back")
    for table in ("vote", "won", "kept", "back", "named_group"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _found(con: duckdb.DuckDBPyConnection, entity_type: EntityType, known: str, decisions: str) -> None:
    """Let a new id stand for the record that a person founded it with: the record that is named like the id.

    Where linking puts that record to somebody who is known, the known id stays and the new one is redirected to it.
    """
    con.execute(
        f"INSERT INTO vote SELECT g.label, d.master_id, 1, 0 FROM grouped_{entity_type} g JOIN {decisions} d USING (rid) "
        f"WHERE g.record_key = d.master_id::VARCHAR AND d.master_id NOT IN (SELECT master_id FROM {known})"
    )


def _restore(con: duckdb.DuckDBPyConnection, entity_type: EntityType, known: str, former: str) -> None:
    """Create `back` (label, master_id): groups without an id whose records were known under one before a merge."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE back AS WITH past AS (SELECT g.label, f.master_id, count(*) AS n "
        f"FROM grouped_{entity_type} g JOIN {former} f USING (rid) WHERE g.label NOT IN (SELECT label FROM kept) "
        f"AND f.master_id NOT IN (SELECT master_id FROM {known}) GROUP BY g.label, f.master_id), "
        "best AS (SELECT master_id, arg_max(label, (n, -label::HUGEINT)) AS label, max(n) AS n FROM past GROUP BY master_id) "
        "SELECT label, arg_min(master_id, (-n, master_id)) AS master_id FROM best GROUP BY label"
    )


def _follow_decisions(con: duckdb.DuckDBPyConnection, entity_type: EntityType, decisions: str, former: str) -> None:
    """Move decided records into the group that holds most of the decided id's other records.

    A record that was decided for an id that was merged since goes where most records of that id are, which is the heir's
    group until a split parts them again. Of several such ids the one it was decided for stood for the fewest records.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE home AS SELECT d.master_id, arg_max(v.label, (v.own, v.n, -v.label::HUGEINT)) AS label "
        f"FROM (SELECT DISTINCT master_id FROM {decisions}) d JOIN vote v USING (master_id) GROUP BY d.master_id"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE first_home AS WITH stood AS (SELECT master_id, count(*) AS n "
        f"FROM {former} GROUP BY master_id), "
        f"mine AS (SELECT d.rid, arg_min(f.master_id, (s.n, f.master_id)) AS master_id FROM {decisions} d "
        f"JOIN {former} f USING (rid) JOIN stood s ON s.master_id = f.master_id GROUP BY d.rid), "
        f"held AS (SELECT f.master_id, g.label, count(*) AS n FROM {former} f JOIN grouped_{entity_type} g USING (rid) "
        f"WHERE f.rid NOT IN (SELECT rid FROM {decisions}) GROUP BY f.master_id, g.label) "
        "SELECT m.rid, arg_max(h.label, (h.n, -h.label::HUGEINT)) AS label FROM mine m JOIN held h USING (master_id) GROUP BY m.rid"
    )
    con.execute(
        f"UPDATE grouped_{entity_type} AS g SET label = coalesce(d.first_label, d.label), rule = 'decided' FROM ("
        f"SELECT d.rid, f.label AS first_label, h.label FROM {decisions} d LEFT JOIN first_home f USING (rid) "
        "LEFT JOIN home h USING (master_id)) d WHERE d.rid = g.rid AND coalesce(d.first_label, d.label) IS NOT NULL"
    )
    con.execute("DROP TABLE home")
    con.execute("DROP TABLE first_home")
