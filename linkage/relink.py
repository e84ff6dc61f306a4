"""Linking what changed (增量链接): a delta touches only the components that it hits, and gives what linking all would give.

1. Which records must be looked at again: those that changed, and those whose meaning changed with them (a vote on a number
   turned, a phone became an office's, a blocking key became a hub, a person decided).
2. Their pairs with all records are weighed; pairs of records that did not change keep their weight.
3. The components they were in, and those they are in now, are clustered again; the rest stays as it is.

Clusters are a function of a component's records and edges alone, so this equals a full run (tests/linkage).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import duckdb

from linkage import state as remembered
from linkage.comparable import RECORD, Inputs, Spec, build, finish, judge, read
from linkage.compare_pairs import score_all, score_listed
from linkage.engine import DuckEngine
from linkage.graph import guarded
from linkage.model import Model
from linkage.pipeline import group
from linkage.state import State, fill, fill_records
from linkage.two_numbers import find_all, keep, propose

Scope = Literal["everything", "changes", "nothing"]
"""What a run linked."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last run.

    Attributes:
        touched: relation (rid) of records that came, changed or went.
        placed: relation (rid) of records with an address text whose place changed, more of them do no harm; None = none.
        judgements: relation (left_system, left_key, left_role, right_system, right_key, right_role, judgement) of what
            persons decided, all of it.
        together: relation (rid, master_id) of records that follow a master id by decision.
        known: relation (rid, master_id) with the last crosswalk of this entity.
    """

    touched: str
    judgements: str
    together: str
    known: str
    placed: str | None = None


def relink(con: duckdb.DuckDBPyConnection, spec: Spec, model: Model, inputs: Inputs, changes: Changes) -> Scope:
    """Bring the state up to date; make `affected` (rid) and `clustered`, `stopped` of the affected records.

    Returns what was linked: everything (no state, or that of another model), what changed, or nothing; then the relations
    are not made.
    """
    engine, names = DuckEngine(con), State(spec.entity_type)
    engine.table("judged", _judged_sql(changes))
    everything = not remembered.current(con, spec, model)
    if everything:
        _link_all(engine, spec, model, inputs, names)
    else:
        engine.table("moved", _moved_sql(spec, changes, names))
        if not _count(con, "moved"):
            engine.drop("moved")
            return "nothing"
        _link_changed(engine, spec, model, inputs, changes, names)
    fill(con, names.judged, "SELECT * FROM judged")
    whole = names.record if everything else "affected_record"
    pairs = names.edge if everything else "affected_edge"
    if not everything:
        kept = ", ".join(("rid", *RECORD, "label", *guarded(model)))
        engine.table("affected_record", f"SELECT {kept} FROM {names.record} WHERE rid IN (SELECT rid FROM affected)")
        engine.table("affected_edge", f"SELECT * FROM {names.edge} WHERE l IN (SELECT rid FROM affected)")
    group(engine, model, records=whole, edges=pairs, judged="judged")
    if everything:
        fill(con, names.cluster, "SELECT * FROM clustered")
        remembered.mark(con, spec, model)
    else:
        con.execute(f"DELETE FROM {names.cluster} WHERE rid IN (SELECT rid FROM affected)")
        con.execute(f"INSERT INTO {names.cluster} SELECT * FROM clustered")
    engine.drop(
        "affected_edge", "delta", "was", "said", "moved_record", "moved", "scored", "hub", "pair", "partner", "block"
    )
    return "everything" if everything else "changes"


def _judged_sql(changes: Changes) -> str:
    """The judgements by the numbers of the records."""
    sides = (f"hash(j.{s}_system, j.{s}_key, j.{s}_role)" for s in ("left", "right"))
    left, right = sides
    return f"SELECT {left} AS l, {right} AS r, j.judgement FROM {changes.judgements} j"


def _link_all(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, names: State) -> None:
    build(engine, spec, model, inputs, into="comparable")
    _detach(engine, "comparable", "comparable")
    fill_records(engine.con, names.record, "SELECT * FROM comparable")
    fill(
        engine.con,
        names.foreign,
        "SELECT rid FROM foreign_rid" if spec.vote else "SELECT 0::UBIGINT AS rid WHERE false",
    )
    engine.drop("comparable")
    score_all(engine, model, records=names.record)
    fill(engine.con, names.edge, "SELECT l, r, weight FROM scored")
    fill(engine.con, names.evidence, "SELECT l, r, weight, '' AS rule FROM scored WHERE false")
    find_all(engine, model, names)
    engine.table("affected", f"SELECT rid FROM {names.record}")


def _detach(engine: DuckEngine, records: str, among: str) -> None:
    """Take the label off records that a person kept apart from others of the same number.

    Of the two it is the one that was kept apart from more rows of the number, else the one whose name fewer of its rows
    have, else the one that comes second.
    """
    if not engine.con.execute("SELECT 1 FROM judged WHERE judgement = 'negative' LIMIT 1").fetchall():
        return
    pairs = engine.arrow(
        f"SELECT a.rid AS l, b.rid AS r, a.number, a.name AS l_name, b.name AS r_name FROM judged j "
        f"JOIN {among} a ON a.rid = j.l JOIN {among} b ON b.rid = j.r WHERE j.judgement = 'negative' AND a.number = b.number"
    )
    if not pairs.num_rows:
        return
    engine.put("split_number", pairs)
    engine.con.execute(
        f"UPDATE {records} SET label = NULL WHERE rid IN ("
        "WITH times AS (SELECT rid, count(*) AS n FROM (SELECT l AS rid FROM split_number UNION ALL SELECT r FROM split_number) GROUP BY rid), "
        "rows_of AS (SELECT p.l, p.r, count(*) FILTER (WHERE c.name = p.l_name) AS l_rows, "
        f"count(*) FILTER (WHERE c.name = p.r_name) AS r_rows FROM split_number p JOIN {among} c ON c.number = p.number GROUP BY p.l, p.r) "
        "SELECT CASE WHEN a.n > b.n OR (a.n = b.n AND s.l_rows < s.r_rows) THEN s.l ELSE s.r END "
        "FROM rows_of s JOIN times a ON a.rid = s.l JOIN times b ON b.rid = s.r)"
    )
    engine.drop("split_number")


def _link_changed(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, changes: Changes, names: State) -> None:
    con = engine.con
    while True:
        _rebuild(engine, spec, model, inputs, changes, names)
        _hit_blocks(engine, model, names)
        before = _count(con, "moved")
        engine.table("moved", f"SELECT rid FROM moved UNION {_turned_sql(spec, names)}")
        if _count(con, "moved") == before:
            break
    engine.table("hit", f"SELECT component FROM {names.cluster} WHERE rid IN (SELECT rid FROM moved)")
    if _count(con, "was"):
        con.execute(f"DELETE FROM {names.record} WHERE rid IN (SELECT rid FROM was)")
        con.execute(f"DELETE FROM {names.edge} WHERE l IN (SELECT rid FROM was) OR r IN (SELECT rid FROM was)")
        con.execute(f"DELETE FROM {names.foreign} WHERE rid IN (SELECT rid FROM was)")
    con.execute(f"INSERT INTO {names.record} SELECT * FROM delta")
    if spec.vote:
        con.execute(f"INSERT INTO {names.foreign} SELECT rid FROM foreign_rid WHERE rid IN (SELECT rid FROM moved)")
    _score(engine, model, names)
    con.execute(f"INSERT INTO {names.edge} SELECT l, r, weight FROM scored")
    _affected(engine, model, changes, names)
    keep(engine, model, names, records="partner")


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _moved_sql(spec: Spec, changes: Changes, names: State) -> str:
    """Records that changed or went, whose judgements changed, or whose place changed."""
    differ = (
        f"(SELECT * FROM judged EXCEPT SELECT * FROM {names.judged}) "
        f"UNION (SELECT * FROM {names.judged} EXCEPT SELECT * FROM judged)"
    )
    same_number = (
        f"SELECT unnest([j.l, j.r]) FROM judged j JOIN {names.record} a ON a.rid = j.l JOIN {names.record} b ON b.rid = j.r "
        "WHERE j.judgement = 'negative' AND a.number = b.number"
    )
    parts = [
        f"SELECT rid FROM {changes.touched}",
        f"SELECT unnest([l, r]) AS rid FROM ({differ})",
        # Which of the two loses the number depends on the other rows of the number: decided anew in each run.
        same_number,
    ]
    if changes.placed and spec.places:
        parts.append(f"SELECT rid FROM {changes.placed}")
    return " UNION ".join(parts)


def _lying(table: str, chosen: str) -> str:
    """Return SQL that is true for the rows of a table whose rid is in a relation, found by where they lie.

    Finding them reads one column of the table; of its other columns only the parts in which they lie are read.
    """
    return f"rowid IN (SELECT rowid FROM {table} WHERE rid IN (SELECT rid FROM {chosen}))"


_SAME_RECORD = " AND ".join(f"{{l}}.{c} = {{r}}.{c}" for c in RECORD)


def _rebuild(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, changes: Changes, names: State) -> None:
    """Make `delta`, the comparable records of those that moved, judged among all that share a number or phone."""
    own = ("number", *spec.phones, *(f"k_{rule.name}" for rule in model.blocking))
    engine.table("was", f"SELECT rid, {', '.join(own)} FROM {names.record} WHERE {_lying(names.record, 'moved')}")
    # The few records stand in a table of their own before anything is joined, so that the joins are planned for few. What
    # was touched came last and lies at the end of its table.
    said = f"SELECT {inputs.rid} AS rid, {', '.join((*RECORD, *spec.fields))} FROM {inputs.records} s WHERE "
    engine.table("came", f"SELECT rid FROM moved WHERE rid IN (SELECT rid FROM {changes.touched})")
    engine.table("stayed", "SELECT rid FROM moved WHERE rid NOT IN (SELECT rid FROM came)")
    engine.table(
        "moved_record", " UNION ALL ".join(f"{said}{_lying(inputs.records, part)}" for part in ("came", "stayed"))
    )
    engine.drop("came", "stayed")
    near = {
        relation: " UNION ".join(f"SELECT {f} FROM moved_record" for f in fields)
        for relation, fields in (
            (inputs.names, spec.names),
            (inputs.organisations, spec.organisations),
            (inputs.places, spec.places),
        )
        if fields
    }
    for relation, texts in near.items():
        engine.table(f"near_{relation}", f"SELECT * FROM {relation} WHERE text IN ({texts})")
    if inputs.hints:
        engine.table(
            "near_hint",
            f"SELECT h.* FROM {inputs.hints} h SEMI JOIN moved_record m ON {_SAME_RECORD.format(l='m', r='h')}",
        )
    few = replace(
        inputs,
        rid="s.rid",
        hints="near_hint" if inputs.hints else None,
        **{
            part: f"near_{getattr(inputs, part)}"
            for part in ("names", "organisations", "places")
            if getattr(inputs, part) in near
        },
    )
    read(engine, spec, model, few, records="moved_record", into="said")
    columns = ", ".join(("rid", *RECORD, *(name for name, _ in spec.columns)))
    # Where all that moved came, nothing need be left out of what was there.
    stayed = " WHERE rid NOT IN (SELECT rid FROM was)" if _count(engine.con, "was") else ""
    engine.con.execute(
        f"CREATE OR REPLACE TEMP VIEW present AS SELECT {columns} FROM {names.record}{stayed} "
        f"UNION ALL SELECT {columns} FROM said"
    )
    if spec.vote:
        _numbers(engine, names)
    for phone in spec.phones:
        engine.table(
            "moved_phone",
            f"SELECT {phone} AS phone FROM was WHERE {phone} IS NOT NULL UNION SELECT {phone} FROM said WHERE {phone} IS NOT NULL",
        )
    judge(engine, spec, rows="present", numbers="moved_number" if spec.vote else None, phones="moved_phone")
    finish(engine, spec, model, records="said", into="delta")
    _detach(engine, "delta", "present")


def _numbers(engine: DuckEngine, names: State) -> None:
    """Make `moved_number` (number): numbers on which the vote may turn.

    Those on records that moved, and those beside whose rows a name of the same sound stands with one of these at one
    phone or home.
    """
    engine.table(
        "own_number",
        "SELECT number FROM was WHERE number IS NOT NULL UNION SELECT number FROM said WHERE number IS NOT NULL",
    )
    # Rows as they were count too: what they stood for falls with them.
    used = "name_sound, phone, residence_flat, number"
    rows = f"(SELECT {used} FROM {names.record} UNION ALL SELECT {used} FROM said)"
    engine.table(
        "named_home",
        f"SELECT DISTINCT name_sound, phone, residence_flat FROM {rows} WHERE number IN (SELECT number FROM own_number)",
    )
    # Those of a name of the same sound are few: phone and home are looked at among them.
    engine.table(
        "same_sound",
        f"SELECT * FROM {rows} WHERE number IS NOT NULL AND name_sound IN (SELECT name_sound FROM named_home)",
    )
    engine.table(
        "moved_number",
        "SELECT number FROM own_number UNION "
        "SELECT c.number FROM same_sound c JOIN named_home h ON h.name_sound = c.name_sound AND h.phone = c.phone "
        "UNION SELECT c.number FROM same_sound c "
        "JOIN named_home h ON h.name_sound = c.name_sound AND h.residence_flat = c.residence_flat",
    )
    engine.drop("same_sound")


def _hit_blocks(engine: DuckEngine, model: Model, names: State) -> None:
    """Make `block` (rule, k, rid): all records that did not move in the blocks of those that did, and `crossed` (rule, k, hub).

    `crossed` has the size of each such block before and after.
    """
    keys = {rule.name: f"k_{rule.name}" for rule in model.blocking}
    engine.table(
        "old_key",
        " UNION ALL ".join(
            f"SELECT '{n}' AS rule, {k} AS k, rid FROM was WHERE {k} IS NOT NULL" for n, k in keys.items()
        ),
    )
    engine.table(
        "new_key",
        " UNION ALL ".join(
            f"SELECT '{n}' AS rule, {k} AS k, rid FROM delta WHERE {k} IS NOT NULL" for n, k in keys.items()
        ),
    )
    engine.table("moved_key", "SELECT rule, k FROM old_key UNION SELECT rule, k FROM new_key")
    engine.table(
        "block",
        " UNION ALL ".join(
            f"SELECT '{n}' AS rule, {k} AS k, rid FROM {names.record} WHERE {k} IN (SELECT k FROM moved_key WHERE rule = '{n}')"
            for n, k in keys.items()
        ),
    )
    if _count(engine.con, "was"):
        engine.con.execute("DELETE FROM block WHERE rid IN (SELECT rid FROM was)")
    caps = ", ".join(f"('{rule.name}', {rule.cap})" for rule in model.blocking)
    sides = " UNION ALL ".join(
        f"SELECT rule, k, {side} AS side FROM {keys_of}"
        for side, keys_of in ((0, "block"), (-1, "old_key"), (1, "new_key"))
    )
    engine.table(
        "crossed",
        "SELECT rule, k, count(*) FILTER (side <= 0) > any_value(cap) AS was_hub, "
        f"count(*) FILTER (side >= 0) > any_value(cap) AS is_hub FROM ({sides}) JOIN (VALUES {caps}) c(rule, cap) USING (rule) "
        "GROUP BY rule, k",
    )


def _turned_sql(spec: Spec, names: State) -> str:
    """Records that did not change but mean something else now: a vote turned, a phone or key crossed its bound."""
    parts = [
        "SELECT b.rid FROM block b JOIN crossed c ON c.rule = b.rule AND c.k = b.k WHERE c.was_hub <> c.is_hub",
    ]
    if spec.vote:
        parts.append(
            f"SELECT f.rid FROM {names.foreign} f JOIN {names.record} c ON c.rid = f.rid JOIN moved_number n ON n.number = c.number "
            "WHERE f.rid NOT IN (SELECT rid FROM foreign_rid)"
        )
        parts.append(f"SELECT rid FROM foreign_rid WHERE rid NOT IN (SELECT rid FROM {names.foreign})")
    parts += [
        f"SELECT c.rid FROM {names.record} c JOIN moved_phone p ON p.phone = c.{phone} "
        f"LEFT JOIN many_{phone} m ON m.phone = c.{phone} WHERE c.{phone}_shared <> (m.phone IS NOT NULL)"
        for phone in spec.phones
    ]
    return " UNION ".join(parts)


def _score(engine: DuckEngine, model: Model, names: State) -> None:
    """Make `scored` of the pairs of the records that moved, with each other and with all others in their blocks.

    Also `partner`, the records of these pairs and of `two_pair`, which are weighed once `scored` was read.
    """
    engine.table(
        "pair",
        "SELECT DISTINCT least(l, r) AS l, greatest(l, r) AS r FROM ("
        "SELECT n.rid AS l, b.rid AS r FROM new_key n JOIN block b USING (rule, k) JOIN crossed c USING (rule, k) WHERE NOT c.is_hub "
        "UNION ALL SELECT n.rid, o.rid FROM new_key n JOIN new_key o USING (rule, k) JOIN crossed c USING (rule, k) "
        "WHERE NOT c.is_hub AND n.rid < o.rid)",
    )
    propose(engine, model, names)
    engine.con.execute(f"DELETE FROM {names.two} t USING moved_key m WHERE m.rule = t.rule AND m.k = t.k")
    unused = ", ".join((*RECORD, *(f"k_{rule.name}" for rule in model.blocking)))
    engine.table(
        "partner",
        f"SELECT * EXCLUDE ({unused}) FROM {names.record} WHERE rid IN (SELECT unnest([l, r]) FROM pair "
        "UNION SELECT unnest([l, r]) FROM two_pair)",
    )
    score_listed(engine, model, pairs="pair", records="partner")


def _affected(engine: DuckEngine, model: Model, changes: Changes, names: State) -> None:
    """Make `affected`: the records of every component that is hit, and those that moved.

    A component is hit through a record that was in it, a new pair, an equal label, a judgement, or a record that follows
    one of its entities by decision.
    """
    con = engine.con
    con.execute(
        f"INSERT INTO hit SELECT component FROM {names.cluster} WHERE rid IN (SELECT unnest([l, r]) FROM scored "
        f"WHERE weight >= {model.thresholds.link} UNION SELECT unnest([l, r]) FROM judged "
        f"WHERE l IN (SELECT rid FROM moved) OR r IN (SELECT rid FROM moved) UNION SELECT rid FROM {names.record} "
        "WHERE label IN (SELECT label FROM delta WHERE label IS NOT NULL))"
    )
    while True:
        engine.table(
            "affected",
            f"SELECT rid FROM {names.cluster} WHERE component IN (SELECT component FROM hit) UNION SELECT rid FROM moved",
        )
        if not _count(con, changes.together):
            return
        # Records that follow a master id by decision belong to the components that hold it.
        follow, hold = changes.together, changes.known
        engine.table(
            "follower",
            f"SELECT component FROM {names.cluster} WHERE component NOT IN (SELECT component FROM hit) AND rid IN ("
            f"SELECT h.rid FROM {hold} h JOIN {follow} t USING (master_id) WHERE t.rid IN (SELECT rid FROM affected) "
            f"UNION SELECT t.rid FROM {follow} t JOIN {hold} h USING (master_id) WHERE h.rid IN (SELECT rid FROM affected))",
        )
        if not _count(con, "follower"):
            return
        con.execute("INSERT INTO hit SELECT component FROM follower")
