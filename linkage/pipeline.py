"""The linkage of one entity, start to end (链接流程): comparable records, weighed pairs, clusters.

Every step is SQL on an engine or a function on Arrow tables, so the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from linkage.clustering import Clusters, Floats, Graph, Guard, Ints, cluster
from linkage.comparable import Inputs, Spec, build
from linkage.compare_pairs import score
from linkage.engine import Engine
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
    """Make `clustered` (rid, cluster, rule) and `question` (left, right, weight, reason) from `scored` and `judged`.

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
    parts = ", ".join(f"min({column}) AS {column}" for guard in model.guards for column in guard.on)
    engine.table(
        "node",
        f"SELECT {NODE} AS node, count(*) AS size, max(CASE WHEN label IS NULL THEN 0 ELSE 1 END) AS labelled"
        f"{', ' if parts else ''}{parts} FROM {records} WHERE {NODE} IN (SELECT l FROM node_edge UNION SELECT r FROM node_edge) "
        f"GROUP BY {NODE}",
    )
    nodes, edges = engine.arrow("SELECT * FROM node ORDER BY node"), engine.arrow("SELECT * FROM node_edge")
    graph = _graph(model, nodes, edges)
    found = cluster(graph, model.thresholds)
    engine.put("node_cluster", _named(nodes, found))
    engine.put("stopped", _stopped(edges, found))
    engine.table(
        "clustered",
        f"SELECT c.rid, coalesce(n.cluster, {NODE}) AS cluster, CASE WHEN c.label IS NOT NULL THEN 'anchor' "
        "WHEN n.cluster IS NOT NULL THEN 'match' ELSE 'single' END AS rule "
        f"FROM (SELECT rid, label FROM {records}) c LEFT JOIN node_cluster n ON n.node = {NODE}",
    )
    engine.drop("node", "node_edge")


def _graph(model: Model, nodes: pa.Table, edges: pa.Table) -> Graph:
    names = nodes["node"].to_numpy()
    left, right = (np.searchsorted(names, edges[side].to_numpy()) for side in ("l", "r"))
    guards = tuple(
        Guard(np.column_stack([nodes[c].fill_null(-1).to_numpy().astype(np.int64) for c in g.on]), g.agree)
        for g in model.guards
    )
    weight: Floats = edges["weight"].to_numpy().astype(np.float64)
    size: Ints = nodes["size"].to_numpy().astype(np.int64)
    return Graph(size, nodes["labelled"].to_numpy() > 0, left, right, weight, guards)


def _named(nodes: pa.Table, found: Clusters) -> pa.Table:
    """Name each cluster by its smallest node; a node that is alone needs no row."""
    names = nodes["node"].to_numpy()
    size = np.bincount(found.of, minlength=len(names))
    several = size[found.of] > 1
    return pa.table({"node": names[several], "cluster": names[found.of[several]]})


def _stopped(edges: pa.Table, found: Clusters) -> pa.Table:
    """The edges that wait for a person."""
    reason = np.where(found.ambiguous, "ambiguous", "bridge")
    table = edges.append_column("reason", pa.array(reason, pa.string()))
    return table.filter(pa.array(found.ambiguous | found.bridge))
