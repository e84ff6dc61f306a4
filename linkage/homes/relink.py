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

from linkage.homes.anchors import anchor, find_settled, number, read
from linkage.homes.attach import ROUNDS, attach, bear
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
        known: relation (rid, master_id, rule) with the last crosswalk of this entity.
    """

    touched: str
    texts: str
    together: str
    known: str


def relink(
    con: duckdb.DuckDBPyConnection, rules: Rules, *, records: str, changes: Changes, places: str = "place"
) -> bool:
    """Bring the state up to date; make `affected` (rid) and `grouped_<entity>` of the affected records.

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
        _link_changed(con, rules, records, places, changes)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{rules.entity_type} AS SELECT rid, s.system_id, s.record_key, s.role, "
        f"m.group_id AS label, m.rule FROM member m JOIN {records} s USING (rid)"
    )
    for table in _TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return everything


_TEMPORARY: Final = (
    "member", "home_settled", "moved", "moved_record", "moved_place", "was", "fresh", "place_row", "place_anchor", "hit_key",
    "next_key", "closure", "bearer", "regrouped", "changed", "hit_group", "hit_group_more", "tied", "said_row", "turned", "reached",
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
    return f"{VERSION} {ROUNDS} {rules}"


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
    _table(con, "closure", "SELECT * FROM fresh WHERE anchor IS NULL")
    _regroup(con, rules, anchored="fresh")
    con.execute(f"CREATE OR REPLACE TABLE {state(rules)} AS {_GROUPED}")
    _table(con, "member", f"SELECT rid, group_id, rule FROM {state(rules)}")
    _table(con, "affected", "SELECT rid FROM member")
    con.execute("INSERT OR REPLACE INTO link_state VALUES (?, ?)", [rules.entity_type, _maker(rules)])


_GROUPED: Final = (
    "SELECT f.*, coalesce(f.anchor, g.group_id) AS group_id, coalesce(g.rule, 'anchor') AS rule FROM fresh f "
    "LEFT JOIN regrouped g USING (rid)"
)


def _regroup(con: duckdb.DuckDBPyConnection, rules: Rules, *, anchored: str) -> None:
    """Make `regrouped` (rid, group_id, rule) of `closure`; `anchored` has all records with an anchor that share a key."""
    _table(con, "hit_key", f"SELECT DISTINCT * EXCLUDE (rid) FROM ({bear(rules, 'closure', 'rid', 'true')})")
    shared = "anchor IS NOT NULL AND {column} IN (SELECT value FROM hit_key WHERE priority = {priority})"
    _table(
        con,
        "bearer",
        f"SELECT DISTINCT priority, value, group_id FROM ({bear(rules, anchored, 'anchor AS group_id', shared)})",
    )
    attach(con, rules, rows="closure", bearers="bearer", into="regrouped")


def _link_changed(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, places: str, changes: Changes) -> None:
    own = state(rules)
    _table(con, "moved", _moved_sql(rules, records, changes))
    _read_moved(con, rules, records, places)
    _close(con, rules)
    keys = ", ".join(key.column for key in rules.keys)
    held = f"SELECT anchor, {keys} FROM {own} WHERE rid NOT IN (SELECT rid FROM moved) UNION ALL SELECT anchor, {keys} FROM fresh"
    _regroup(con, rules, anchored=f"({held})")
    _table(
        con,
        "changed",
        f"SELECT n.*, o.group_id AS old_group FROM ({_GROUPED} UNION ALL "
        f"SELECT c.* EXCLUDE (group_id, rule), g.group_id, g.rule FROM (SELECT * FROM {own} WHERE rid IN ("
        "SELECT rid FROM closure WHERE rid NOT IN (SELECT rid FROM moved))) c JOIN regrouped g USING (rid) "
        f"WHERE g.group_id <> c.group_id OR g.rule <> c.rule) n LEFT JOIN {own} o USING (rid)",
    )
    _affected(con, rules, changes)
    con.execute(f"DELETE FROM {own} WHERE rid IN (SELECT rid FROM moved UNION SELECT rid FROM changed)")
    con.execute(f"INSERT INTO {own} BY NAME SELECT * EXCLUDE (old_group) FROM changed")


def _moved_sql(rules: Rules, records: str, changes: Changes) -> str:
    """Records that changed or went, whose text is at another place, or whose people settled it otherwise."""
    own = state(rules)
    return " UNION ".join(
        (
            f"SELECT rid FROM {records} WHERE sid IN (SELECT sid FROM {changes.touched})",
            f"SELECT rid FROM {own} WHERE sid IN (SELECT sid FROM {changes.touched})",
            f"SELECT rid FROM {own} WHERE said IN (SELECT {number('text')} FROM {changes.texts})",
            f"SELECT o.rid FROM {own} o JOIN home_settled n USING (sid, said) WHERE o.settled IS DISTINCT FROM n.flat",
            f"SELECT o.rid FROM {own} o ANTI JOIN home_settled n USING (sid, said) WHERE o.settled IS NOT NULL",
        )
    )


def _read_moved(con: duckdb.DuckDBPyConnection, rules: Rules, records: str, places: str) -> None:
    """Make `fresh`, the moved records as they are now, and `was`, as they were; records whose anchor a code turned join `moved`."""
    own = state(rules)
    # The few records stand in tables of their own before anything is joined, so that the joins are planned for few.
    fields = ", ".join(f'"{f}"' for f in dict.fromkeys((rules.address, rules.code, *(key.field for key in rules.keys))))
    _table(con, "moved_record", f"SELECT rid, sid, {fields} FROM {records} WHERE rid IN (SELECT rid FROM moved)")
    _table(con, "moved_place", f'SELECT * FROM {places} WHERE text IN (SELECT "{rules.address}" FROM moved_record)')
    read(con, rules, records="moved_record", places="moved_place", into="said_row")
    _table(con, "was", f"SELECT * FROM {own} WHERE rid IN (SELECT rid FROM moved)")
    columns = ", ".join(("rid", "sid", "said", "settled", "place", "code", *(key.column for key in rules.keys)))
    _table(
        con,
        "place_row",
        f"SELECT {columns}, true AS moves, NULL::UBIGINT AS before FROM said_row UNION ALL "
        f"SELECT {columns}, false, anchor FROM {own} WHERE rid NOT IN (SELECT rid FROM moved) "
        "AND place IN (SELECT place FROM was UNION SELECT place FROM said_row)",
    )
    anchor(con, rows="place_row", into="place_anchor")
    turned = "NOT moves AND anchor IS DISTINCT FROM before"
    _table(con, "fresh", f"SELECT * EXCLUDE (moves, before) FROM place_anchor WHERE moves OR {turned}")
    _table(con, "turned", f"SELECT rid FROM place_anchor WHERE {turned}")
    if _count(con, "turned"):
        con.execute(f"INSERT INTO was SELECT * FROM {own} WHERE rid IN (SELECT rid FROM turned)")
        con.execute("INSERT INTO moved SELECT rid FROM turned")


def _close(con: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Make `closure` (rid, `k_<key>`): the records without a place that key values connect with what moved."""
    keys = ", ".join(key.column for key in rules.keys)
    rows = f"(SELECT rid, {keys} FROM was UNION ALL SELECT rid, {keys} FROM fresh)"
    _table(con, "closure", f"SELECT rid, {keys} FROM fresh WHERE anchor IS NULL")
    _table(con, "hit_key", f"SELECT DISTINCT priority, value FROM ({bear(rules, rows, 'rid', 'true')})")
    _table(con, "next_key", "SELECT * FROM hit_key")
    while _count(con, "next_key"):
        known = "(SELECT rid FROM closure UNION ALL SELECT rid FROM moved)"
        reached = " UNION ".join(
            f"SELECT rid, {keys} FROM {state(rules)} WHERE anchor IS NULL "
            f"AND {key.column} IN (SELECT value FROM next_key WHERE priority = {priority}) AND rid NOT IN {known}"
            for priority, key in enumerate(rules.keys)
        )
        _table(con, "reached", reached)
        con.execute("INSERT INTO closure SELECT * FROM reached")
        _table(
            con,
            "next_key",
            f"SELECT DISTINCT priority, value FROM ({bear(rules, 'reached', 'rid', 'true')}) ANTI JOIN hit_key USING (priority, value)",
        )
        con.execute("INSERT INTO hit_key SELECT * FROM next_key")


def _affected(con: duckdb.DuckDBPyConnection, rules: Rules, changes: Changes) -> None:
    """Make `member` (rid, group_id, rule), whole groups as they are now, and `affected`: their records and those that are gone.

    Groups are hit that a changed record was in or is in. Where a record follows an id by decision, or the crosswalk is a
    run ahead of the state, the groups of all records of such an id are hit with it.
    """
    _table(
        con,
        "hit_group",
        "SELECT group_id FROM was UNION SELECT group_id FROM changed UNION SELECT old_group FROM changed WHERE old_group IS NOT NULL",
    )
    own, follow, hold = state(rules), changes.together, changes.known
    while True:
        _table(
            con,
            "member",
            f"SELECT rid, group_id, rule FROM {own} WHERE group_id IN (SELECT group_id FROM hit_group) "
            "AND rid NOT IN (SELECT rid FROM moved UNION ALL SELECT rid FROM changed) "
            "UNION ALL SELECT rid, group_id, rule FROM changed",
        )
        _table(con, "affected", "SELECT rid FROM member UNION SELECT rid FROM moved")
        _table(
            con,
            "tied",
            f"SELECT DISTINCT master_id FROM (SELECT rid, master_id FROM {hold} UNION ALL SELECT rid, master_id FROM {follow}) "
            "WHERE rid IN (SELECT rid FROM affected)",
        )
        _table(
            con,
            "hit_group_more",
            f"SELECT group_id FROM {own} WHERE rid IN (SELECT rid FROM {hold} WHERE master_id IN (SELECT master_id FROM tied) "
            f"UNION SELECT rid FROM {follow} WHERE master_id IN (SELECT master_id FROM tied) "
            f"UNION SELECT f.rid FROM {follow} f JOIN {hold} h USING (rid) WHERE f.master_id <> h.master_id OR h.rule <> 'decided') "
            "AND rid NOT IN (SELECT rid FROM affected)",
        )
        if not _count(con, "hit_group_more"):
            return
        con.execute("INSERT INTO hit_group SELECT * FROM hit_group_more")
