"""Linking what changed (增量链接): a delta touches only the components that it hits, and gives what linking all would give.

1. Which records must be looked at again: those that changed, and those whose meaning changed with them (a vote on a number
   turned, a phone became an office's, a blocking key became a hub, a person decided).
2. Their pairs with all records are weighed; pairs of records that did not change keep their weight.
3. The components they were in, and those they are in now, are clustered again; the rest stays as it is.

Clusters are a function of a component's records and edges alone, so this equals a full run (tests/linkage).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from linkage import state as remembered
from linkage.comparable import Among, Inputs, Spec, build, record_id
from linkage.compare_pairs import score
from linkage.engine import DuckEngine
from linkage.model import Model
from linkage.pipeline import group, score_all
from linkage.state import State, fill


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last run.

    Attributes:
        touched: relation (system_id, record_key) of records that came, changed or went.
        texts: relation (text) of address texts whose place changed; None = none.
        judgements: relation (left_system, left_key, left_role, right_system, right_key, right_role, judgement) of what
            persons decided, all of it.
        together: relation (rid, master_id) of records that follow a master id by decision.
        known: relation (rid, master_id) with the last crosswalk of this entity.
    """

    touched: str
    judgements: str
    together: str
    known: str
    texts: str | None = None


def relink(con: duckdb.DuckDBPyConnection, spec: Spec, model: Model, inputs: Inputs, changes: Changes) -> bool:
    """Bring the state up to date; make `affected` (rid) and `clustered`, `stopped` of the affected records.

    Returns True when everything was linked anew (no state, or that of another model).
    """
    engine, names = DuckEngine(con), State(spec.entity_type)
    engine.table("judged", _judged_sql(changes))
    everything = not remembered.current(con, spec, model)
    if everything:
        _link_all(engine, spec, model, inputs, names)
    else:
        _link_changed(engine, spec, model, inputs, changes, names)
    fill(con, names.judged, "SELECT * FROM judged")
    whole = names.record if everything else "affected_record"
    pairs = names.edge if everything else "affected_edge"
    if not everything:
        engine.table("affected_record", f"SELECT * FROM {names.record} WHERE rid IN (SELECT rid FROM affected)")
        engine.table("affected_edge", f"SELECT * FROM {names.edge} WHERE l IN (SELECT rid FROM affected)")
    group(engine, model, records=whole, edges=pairs, judged="judged")
    if everything:
        fill(con, names.cluster, "SELECT * FROM clustered")
        remembered.mark(con, spec, model)
    else:
        con.execute(f"DELETE FROM {names.cluster} WHERE rid IN (SELECT rid FROM affected)")
        con.execute(f"INSERT INTO {names.cluster} SELECT * FROM clustered")
    engine.drop("affected_edge", "delta", "moved", "proposer", "scored", "hub")
    return everything


def _judged_sql(changes: Changes) -> str:
    """The judgements by the numbers of the records."""
    sides = (f"hash(j.{s}_system, j.{s}_key, j.{s}_role)" for s in ("left", "right"))
    left, right = sides
    return f"SELECT {left} AS l, {right} AS r, j.judgement FROM {changes.judgements} j"


def _link_all(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, names: State) -> None:
    build(engine, spec, model, inputs, records=inputs.records, into="comparable")
    _detach(engine, "comparable", "comparable")
    fill(engine.con, names.record, "SELECT * FROM comparable")
    fill(
        engine.con,
        names.foreign,
        "SELECT rid FROM foreign_rid" if spec.vote else "SELECT 0::UBIGINT AS rid WHERE false",
    )
    engine.drop("comparable")
    score_all(engine, model, records=names.record)
    fill(engine.con, names.edge, "SELECT l, r, weight FROM scored")
    fill(engine.con, names.evidence, "SELECT l, r, weight, '' AS rule FROM scored WHERE false")
    engine.table("affected", f"SELECT rid FROM {names.record}")


def _detach(engine: DuckEngine, records: str, among: str) -> None:
    """Take the label off records that a person kept apart from others of the same number.

    Of the two, the one loses it whose name fewer rows of the number have.
    """
    pairs = engine.arrow(
        f"SELECT a.rid AS l, b.rid AS r, a.number, a.name AS l_name, b.name AS r_name FROM judged j "
        f"JOIN {among} a ON a.rid = j.l JOIN {among} b ON b.rid = j.r WHERE j.judgement = 'negative' AND a.number = b.number"
    )
    if not pairs.num_rows:
        return
    engine.put("split_number", pairs)
    engine.con.execute(
        f"UPDATE {records} SET label = NULL WHERE rid IN (SELECT CASE WHEN l_rows < r_rows THEN l ELSE r END FROM ("
        f"SELECT p.l, p.r, count(*) FILTER (WHERE c.name = p.l_name) AS l_rows, count(*) FILTER (WHERE c.name = p.r_name) AS r_rows "
        f"FROM split_number p JOIN {among} c ON c.number = p.number GROUP BY p.l, p.r))"
    )
    engine.drop("split_number")


