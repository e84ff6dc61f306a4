"""The working copy's side of a consolidation: what is touched, what changed, and keeping in step with the master.

PostgreSQL holds the truth; the DuckDB copies of crosswalk and golden records are only there to compare fast. When the
last run the master knows is not the one the copy holds (a crash, a lost file), the copies are fetched again.
"""

from __future__ import annotations

import duckdb

from schemas.entities import ENTITIES, LINKS
from schemas.model import Entity, EntityType
from warehouse import address_tree
from warehouse.duck import RECORD_ID, SOURCE_ID, count, first, standardised_table
from warehouse.publish import as_text
from warehouse.reading import MasterReader


class WorkingCopyLost(Exception):
    """The working copy lacks records that the master knows: consolidating it would end entities that are still there."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        super().__init__(
            f"The warehouse file lacks {missing} records that the master knows (deleted, or from an older backup). "
            "Run onefact rebuild: it makes the file again from the landed batches."
        )


def refresh(con: duckdb.DuckDBPyConnection, master: MasterReader) -> bool:
    """Fetch crosswalk and golden records again if the copy is not that of the master's last run; True if it was stale.

    Raises:
        WorkingCopyLost: records of the crosswalk are neither here nor were they retracted here.
    """
    last = master.fetch(
        "SELECT run_id FROM run WHERE verb = 'consolidate' ORDER BY started_at DESC, run_id DESC LIMIT 1"
    )
    wanted = last["run_id"][0].as_py() if last.num_rows else None
    row = first(con, "SELECT value FROM meta WHERE name = 'run_id'")
    if (row[0] if row else None) == wanted:
        return False
    con.execute("BEGIN")
    _replace(
        con,
        "crosswalk",
        master.fetch(
            "SELECT system_id, record_key, entity_type, role, master_id::text AS master_id, rule FROM crosswalk"
        ),
        f"*, {RECORD_ID}, {SOURCE_ID}",
    )
    for entity_type, entity in ENTITIES.items():
        columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
        _replace(
            con,
            f"golden_{entity_type}",
            master.fetch(
                f"SELECT master_id::text AS master_id, {columns}, {_provenance(entity)} AS provenance FROM {entity_type}",
            ),
        )
        con.execute(f"DELETE FROM look_{entity_type}")
    _replace(
        con,
        "address_node",
        master.fetch(
            "SELECT node_id::text, parent_id::text, level, name, full_text, master_id::text FROM address_node"
        ),
    )
    _replace(
        con,
        "address_point",
        master.fetch(
            "SELECT entity_type, master_id::text, field, node_id::text, exact, NULL::text AS text FROM address_point",
        ),
    )
    missing = _missing(con)
    if missing:
        con.execute("ROLLBACK")
        raise WorkingCopyLost(missing)
    _mark(con, wanted)
    con.execute("COMMIT")
    return True


def _provenance(entity: Entity) -> str:
    """Return the PostgreSQL SQL that writes provenance as `warehouse.golden` does: jsonb has its own order and spacing."""
    pairs = ", ".join(f"'\"{f.name}\":' || to_json(provenance->>'{f.name}')::text" for f in entity.fields)
    return f"'{{' || concat_ws(',', {pairs}) || '}}'"


def _missing(con: duckdb.DuckDBPyConnection) -> int:
    here = " UNION ".join(f"SELECT system_id, record_key FROM {standardised_table(e)}" for e in ENTITIES)
    return count(
        con,
        f"SELECT count(*) FROM (SELECT DISTINCT system_id, record_key FROM crosswalk) c ANTI JOIN ({here} UNION "
        "SELECT system_id, record_key FROM touched_record) h USING (system_id, record_key)",
    )


def _replace(con: duckdb.DuckDBPyConnection, table: str, rows: object, columns: str = "*") -> None:
    con.register("_master", rows)
    con.execute(f"DELETE FROM {table}")
    con.execute(f"INSERT INTO {table} SELECT {columns} FROM _master")
    con.unregister("_master")


def _mark(con: duckdb.DuckDBPyConnection, run_id: str | None) -> None:
    con.execute("DELETE FROM meta WHERE name = 'run_id'")
    if run_id is not None:
        con.execute("INSERT INTO meta VALUES ('run_id', ?)", [run_id])


_ECHO = "entity_type VARCHAR, system_id VARCHAR, record_key VARCHAR, role VARCHAR, fields VARCHAR[]"


def find_echoes(con: duckdb.DuckDBPyConnection) -> None:
    """Create `echo`: fields of records that hold exactly what we last wrote there (DESIGN.md, rule 6)."""
    pushed = {row[0] for row in con.execute("SELECT DISTINCT entity_type FROM pushed_now").fetchall()}
    if not pushed:
        con.execute(f"CREATE OR REPLACE TEMP TABLE echo ({_ECHO})")
        return
    parts = []
    for entity_type, entity in ENTITIES.items():
        if entity_type not in pushed:
            continue
        cases = " ".join(f"WHEN '{f.name}' THEN s.\"{f.name}\"" for f in entity.fields)
        parts.append(
            f"SELECT p.entity_type, p.system_id, p.record_key, p.role, p.field FROM pushed_now p JOIN std_{entity_type} s "
            f"USING (system_id, record_key, role) WHERE p.entity_type = '{entity_type}' "
            f"AND p.value = CASE p.field {cases} END"
        )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE echo AS SELECT entity_type, system_id, record_key, role, list(field) AS fields "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
    )


def find_confirmed(con: duckdb.DuckDBPyConnection) -> None:
    """Create `confirmed` (change_id): assisted entries whose values stand in the system by now, so somebody typed them.

    Reads `awaiting_now` (change_id, entity_type, system_id, record_key, role, field, value), one row per waiting field.
    """
    parts = []
    for entity_type, entity in ENTITIES.items():
        cases = " ".join(f"WHEN '{f.name}' THEN s.\"{f.name}\"" for f in entity.fields)
        parts.append(
            f"SELECT a.change_id, coalesce(a.value = CASE a.field {cases} END OR (l.normal_key = r.normal_key), false) AS equal "
            f"FROM awaiting_now a JOIN std_{entity_type} s USING (system_id, record_key, role) "
            f"LEFT JOIN address_text l ON l.text = a.value LEFT JOIN address_text r ON r.text = CASE a.field {cases} END "
            f"WHERE a.entity_type = '{entity_type}'"
        )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE confirmed AS SELECT change_id "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY change_id HAVING bool_and(equal)"
    )


def gather_links(con: duckdb.DuckDBPyConnection) -> None:
    """Work out how the crosswalk of the affected records changes, and which entities are touched.

    Reads `linked_<entity>` (the affected records' links) and `known_<entity>` (those they had, gone records included).
    Creates `crosswalk_now` (the links of the affected records), `crosswalk_fresh`, `crosswalk_gone`, `touched`
    (entity_type, master_id), `touched_<entity>` and `relation_now` (the relations of touched entities).
    """
    now = " UNION ALL ".join(
        f"SELECT system_id, record_key, '{e}' AS entity_type, role, master_id, rule, rid, {SOURCE_ID} AS sid FROM linked_{e}"
        for e in ENTITIES
    )
    old = " UNION ALL ".join(f"SELECT * FROM known_{e}" for e in ENTITIES)
    key = "entity_type, rid"
    con.execute(f"CREATE OR REPLACE TEMP TABLE crosswalk_now AS {now}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE crosswalk_old AS {old}")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE crosswalk_fresh AS SELECT n.* FROM crosswalk_now n LEFT JOIN crosswalk_old o USING ({key}) "
        "WHERE o.master_id IS NULL OR o.master_id <> n.master_id OR o.rule <> n.rule"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE crosswalk_gone AS SELECT o.* FROM crosswalk_old o ANTI JOIN crosswalk_now n USING ({key})"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT entity_type, master_id FROM crosswalk_now "
        "SEMI JOIN touched_record USING (sid) "
        "UNION SELECT f.entity_type, f.master_id FROM crosswalk_fresh f "
        "UNION SELECT o.entity_type, o.master_id FROM crosswalk_old o SEMI JOIN touched_record USING (sid) "
        f"UNION SELECT o.entity_type, o.master_id FROM crosswalk_old o SEMI JOIN crosswalk_fresh f USING ({key}) "
        "UNION SELECT g.entity_type, g.master_id FROM crosswalk_gone g"
    )
    for entity_type in ENTITIES:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE touched_{entity_type} AS SELECT master_id FROM touched WHERE entity_type = '{entity_type}'"
        )
    _relations(con)


def _relations(con: duckdb.DuckDBPyConnection) -> None:
    """Create `relation_now`: a relation holds from the earliest record that states it; that record is its source.

    A record that states a relation of a touched entity may name one that is not touched: that one's link is as it was.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE relation_record AS SELECT l.* FROM std_link l WHERE (l.system_id, l.record_key) IN ("
        "SELECT n.system_id, n.record_key FROM crosswalk_now n WHERE n.master_id IN (SELECT master_id FROM touched))"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE relation_end AS SELECT system_id, record_key, entity_type, role, master_id FROM crosswalk_now "
        "UNION ALL SELECT o.system_id, o.record_key, o.entity_type, o.role, o.master_id FROM crosswalk o "
        "SEMI JOIN relation_record r ON r.system_id = o.system_id AND r.record_key = o.record_key "
        "ANTI JOIN crosswalk_old k ON k.entity_type = o.entity_type AND k.rid = o.rid"
    )
    parts = [
        "SELECT l.link, a.master_id AS left_id, b.master_id AS right_id, l.relation, l.system_id, l.record_key, s.observed_at "
        f"FROM relation_record l JOIN relation_end a ON a.entity_type = '{link.left}' AND a.system_id = l.system_id "
        "AND a.record_key = l.record_key AND a.role = l.left_role "
        f"JOIN relation_end b ON b.entity_type = '{link.right}' AND b.system_id = l.system_id "
        "AND b.record_key = l.record_key AND b.role = l.right_role "
        f"JOIN std_{link.left} s ON s.system_id = l.system_id AND s.record_key = l.record_key AND s.role = l.left_role "
        f"WHERE l.link = '{link.name}' AND (a.master_id IN (SELECT master_id FROM touched) "
        "OR b.master_id IN (SELECT master_id FROM touched))"
        for link in LINKS
    ]
    first = "arg_min({}, (observed_at, system_id, record_key))"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE relation_now AS SELECT link, left_id, right_id, relation, "
        f"{first.format('system_id')} AS system_id, {first.format('record_key')} AS record_key, min(observed_at) AS valid_from "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY link, left_id, right_id, relation"
    )


