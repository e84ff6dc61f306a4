"""The linkage of one entity, start to end (链接流程): comparable records, weighed pairs, clusters.

Every step is SQL on an engine or a function on Arrow tables, so the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

from dataclasses import replace

from linkage.comparable import Inputs, Spec, build
from linkage.compare_pairs import score_all
from linkage.comparison import kind_of
from linkage.engine import Engine
from linkage.graph import guarded
from linkage.model import Model

NODE = "coalesce(label, rid)"
"""A node of the graph: all records of one valid identifier, or one record without."""

NAME = "system_id || '/' || role || '/' || record_key"
"""A record's name as one text: it orders records in the same way everywhere, which no code does."""


def link(engine: Engine, spec: Spec, model: Model, inputs: Inputs) -> None:
    """Link all records of an entity: make `comparable`, `scored` and `clustered` (rid, component, cluster, rule)."""
    if inputs.hints is None:
        model = _without_hints(model)
    build(engine, spec, model, inputs, into="comparable")
    score_all(engine, model, records="comparable")
    group(engine, model, records="comparable", edges="scored")


def _without_hints(model: Model) -> Model:
    """The model without what only hints are compared with: no pair would have a level there."""
    idle = [c for c in model.comparisons if c.kind == "number"]
    columns = {f"{c.name}{suffix}" for c in idle for suffix in kind_of(c.kind).columns}
    return replace(
        model,
        comparisons=tuple(c for c in model.comparisons if c not in idle),
        blocking=tuple(rule for rule in model.blocking if columns.isdisjoint(rule.on)),
    )


def group(engine: Engine, model: Model, *, records: str, edges: str, judged: str | None = None) -> None:
    """Make `clustered` (rid, component, cluster, rule) and `stopped` (l, r, weight, reason: edges that wait for a person).

    Args:
        engine: where the tables are.
        model: whose thresholds and guards decide.
        records: comparable records with their names; whole components only.
        edges: weighed pairs (l, r, weight).
        judged: what persons decided (l, r, judgement), both records among `records`.
    """
    engine.table("node_edge", _node_edges(model, records, edges))
    ends = "SELECT l FROM node_edge UNION SELECT r FROM node_edge"
    if judged:
        engine.table(
            "node_judged",
            f"SELECT coalesce(a.label, a.rid) AS l, coalesce(b.label, b.rid) AS r, j.judgement FROM {judged} j "
            f"JOIN {records} a ON a.rid = j.l JOIN {records} b ON b.rid = j.r",
        )
        ends += " UNION SELECT l FROM node_judged UNION SELECT r FROM node_judged"
    parts = "".join(f", min({column}) AS {column}" for column in guarded(model))
    engine.table(
        "node",
        f"SELECT {NODE} AS node, min({NAME}) AS first, count(*) AS size, "
        f"max(CASE WHEN label IS NULL THEN 0 ELSE 1 END) AS labelled{parts} "
        f"FROM {records} WHERE {NODE} IN ({ends}) GROUP BY {NODE}",
    )
    engine.clusters(model, judged=judged is not None)
    engine.table(
        "clustered",
        f"SELECT c.rid, coalesce(n.component, {NODE}) AS component, coalesce(n.cluster, {NODE}) AS cluster, "
        "CASE WHEN c.label IS NOT NULL THEN 'anchor' WHEN n.joined THEN 'match' ELSE 'single' END AS rule "
        f"FROM (SELECT rid, label FROM {records}) c LEFT JOIN node_cluster n ON n.node = {NODE}",
    )
    engine.drop("node", "node_edge", "node_judged", "node_cluster")


def _node_edges(model: Model, records: str, edges: str) -> str:
    return (
        "SELECT least(l, r) AS l, greatest(l, r) AS r, max(weight) AS weight FROM ("
        f"SELECT coalesce(a.label, a.rid) AS l, coalesce(b.label, b.rid) AS r, s.weight FROM {edges} s "
        f"JOIN {records} a ON a.rid = s.l JOIN {records} b ON b.rid = s.r WHERE s.weight >= {model.thresholds.link}) e "
        "WHERE l <> r GROUP BY least(l, r), greatest(l, r)"
    )