def _link_changed(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, changes: Changes, names: State) -> None:
    con = engine.con
    engine.table("moved", _moved_sql(spec, inputs, changes, names))
    while True:
        _rebuild(engine, spec, model, inputs, names)
        before = con.execute("SELECT count(*) FROM moved").fetchall()[0][0]
        engine.table("moved", f"SELECT rid FROM moved UNION {_turned_sql(spec, model, names)}")
        if con.execute("SELECT count(*) FROM moved").fetchall()[0][0] == before:
            break
    engine.table("hit", f"SELECT component FROM {names.cluster} WHERE rid IN (SELECT rid FROM moved)")
    con.execute(f"DELETE FROM {names.record} WHERE rid IN (SELECT rid FROM moved)")
    con.execute(f"INSERT INTO {names.record} SELECT * FROM delta")
    con.execute(f"DELETE FROM {names.edge} WHERE l IN (SELECT rid FROM moved) OR r IN (SELECT rid FROM moved)")
    if spec.vote:
        con.execute(f"DELETE FROM {names.foreign} WHERE rid IN (SELECT rid FROM moved)")
        con.execute(f"INSERT INTO {names.foreign} SELECT rid FROM foreign_rid WHERE rid IN (SELECT rid FROM moved)")
    score(engine, model, proposers="delta", records=names.record, once="true")
    con.execute(f"INSERT INTO {names.edge} SELECT DISTINCT least(l, r), greatest(l, r), weight FROM scored")
    _affected(engine, model, changes, names)


def _moved_sql(spec: Spec, inputs: Inputs, changes: Changes, names: State) -> str:
    """Records that changed or went, whose judgements changed, or whose place changed."""
    differ = f"(SELECT * FROM judged EXCEPT SELECT * FROM {names.judged}) UNION (SELECT * FROM {names.judged} EXCEPT SELECT * FROM judged)"
    parts = [
        f"SELECT rid FROM {names.record} JOIN {changes.touched} USING (system_id, record_key)",
        f"SELECT {record_id('s')} AS rid FROM {inputs.records} s JOIN {changes.touched} t USING (system_id, record_key)",
        f"SELECT unnest([l, r]) AS rid FROM ({differ})",
        # Which of the two loses the number depends on the other rows of the number: decided anew in each run.
        f"SELECT unnest([j.l, j.r]) FROM judged j JOIN {names.record} a ON a.rid = j.l JOIN {names.record} b ON b.rid = j.r "
        "WHERE j.judgement = 'negative' AND a.number = b.number",
    ]
    if changes.texts and spec.places:
        fields = " OR ".join(f"s.{f} IN (SELECT text FROM {changes.texts})" for f in spec.places)
        parts.append(f"SELECT {record_id('s')} AS rid FROM {inputs.records} s WHERE {fields}")
    return " UNION ".join(parts)


def _rebuild(engine: DuckEngine, spec: Spec, model: Model, inputs: Inputs, names: State) -> None:
    """Make `delta`, the comparable records of those that moved, judged among all that share a number or phone."""
    old = f"SELECT * FROM {names.record} WHERE rid IN (SELECT rid FROM moved)"
    engine.table("was", old)
    engine.table(
        "delta_record", f"SELECT s.* FROM {inputs.records} s WHERE {record_id('s')} IN (SELECT rid FROM moved)"
    )
    among = Among()
    if spec.vote:
        _numbers(engine, inputs, names)
        among = Among("moved_number")
    if spec.phones:
        field = spec.phones[0]
        engine.table(
            "moved_phone",
            f"SELECT phone FROM was WHERE phone IS NOT NULL UNION SELECT hash({field}) FROM delta_record WHERE {field} IS NOT NULL",
        )
        among = Among(among.numbers, "moved_phone")
    build(engine, spec, model, inputs, records="delta_record", into="delta", among=among)
    _detach(
        engine,
        "delta",
        f"(SELECT rid, number, name FROM {names.record} WHERE rid NOT IN (SELECT rid FROM moved) "
        "UNION ALL SELECT rid, number, name FROM delta)",
    )