def apply_fresh(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Create `changed_<entity>`: the fresh golden records that are not what they were (what to publish).

    Also `look_fresh_<entity>` (master_id, look), how the fresh ones look. What a golden record looked like is remembered as
    one number: comparing numbers reads two columns of all golden records instead of a hundred.
    """
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE look_fresh_{entity_type} AS {_look_sql(f'fresh_{entity_type}', entity_type)}"
    )
    if not count(con, f"SELECT count(*) FROM fresh_{entity_type}"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE changed_{entity_type} AS SELECT * FROM fresh_{entity_type}")
        return
    _remember_looks(con, entity_type)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE changed_{entity_type} AS SELECT f.* FROM fresh_{entity_type} f "
        f"JOIN look_fresh_{entity_type} n USING (master_id) LEFT JOIN (SELECT * FROM look_{entity_type} "
        f"WHERE master_id IN (SELECT master_id FROM touched_{entity_type})) o USING (master_id) WHERE o.look IS DISTINCT FROM n.look"
    )


def _look_sql(golden: str, entity_type: EntityType) -> str:
    """Return the SQL of (master_id, look): a number of everything that a golden record says.

    By MD5, of which half is kept: DuckDB's own hash gives long texts that differ in two digits the same number too often.
    """
    said = ", chr(31), ".join(f'coalesce("{f.name}", chr(30))' for f in ENTITIES[entity_type].fields)
    return f"SELECT master_id, md5_number_lower(concat({said}, chr(31), provenance)) AS look FROM {golden}"


def _remember_looks(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Fill `look_<entity>` where it is not kept yet: a file from before, or golden records fetched from the master."""
    golden = count(con, f"SELECT count(*) FROM golden_{entity_type}")
    if count(con, f"SELECT count(*) FROM look_{entity_type}") != golden:
        con.execute(f"DELETE FROM look_{entity_type}")
        con.execute(f"INSERT INTO look_{entity_type} {_look_sql(f'golden_{entity_type}', entity_type)}")


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """Begin the consolidation's transaction on the working copy: it keeps the new state only once the master has it."""
    con.execute("BEGIN")


def commit(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Make the new state the working copy's own, after the master has it; ends the transaction of `begin`."""
    for entity_type in ENTITIES:
        if count(con, f"SELECT count(*) FROM touched_{entity_type}"):
            for table, fresh in (("golden", "fresh"), ("look", "look_fresh")):
                con.execute(
                    f"DELETE FROM {table}_{entity_type} WHERE master_id IN (SELECT master_id FROM touched_{entity_type})"
                )
                con.execute(f"INSERT INTO {table}_{entity_type} SELECT * FROM {fresh}_{entity_type}")
    if count(con, "SELECT count(*) FROM crosswalk_old"):
        con.execute(
            "DELETE FROM crosswalk c USING crosswalk_old o WHERE c.rid = o.rid AND c.entity_type = o.entity_type"
        )
    con.execute(
        "INSERT INTO crosswalk SELECT system_id, record_key, entity_type, role, master_id, rule, rid, sid FROM crosswalk_now"
    )
    address_tree.commit(con)
    con.execute("DELETE FROM touched_record")
    _mark(con, run_id)
    con.execute("COMMIT")
