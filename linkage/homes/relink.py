"""Linking the houses and addresses that a delta touches (增量链接): the rest stays, and the result is that of linking all.

What a record's group depends on is near: the records at its place, and those without a place that are connected with it
by key values. So a delta is

1. the records that came, changed or went, whose text is at another place now, or whose people settled it otherwise;
2. the records at their places, old and new, of which a code turned the anchor;
3. the records without a place that bear one of their key values, or one of those of such a record, and so on;
4. these grouped again, and with them every record of the groups that they were in or are in now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from linkage.homes.anchors import MAJORITY, anchor, find_settled, number, read
from linkage.homes.attach import HUB, ROUNDS, attach, bear
from linkage.homes.rules import Rules

VERSION: Final = 1
"""Of what the state holds and how it is made; another one makes it anew."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last run.

    Attributes:
        touched: relation (sid) of source records that came, changed or went.
        texts: relation (text) of address texts whose place changed.
        together: relation (rid, master_id) of records that follow a master id by decision.
        known: relation (rid, sid, master_id, rule) with the last crosswalk of this entity.
    """

    touched: str
    texts: str
    together: str
    known: str


def relink(
    con: duckdb.DuckDBPyConnection, rules: Rules, *, records: str, changes: Changes, places: str = "place"
) -> bool:
    """Bring the state up to date; make `affected` (rid) and, if there are any, `grouped_<entity>` of the affected records.

    `grouped_<entity>` (rid, system_id, record_key, role, label, rule) says which records are one: those of a label. Returns
    True when everything was linked anew (no state, or that of other rules).

    Args:
        con: the warehouse; places must be resolved (`linkage.address.places`).
        rules: of the entity.
        records: relation with all standardised records (`schemas.records.standardised_schema`, rid, sid).
        changes: what happened since the last run.
        places: relation with the place of each text.
    """
    find_settled(con)
    everything = outdated(con, rules) is not False or not _in_step(con, rules, changes)
    if everything:
        _link_all(con, rules, records, places)
    else:
        _table(con, "moved", _moved_sql(con, rules, records, changes))
        if not _count(con, "moved") and not _count(con, changes.together):
            _table(con, "affected", "SELECT rid FROM moved")
            _drop(con, "home_settled", "moved")
            return False
        _link_changed(con, rules, records, places, changes)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{rules.entity_type} AS SELECT rid, s.system_id, s.record_key, s.role, "
        f"m.group_id AS label, m.rule FROM member m JOIN {records} s USING (rid)"
    )
    _drop(con, *_TEMPORARY)
    return everything


def _drop(con: duckdb.DuckDBPyConnection, *tables: str) -> None:
    for table in tables:
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")


_TEMPORARY: Final = (
    "member", "home_settled", "moved", "moved_record", "moved_place", "was", "fresh", "place_row", "place_anchor", "turned",
    "hit_key", "next_key", "borne", "reached", "joined", "closure", "bearer", "regrouped", "shifted", "hit_group", "tied", "more", "said_row",
)  # fmt: skip


def state(rules: Rules) -> str:
    """Name of the state table: (rid, sid, said, settled, place, code, `k_<key>`, anchor, group_id, rule)."""
    return f"link_home_{rules.entity_type}"


def outdated(con: duckdb.DuckDBPyConnection, rules: Rules) -> bool | None:
    """Return whether other rules made the state; None = there is none."""
    con.execute("CREATE TABLE IF NOT EXISTS link_state (entity VARCHAR PRIMARY KEY, made_by VARCHAR)")
    found = con.execute("SELECT made_by FROM link_state WHERE entity = ?", [rules.entity_type]).fetchall()
    return found[0][0] != _maker(rules) if found else None


def _maker(rules: Rules) -> str:
    return f"{VERSION} {ROUNDS} {HUB} {MAJORITY} {rules}"


def _in_step(con: duckdb.DuckDBPyConnection, rules: Rules, changes: Changes) -> bool:
    """Whether the state is that of the crosswalk: after a crash the crosswalk may be one run ahead, or an older one."""
    return _count(con, state(rules)) == _count(con, changes.known)


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _table(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")


def _link_all(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, places: str) -> None:
    read(con, rules, records=records, places=places, into="said_row")
    anchor(con, rows="said_row", into="fresh")
    _table(con, "closure", f"SELECT rid, {_keys(rules)} FROM fresh WHERE anchor IS NULL")
    _table(con, "bearer", f"SELECT DISTINCT {_bearing(rules)}")
    attach(con, rules, rows="closure", bearers="bearer", into="regrouped")
    con.execute(f"CREATE OR REPLACE TABLE {state(rules)} AS {_GROUPED}")
    _table(con, "member", f"SELECT rid, group_id, rule FROM {state(rules)}")
    _table(con, "affected", "SELECT rid FROM member")
    con.execute("INSERT OR REPLACE INTO link_state VALUES (?, ?)", [rules.entity_type, _maker(rules)])


_GROUPED: Final = (
    "SELECT f.*, coalesce(f.anchor, g.group_id) AS group_id, coalesce(g.rule, 'anchor') AS rule FROM fresh f "
    "LEFT JOIN regrouped g USING (rid)"
)


def _keys(rules: Rules) -> str:
    return ", ".join(key.column for key in rules.keys)


def _bearing(rules: Rules) -> str:
    """SQL of the key values of `fresh` that have a place and that `closure` has too: priority, value, group_id."""
    shared = "anchor IS NOT NULL AND {column} IN (SELECT {column} FROM closure)"
    return f"priority, value, group_id FROM ({bear(rules, 'fresh', 'anchor AS group_id', shared)})"


def _link_changed(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, places: str, changes: Changes) -> None:
    own = state(rules)
    _table(con, "was", f"SELECT rid, place, group_id, {_keys(rules)} FROM {own} WHERE rid IN (SELECT rid FROM moved)")
    if _count(con, "moved"):
        _read_moved(con, rules, records, places)
        _close(con, rules)
        own_bearer = "SELECT priority, value, anchor AS group_id FROM borne WHERE anchor IS NOT NULL"
        _table(con, "bearer", f"{own_bearer} UNION SELECT {_bearing(rules)}")
        attach(con, rules, rows="closure", bearers="bearer", into="regrouped")
        _table(con, "fresh", _GROUPED)
        _table(
            con,
            "shifted",
            "SELECT rid, g.group_id, g.rule, c.group_id AS before FROM closure c JOIN regrouped g USING (rid) "
            "WHERE c.group_id IS NOT NULL AND (g.group_id <> c.group_id OR g.rule <> c.rule)",
        )
    else:
        _table(con, "fresh", f"SELECT * FROM {own} LIMIT 0")
        _table(con, "shifted", f"SELECT rid, group_id, rule, group_id AS before FROM {own} LIMIT 0")
    _affected(con, rules, changes)
    con.execute(f"DELETE FROM {own} WHERE rid IN (SELECT rid FROM moved)")
    con.execute(f"INSERT INTO {own} BY NAME SELECT * FROM fresh")
    if _count(con, "shifted"):
        con.execute(f"UPDATE {own} AS o SET group_id = n.group_id, rule = n.rule FROM shifted n WHERE n.rid = o.rid")


def _moved_sql(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, changes: Changes) -> str:
    """Records that changed or went, whose text is at another place, or whose people settled it otherwise."""
    own = state(rules)
    parts = [
        f"SELECT rid FROM {rows} WHERE sid IN (SELECT sid FROM {changes.touched})"
        for rows in (records, own, changes.known)
    ]
    if _count(con, changes.texts):
        parts.append(f"SELECT rid FROM {own} WHERE said IN (SELECT {number('text')} FROM {changes.texts})")
    if _count(con, "home_settled"):
        parts.append(
            f"SELECT o.rid FROM {own} o JOIN home_settled n USING (sid, said) WHERE o.settled IS DISTINCT FROM n.flat"
        )
    parts.append(f"SELECT o.rid FROM {own} o ANTI JOIN home_settled n USING (sid, said) WHERE o.settled IS NOT NULL")
    return " UNION ".join(parts)


def _read_moved(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, places: str) -> None:
    """Make `fresh`, the moved records as they are now; records whose anchor a code turned join `moved`, `was` and `fresh`."""
    own = state(rules)
    # The few records stand in tables of their own before anything is joined, so that the joins are planned for few.
    fields = ", ".join(f'"{f}"' for f in dict.fromkeys((rules.address, rules.code, *(key.field for key in rules.keys))))
    _table(con, "moved_record", f"SELECT rid, sid, {fields} FROM {records} WHERE rid IN (SELECT rid FROM moved)")
    _table(con, "moved_place", f'SELECT * FROM {places} WHERE text IN (SELECT "{rules.address}" FROM moved_record)')
    read(con, rules, records="moved_record", places="moved_place", into="said_row")
    _table(
        con,
        "place_row",
        "SELECT rid, place, code, NULL::UBIGINT AS before FROM said_row UNION ALL "
        f"SELECT rid, place, code, anchor FROM {own} ANTI JOIN moved USING (rid) "
        "WHERE place IN (SELECT place FROM was UNION SELECT place FROM said_row)",
    )
    anchor(con, rows="place_row", into="place_anchor")
    _table(con, "fresh", "SELECT s.*, a.anchor FROM said_row s JOIN place_anchor a USING (rid)")
    _table(
        con,
        "turned",
        "SELECT rid, anchor FROM place_anchor ANTI JOIN moved USING (rid) WHERE anchor IS DISTINCT FROM before",
    )
    if _count(con, "turned"):
        _table(con, "turned", f"SELECT o.*, t.anchor AS now FROM {own} o JOIN turned t USING (rid)")
        con.execute(f"INSERT INTO was BY NAME SELECT rid, place, group_id, {_keys(rules)} FROM turned")
        con.execute(
            "INSERT INTO fresh BY NAME SELECT * EXCLUDE (group_id, rule, now) REPLACE (now AS anchor) FROM turned"
        )
        con.execute("INSERT INTO moved SELECT rid FROM turned")


def _close(con: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Make `closure` (rid, `k_<key>`, group_id, rule): the records without a place that key values connect with what moved.

    `group_id` and `rule` are those they had, NULL where they moved themselves. `borne` (rid, anchor, priority, value, …) has
    all records that did not move with one of these key values.
    """
    keys = _keys(rules)
    rows = f"(SELECT rid, {keys} FROM was UNION ALL SELECT rid, {keys} FROM fresh)"
    nothing = "NULL::UBIGINT AS group_id, NULL::VARCHAR AS rule"
    _table(con, "closure", f"SELECT rid, {keys}, {nothing} FROM fresh WHERE anchor IS NULL")
    _table(con, "hit_key", f"SELECT DISTINCT priority, value FROM ({bear(rules, rows, 'rid', 'true')})")
    _table(con, "next_key", "SELECT * FROM hit_key")
    reached = bear(
        rules,
        state(rules),
        f"rid, anchor, group_id, rule, {keys}",
        "{column} IN (SELECT value FROM next_key WHERE priority = {priority})",
    )
    _table(con, "borne", f"SELECT * FROM ({reached}) LIMIT 0")
    while _count(con, "next_key"):
        _table(con, "reached", f"SELECT * FROM ({reached}) ANTI JOIN moved USING (rid)")
        con.execute("INSERT INTO borne SELECT * FROM reached")
        _table(
            con,
            "joined",
            f"SELECT DISTINCT rid, {keys}, group_id, rule FROM reached ANTI JOIN closure USING (rid) WHERE anchor IS NULL",
        )
        con.execute("INSERT INTO closure SELECT * FROM joined")
        found = f"SELECT DISTINCT priority, value FROM ({bear(rules, 'joined', 'rid', 'true')})"
        _table(con, "next_key", f"{found} EXCEPT SELECT * FROM hit_key")
        con.execute("INSERT INTO hit_key SELECT * FROM next_key")


