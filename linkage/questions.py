"""What linking tells of its reasons: the evidence that holds records together, and the questions for a person (复核).

Of the many weighed pairs one per record is told, the heaviest that ties it to its cluster: it says why the record is
there. A question is a pair that may be one and is not joined: uncertain, stopped by a constraint, or alike under two numbers; one for each two
clusters, the heaviest.
"""

from __future__ import annotations

from linkage.compare_pairs import levels_of
from linkage.engine import DuckEngine
from linkage.model import Model
from linkage.state import State
from linkage.two_numbers import two_numbers_sql


def tell_evidence(engine: DuckEngine, names: State) -> None:
    """Make `evidence_fresh` (l, r, weight, rule) and `evidence_gone` (l, r) of the affected records, and remember.

    Reads `affected` (rid) and the state. Records with one valid identifier need no evidence: the crosswalk says it.
    """
    near = "l IN (SELECT rid FROM affected) OR r IN (SELECT rid FROM affected)"
    engine.table("near_edge", f"SELECT l, r, weight FROM {names.edge} WHERE {near}")
    engine.table("two_numbers", two_numbers_sql(names))
    # Of all records and clusters these are read once.
    engine.table("near_rid", "SELECT unnest([l, r]) AS rid FROM near_edge UNION SELECT unnest([l, r]) FROM two_numbers")
    engine.table(
        "near_cluster", f"SELECT rid, cluster, rule FROM {names.cluster} WHERE rid IN (SELECT rid FROM near_rid)"
    )
    engine.table(
        "evidence_now",
        "SELECT DISTINCT least(mine, other) AS l, greatest(mine, other) AS r, weight, 'match' AS rule FROM ("
        "SELECT e.mine, e.other, e.weight, row_number() OVER (PARTITION BY e.mine ORDER BY e.weight DESC, e.other) AS place "
        "FROM (SELECT l AS mine, r AS other, weight FROM near_edge UNION ALL SELECT r, l, weight FROM near_edge) e "
        "JOIN near_cluster a ON a.rid = e.mine AND a.rule = 'match' JOIN near_cluster b ON b.rid = e.other "
        "WHERE a.cluster = b.cluster AND e.mine IN (SELECT rid FROM affected)) WHERE place = 1",
    )
    engine.table("evidence_told", f"SELECT * FROM {names.evidence} WHERE {near}")
    engine.table("evidence_fresh", "SELECT * FROM evidence_now EXCEPT SELECT * FROM evidence_told")
    engine.table(
        "evidence_gone", "SELECT t.l, t.r FROM evidence_told t ANTI JOIN evidence_now n ON n.l = t.l AND n.r = t.r"
    )
    if engine.con.execute("SELECT 1 FROM evidence_told LIMIT 1").fetchall():
        engine.con.execute(
            f"DELETE FROM {names.evidence} t USING (SELECT l, r FROM evidence_gone UNION SELECT l, r FROM evidence_fresh) n "
            "WHERE t.l = n.l AND t.r = n.r"
        )
    engine.con.execute(f"INSERT INTO {names.evidence} SELECT * FROM evidence_fresh")
    engine.drop("evidence_now", "evidence_told")


def ask(engine: DuckEngine, model: Model, names: State) -> None:
    """Make `question` (l, r, weight, reason, gain, compared): one pair of records for each two clusters that may be one.

    Two entities with a valid identifier each that are otherwise very alike are asked about too (`two_numbers`).

    `gain` is what an answer is expected to change: the records of the smaller cluster times the odds that they move. Reads
    `affected`, `stopped` (pairs of nodes) and what `tell_evidence` left: `near_edge`, `two_numbers`, `near_cluster`.
    """
    engine.table(
        "near_node",
        "SELECT rid, coalesce(label, rid) AS node "
        f"FROM {names.record} WHERE rid IN (SELECT unnest([l, r]) FROM near_edge)",
    )
    engine.table(
        "open_edge",
        "SELECT e.l, e.r, e.weight, a.cluster AS one, b.cluster AS other, coalesce(s.reason, 'uncertain') AS reason "
        "FROM near_edge e JOIN near_node x ON x.rid = e.l JOIN near_node y ON y.rid = e.r "
        "JOIN near_cluster a ON a.rid = e.l JOIN near_cluster b ON b.rid = e.r "
        "LEFT JOIN stopped s ON s.l = least(x.node, y.node) AND s.r = greatest(x.node, y.node) "
        "WHERE a.cluster <> b.cluster "
        # What could be joined and was not, without a constraint in the way, lost to a better partner.
        f"AND (s.reason IS NOT NULL OR e.weight < {model.thresholds.link}) "
        "UNION ALL SELECT t.l, t.r, t.weight, a.cluster, b.cluster, 'two_numbers' FROM two_numbers t "
        "JOIN near_cluster a ON a.rid = t.l JOIN near_cluster b ON b.rid = t.r WHERE a.cluster <> b.cluster",
    )
    engine.table(
        "cluster_size",
        f"SELECT cluster, count(*) AS n FROM {names.cluster} WHERE cluster IN (SELECT one FROM open_edge UNION SELECT other FROM open_edge) "
        "GROUP BY cluster",
    )
    engine.table(
        "question",
        "SELECT q.l, q.r, q.weight, q.reason, least(a.n, b.n) / (1 + pow(2, -q.weight)) AS gain FROM ("
        "SELECT *, row_number() OVER (PARTITION BY least(one, other), greatest(one, other) ORDER BY weight DESC, l, r) AS place "
        "FROM open_edge) q JOIN cluster_size a ON a.cluster = q.one JOIN cluster_size b ON b.cluster = q.other WHERE q.place = 1",
    )
    engine.drop("near_edge", "near_rid", "near_node", "near_cluster", "open_edge", "cluster_size", "two_numbers")
    _tell_levels(engine, model, names)


def _tell_levels(engine: DuckEngine, model: Model, names: State) -> None:
    """Add `compared` to the questions: the level of each comparison as JSON, without a value of a record.

    Whoever answers sees by it how the weight comes about (`linkage.explain.take_apart`), where the records are not at hand.
    """
    levels_of(engine, model, pairs="question", records=names.record)
    said = [f"g_{c.name}" for c in model.comparisons] + [f"rarity_{c.name}" for c in model.comparisons if c.frequency]
    told = ", ".join(f"'\"{name}\":' || s.{name}" for name in said)
    engine.table(
        "question",
        f"SELECT q.*, '{{' || concat_ws(',', {told}) || '}}' AS compared FROM question q JOIN scored s USING (l, r)",
    )
    engine.drop("scored")
