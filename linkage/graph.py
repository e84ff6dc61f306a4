"""From nodes and edges as tables to clusters as tables: the frame that both engines put around `linkage.clustering`.

`solve` looks at any number of whole components at once, and what it says of one does not depend on the others: DuckDB
hands it everything, Spark a share of the components at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.clustering import Clusters, Graph, Guard, Ints, cluster, components
from linkage.model import Model

if TYPE_CHECKING:
    from linkage.engine import Engine

UNJUDGED: Final = pa.table({"l": pa.nulls(0), "r": pa.nulls(0), "judgement": pa.nulls(0)})
"""No judgements."""


def cluster_here(engine: Engine, model: Model, *, judged: bool) -> None:
    """Make `node_cluster` and `stopped` of the whole graph in this process: nodes with an edge are few beside the records."""
    nodes, edges = engine.arrow("SELECT * FROM node"), engine.arrow("SELECT * FROM node_edge")
    decided = engine.arrow("SELECT * FROM node_judged") if judged else UNJUDGED
    named, stopped = solve(model, nodes, edges, decided)
    engine.put("node_cluster", named)
    engine.put("stopped", stopped)


def solve(model: Model, nodes: pa.Table, edges: pa.Table, decided: pa.Table = UNJUDGED) -> tuple[pa.Table, pa.Table]:
    """Return the clusters (node, component, cluster, joined) and the edges that wait for a person (l, r, weight, reason).

    Clusters and components are named by their first node. First is what `first` says: between equal weights the order of
    the nodes decides, and no code of a hash function may, for each engine has another.

    Args:
        model: whose thresholds and guards decide.
        nodes: node, first (name of its first record), size, labelled, columns of the guards.
        edges: l, r (nodes, each pair once), weight; from the link threshold on.
        decided: what persons decided of nodes (l, r, judgement).
    """
    nodes = nodes.take(pc.sort_indices(nodes, [("first", "ascending"), ("node", "ascending")]))
    graph = _graph(model, nodes, edges, decided)
    found = cluster(graph, model.thresholds)
    return _named(nodes, graph, found), _stopped(edges, found)


def guarded(model: Model) -> list[str]:
    """Return the columns that a model's guards look at, each once."""
    return list(dict.fromkeys(column for guard in model.guards for column in guard.on))


def contested_sql(model: Model) -> str:
    """Return the SQL, over the nodes of a component, that is true where anything could stand against their being one.

    Where it is false nothing needs to be looked at: the component is one cluster.
    """
    tests = ["sum(n.labelled) > 1", *(f"min(n.{column}) <> max(n.{column})" for column in guarded(model))]
    if least := model.thresholds.established:
        # Room for two established entities, of which one at least is established by its number of records.
        tests.append(f"sum(CASE WHEN n.labelled = 1 THEN {least} ELSE n.size END) >= {2 * least}")
    return f"coalesce({' OR '.join(tests)}, false)"


def _graph(model: Model, nodes: pa.Table, edges: pa.Table, decided: pa.Table) -> Graph:
    names = nodes["node"].combine_chunks()
    one, other = (_places(edges[side], names) for side in ("l", "r"))
    pairs: dict[str, list[tuple[int, int]]] = {"positive": [], "negative": []}
    for row in decided.to_pylist():  # what persons decided, never many
        if row["judgement"] in pairs and row["l"] != row["r"]:
            ends = _places(pa.array([row["l"], row["r"]], names.type), names)
            pairs[row["judgement"]].append((int(ends[0]), int(ends[1])))
    return Graph(
        size=nodes["size"].to_numpy().astype(np.int64),
        labelled=nodes["labelled"].to_numpy() > 0,
        left=np.minimum(one, other),
        right=np.maximum(one, other),
        weight=edges["weight"].to_numpy().astype(np.float64),
        guards=tuple(Guard(np.column_stack([_numbers(nodes[c]) for c in g.on]), g.agree) for g in model.guards),
        joined=tuple(pairs["positive"]),
        apart=tuple(pairs["negative"]),
    )


def _places(values: pa.Array | pa.ChunkedArray, names: pa.Array) -> Ints:
    return np.asarray(pc.index_in(values, names).to_numpy(zero_copy_only=False).astype(np.int64))


def _numbers(column: pa.ChunkedArray) -> Ints:
    """Number the distinct values of a guard's part, -1 where unknown: guards ask only whether values are equal."""
    indices = pc.dictionary_encode(column.combine_chunks()).indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64))


def _named(nodes: pa.Table, graph: Graph, found: Clusters) -> pa.Table:
    names = nodes["node"].to_numpy()
    joined = np.array(graph.joined, dtype=np.int64).reshape(-1, 2)
    component = components(len(names), np.r_[graph.left, joined[:, 0]], np.r_[graph.right, joined[:, 1]])
    several = np.bincount(found.of, minlength=len(names))[found.of] > 1
    return pa.table({"node": names, "component": names[component], "cluster": names[found.of], "joined": several})


def _stopped(edges: pa.Table, found: Clusters) -> pa.Table:
    """The edges that wait for a person."""
    reason = np.where(found.ambiguous, "ambiguous", "bridge")
    table = edges.select(["l", "r", "weight"]).append_column("reason", pa.array(reason, pa.string()))
    return table.filter(pa.array(found.ambiguous | found.bridge))