def _affected(con: duckdb.DuckDBPyConnection, rules: Rules, changes: Changes) -> None:
    """Make `member` (rid, group_id, rule), whole groups as they are now, and `affected`: their records and those that are gone.

    Groups are hit that a changed record was in or is in. Where a record follows an id by decision, or the crosswalk is a
    run ahead of the state, the groups of all records of such an id are hit with it.
    """
    _table(
        con,
        "hit_group",
        "SELECT group_id FROM was UNION SELECT group_id FROM fresh UNION SELECT group_id FROM shifted UNION SELECT before FROM shifted",
    )
    own, follow, hold = state(rules), changes.together, changes.known
    changed = "(SELECT rid, group_id, rule FROM fresh UNION ALL SELECT rid, group_id, rule FROM shifted)"
    while True:
        _table(
            con,
            "member",
            f"SELECT rid, group_id, rule FROM {own} ANTI JOIN (SELECT rid FROM moved UNION ALL SELECT rid FROM shifted) USING (rid) "
            f"WHERE group_id IN (SELECT group_id FROM hit_group) UNION ALL SELECT * FROM {changed}",
        )
        _table(con, "affected", "SELECT rid FROM member UNION SELECT rid FROM moved")
        _table(
            con,
            "tied",
            f"SELECT master_id FROM {hold} WHERE rid IN (SELECT rid FROM affected) UNION "
            f"SELECT master_id FROM {follow} WHERE rid IN (SELECT rid FROM affected)",
        )
        _table(
            con,
            "more",
            f"SELECT rid FROM {hold} WHERE master_id IN (SELECT master_id FROM tied) UNION "
            f"SELECT rid FROM {follow} WHERE master_id IN (SELECT master_id FROM tied) UNION "
            # Decided since, of a record that was here before.
            f"SELECT f.rid FROM {follow} f JOIN {hold} h USING (rid) WHERE f.master_id <> h.master_id OR h.rule <> 'decided'",
        )
        con.execute("DELETE FROM more WHERE rid IN (SELECT rid FROM affected)")
        hit = con.execute(
            f"INSERT INTO hit_group SELECT DISTINCT group_id FROM {own} WHERE rid IN (SELECT rid FROM more)"
        ).fetchall()
        if not hit[0][0]:
            return
