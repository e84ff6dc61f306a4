"""The linkage of one entity, start to end (链接流程): comparable records, weighed pairs, clusters.

Every step is SQL on an engine or a function on Arrow tables, so the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

from linkage.comparable import Inputs, Spec, build, record_name
from linkage.compare_pairs import score
from linkage.engine import Engine
from linkage.graph import guard_columns
from linkage.model import Model

NODE = "coalesce(label, rid)"
"""A node of the graph: all records of one valid identifier, or one record without."""


def link(engine: Engine, spec: Spec, model: Model, inputs: Inputs) -> None:
    """Link all records of an entity: make `comparable`, `scored` and `clustered` (rid, cluster, rule)."""
    build(engine, spec, model, inputs, records=inputs.records, into="comparable")
    engine.table("unlabelled", "SELECT * FROM comparable WHERE label IS NULL")
    # A pair of two records without identifiers is found from both sides; the smaller one keeps it.
    once = "(r.label IS NOT NULL OR l.rid < r.rid)"
    score(engine, model, proposers="unlabelled", records="comparable", once=once)
    engine.drop("unlabelled")
    group(engine, model, records="comparable")


def group(engine: Engine, model: Model, *, records: str) -> None:
    """Make `clustered` (rid, cluster, rule) and `stopped` (l, r, weight, reason) from `scored` and `judged`.

    Args:
        engine: holds `scored` (l, r, weight) and may hold `judged` (l, r, judgement).
        model: whose thresholds decide.
        records: the comparable records; all that share a component with any edge.
    """
    engine.table(
        "node_edge",
        "SELECT least(l, r) AS l, greatest(l, r) AS r, max(weight) AS weight FROM ("
        "SELECT coalesce(a.label, a.rid) AS l, coalesce(b.label, b.rid) AS r, s.weight FROM scored s "
        f"JOIN {records} a ON a.rid = s.l JOIN {records} b ON b.rid = s.r WHERE s.weight >= {model.thresholds.link}) e "
        "WHERE l <> r GROUP BY least(l, r), greatest(l, r)",
    )
    parts = ", ".join(f"min({column}) AS {column}" for column in guard_columns(model))
    engine.table(
        "node",
        f"SELECT {NODE} AS node, min({record_name()}) AS first, count(*) AS size, max(CASE WHEN label IS NULL THEN 0 ELSE 1 END) AS labelled"
        f"{', ' if parts else ''}{parts} FROM {records} WHERE {NODE} IN (SELECT l FROM node_edge UNION SELECT r FROM node_edge) "
        f"GROUP BY {NODE}",
    )
    engine.clusters(model)
    engine.table(
        "clustered",
        f"SELECT c.rid, coalesce(n.cluster, {NODE}) AS cluster, CASE WHEN c.label IS NOT NULL THEN 'anchor' "
        "WHEN n.cluster IS NOT NULL THEN 'match' ELSE 'single' END AS rule "
        f"FROM (SELECT rid, label FROM {records}) c LEFT JOIN node_cluster n ON n.node = {NODE}",
    )
    engine.drop("node", "node_edge")

