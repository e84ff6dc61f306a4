"""The linkage of one entity, start to end (链接流程): comparable records, weighed pairs, clusters.

Every step is SQL on an engine or a function on Arrow tables, so the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from linkage.clustering import Clusters, Graph, Guard, cluster, components
from linkage.comparable import Inputs, Spec, build
from linkage.compare_pairs import score_all
from linkage.comparison import kind_of
from linkage.engine import Engine
from linkage.model import Model

NODE = "coalesce(label, rid)"
"""A node of the graph: all records of one valid identifier, or one record without."""


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
        records: comparable records; whole components only.
        edges: weighed pairs (l, r, weight).
        judged: what persons decided (l, r, judgement), both records among `records`.
    """
    engine.table("node_edge", _node_edges(model, records, edges))
    decided = pa.table({"l": [], "r": [], "judgement": []})
    ends = "SELECT l FROM node_edge UNION SELECT r FROM node_edge"
    if judged:
        engine.table(
            "node_judged",
            f"SELECT coalesce(a.label, a.rid) AS l, coalesce(b.label, b.rid) AS r, j.judgement FROM {judged} j "
            f"JOIN {records} a ON a.rid = j.l JOIN {records} b ON b.rid = j.r",
        )
        decided = engine.arrow("SELECT * FROM node_judged")
        ends += " UNION SELECT l FROM node_judged UNION SELECT r FROM node_judged"
    parts = "".join(f", min({column}) AS {column}" for column in guarded(model))
    engine.table(
        "node",
        f"SELECT {NODE} AS node, count(*) AS size, max(CASE WHEN label IS NULL THEN 0 ELSE 1 END) AS labelled{parts} "
        f"FROM {records} WHERE {NODE} IN ({ends}) GROUP BY {NODE}",
    )
    nodes, pairs = engine.arrow("SELECT * FROM node ORDER BY node"), engine.arrow("SELECT * FROM node_edge")
    graph = _graph(model, nodes, pairs, decided)
    found = cluster(graph, model.thresholds)
    engine.put("node_cluster", _named(nodes, graph, found))
    engine.put("stopped", _stopped(pairs, found))
    engine.table(
        "clustered",
        f"SELECT c.rid, coalesce(n.component, {NODE}) AS component, coalesce(n.cluster, {NODE}) AS cluster, "
        "CASE WHEN c.label IS NOT NULL THEN 'anchor' WHEN n.joined THEN 'match' ELSE 'single' END AS rule "
        f"FROM (SELECT rid, label FROM {records}) c LEFT JOIN node_cluster n ON n.node = {NODE}",
    )
    engine.drop("node", "node_edge", "node_judged", "node_cluster")


def guarded(model: Model) -> list[str]:
    """Return the columns that a model's guards look at, each once."""
    return list(dict.fromkeys(column for guard in model.guards for column in guard.on))


def _node_edges(model: Model, records: str, edges: str) -> str:
    return (
        "SELECT least(l, r) AS l, greatest(l, r) AS r, max(weight) AS weight FROM ("
        f"SELECT coalesce(a.label, a.rid) AS l, coalesce(b.label, b.rid) AS r, s.weight FROM {edges} s "
        f"JOIN {records} a ON a.rid = s.l JOIN {records} b ON b.rid = s.r WHERE s.weight >= {model.thresholds.link}) e "
        "WHERE l <> r GROUP BY least(l, r), greatest(l, r)"
    )


def _graph(model: Model, nodes: pa.Table, edges: pa.Table, decided: pa.Table) -> Graph:
    names = nodes["node"].to_numpy()
    left, right = (np.searchsorted(names, edges[side].to_numpy()) for side in ("l", "r"))
    guards = tuple(
        Guard(np.column_stack([nodes[c].fill_null(-1).to_numpy().astype(np.int64) for c in g.on]), g.agree)
        for g in model.guards
    )
    pairs: dict[str, list[tuple[int, int]]] = {"positive": [], "negative": []}
    for row in decided.to_pylist():  # what persons decided, never many
        if row["judgement"] in pairs and row["l"] != row["r"]:
            ends = np.searchsorted(names, np.array([row["l"], row["r"]], dtype=names.dtype))
            pairs[row["judgement"]].append((int(ends[0]), int(ends[1])))
    return Graph(
        size=nodes["size"].to_numpy().astype(np.int64),
        labelled=nodes["labelled"].to_numpy() > 0,
        left=left.astype(np.int64),
        right=right.astype(np.int64),
        weight=edges["weight"].to_numpy().astype(np.float64),
        guards=guards,
        joined=tuple(pairs["positive"]),
        apart=tuple(pairs["negative"]),
    )


def _named(nodes: pa.Table, graph: Graph, found: Clusters) -> pa.Table:
    """Name each cluster and component by its smallest node."""
    names = nodes["node"].to_numpy()
    joined = np.array(graph.joined, dtype=np.int64).reshape(-1, 2)
    component = components(len(names), np.r_[graph.left, joined[:, 0]], np.r_[graph.right, joined[:, 1]])
    several = np.bincount(found.of, minlength=len(names))[found.of] > 1
    return pa.table({"node": names, "component": names[component], "cluster": names[found.of], "joined": several})


def _stopped(edges: pa.Table, found: Clusters) -> pa.Table:
    """The edges that wait for a person."""
    reason = np.where(found.ambiguous, "ambiguous", "bridge")
    table = edges.append_column("reason", pa.array(reason, pa.string()))
    return table.filter(pa.array(found.ambiguous | found.bridge))