def _numbers(engine: DuckEngine, inputs: Inputs, names: State) -> None:
    """Make `moved_number` (number): numbers on which the vote may turn.

    Those on records that moved, and those beside whose rows a name of the same sound stands with one of these at one phone or home.
    """
    engine.table(
        "own_number",
        "SELECT number FROM was WHERE number IS NOT NULL UNION SELECT hash(id_number) FROM delta_record WHERE id_number IS NOT NULL",
    )
    engine.table(
        "named_home",
        f"SELECT name_sound, phone, residence_flat FROM {names.record} WHERE number IN (SELECT number FROM own_number) "
        f"UNION SELECT hash(n.pinyin_fuzzy), CASE WHEN s.phone IS NOT NULL THEN hash(s.phone) END, p.flat FROM delta_record s "
        f"JOIN {inputs.names} n ON n.text = s.name LEFT JOIN {inputs.places} p ON p.text = s.residence_address "
        "WHERE s.id_number IS NOT NULL",
    )
    engine.table(
        "moved_number",
        "SELECT number FROM own_number UNION "
        f"SELECT c.number FROM {names.record} c JOIN named_home h ON h.name_sound = c.name_sound AND h.phone = c.phone "
        f"WHERE c.number IS NOT NULL UNION SELECT c.number FROM {names.record} c "
        "JOIN named_home h ON h.name_sound = c.name_sound AND h.residence_flat = c.residence_flat WHERE c.number IS NOT NULL",
    )


def _turned_sql(spec: Spec, model: Model, names: State) -> str:
    """Records that did not change but mean something else now: a vote turned, a phone or key crossed its bound."""
    parts = ["SELECT rid FROM moved"]
    if spec.vote:
        parts.append(
            f"SELECT f.rid FROM {names.foreign} f JOIN {names.record} c ON c.rid = f.rid JOIN moved_number n ON n.number = c.number "
            "WHERE f.rid NOT IN (SELECT rid FROM foreign_rid)"
        )
        parts.append(f"SELECT rid FROM foreign_rid WHERE rid NOT IN (SELECT rid FROM {names.foreign})")
    for field in spec.phones:
        parts.append(
            f"SELECT c.rid FROM {names.record} c JOIN moved_phone p ON p.phone = c.phone "
            f"LEFT JOIN many_{field} m ON m.phone = c.phone WHERE c.phone_shared <> (m.phone IS NOT NULL)"
        )
    for rule in model.blocking:
        key = f"k_{rule.name}"
        keys = f"SELECT {key} FROM was WHERE {key} IS NOT NULL UNION SELECT {key} FROM delta WHERE {key} IS NOT NULL"
        parts.append(
            f"SELECT c.rid FROM {names.record} c JOIN (SELECT b.k FROM (SELECT {key} AS k, count(*) AS n, "
            f"count(*) FILTER (WHERE rid IN (SELECT rid FROM moved)) AS old FROM {names.record} WHERE {key} IN ({keys}) GROUP BY {key}) b "
            f"LEFT JOIN (SELECT {key} AS k, count(*) AS n FROM delta GROUP BY {key}) d ON d.k = b.k "
            f"WHERE (b.n > {rule.cap}) <> (b.n - b.old + coalesce(d.n, 0) > {rule.cap})) x ON x.k = c.{key}"
        )
    return " UNION ".join(parts)


def _affected(engine: DuckEngine, model: Model, changes: Changes, names: State) -> None:
    """Make `affected`: the records of every component that is hit, and those that moved.

    A component is hit through a record that was in it, a new pair, an equal label, a judgement, or a record that follows
    one of its entities by decision.
    """
    con = engine.con
    con.execute(
        f"INSERT INTO hit SELECT component FROM {names.cluster} WHERE rid IN (SELECT unnest([l, r]) FROM scored "
        f"WHERE weight >= {model.thresholds.link} UNION SELECT unnest([l, r]) FROM judged "
        "WHERE l IN (SELECT rid FROM moved) OR r IN (SELECT rid FROM moved)) "
    )
    con.execute(
        f"INSERT INTO hit SELECT c.component FROM {names.cluster} c JOIN {names.record} r ON r.rid = c.rid "
        "WHERE r.label IN (SELECT label FROM delta WHERE label IS NOT NULL)"
    )
    while True:
        engine.table(
            "affected",
            f"SELECT rid FROM {names.cluster} WHERE component IN (SELECT component FROM hit) UNION SELECT rid FROM moved",
        )
        # Records that follow a master id by decision belong to the components that hold it.
        follow, hold = changes.together, changes.known
        engine.table(
            "follower",
            f"SELECT component FROM {names.cluster} WHERE component NOT IN (SELECT component FROM hit) AND rid IN ("
            f"SELECT h.rid FROM {hold} h JOIN {follow} t USING (master_id) WHERE t.rid IN (SELECT rid FROM affected) "
            f"UNION SELECT t.rid FROM {follow} t JOIN {hold} h USING (master_id) WHERE h.rid IN (SELECT rid FROM affected))",
        )
        if not con.execute("SELECT count(*) FROM follower").fetchall()[0][0]:
            return
        con.execute("INSERT INTO hit SELECT component FROM follower")
