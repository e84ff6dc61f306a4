"""From nodes and edges as tables to clusters as tables: the frame that both engines put around `linkage.clustering`.

`solve` looks at any number of whole components at once and what it says of one does not depend on the others. DuckDB
hands it everything, Spark a share of the components at a time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.clustering import Clusters, Floats, Graph, Guard, Ints, cluster
from linkage.model import Model


def solve(model: Model, nodes: pa.Table, edges: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the clusters (node, cluster) and the edges that wait for a person (l, r, weight, reason).

    A node that is alone in its cluster has no row. Ties are settled by `first`, so no code of a hash function decides
    and every engine says the same.

    Args:
        model: whose thresholds and guards decide.
        nodes: node, first (name of its first record), size, labelled, columns of the guards.
        edges: l, r (nodes, each pair once), weight; from the link threshold on.
    """
    nodes = nodes.take(pc.sort_indices(nodes, [("first", "ascending"), ("node", "ascending")]))
    found = cluster(_graph(model, nodes, edges), model.thresholds)
    return _named(nodes, found), _stopped(edges, found)


def guard_columns(model: Model) -> tuple[str, ...]:
    """Return the columns that guards look at, each once."""
    return tuple(dict.fromkeys(column for guard in model.guards for column in guard.on))


def contested_sql(model: Model) -> str:
    """Return the SQL, over the nodes of a component, that is true where anything could stand against their being one.

    Where it is false, the clusters are known without looking: the component is one.
    """
    tests = ["sum(labelled) > 1"]
    tests += [f"min({column}) <> max({column})" for column in guard_columns(model)]
    if least := model.thresholds.established:
        # Room for two established entities, one of which at least is established by its number of records.
        tests.append(f"sum(CASE WHEN labelled = 1 THEN {least} ELSE size END) >= {2 * least}")
    return f"coalesce({' OR '.join(tests)}, false)"


def _graph(model: Model, nodes: pa.Table, edges: pa.Table) -> Graph:
    names = nodes["node"].combine_chunks()
    one, other = (pc.index_in(edges[side], names).to_numpy().astype(np.int64) for side in ("l", "r"))
    guards = tuple(Guard(np.column_stack([_numbers(nodes[c]) for c in g.on]), g.agree) for g in model.guards)
    weight: Floats = edges["weight"].to_numpy().astype(np.float64)
    size: Ints = nodes["size"].to_numpy().astype(np.int64)
    labelled = nodes["labelled"].to_numpy() > 0
    return Graph(size, labelled, np.minimum(one, other), np.maximum(one, other), weight, guards)


def _numbers(column: pa.ChunkedArray) -> Ints:
    """Number the distinct values of a guard's part, -1 where unknown: guards ask only whether values are equal."""
    indices = pc.dictionary_encode(column.combine_chunks()).indices
    return np.asarray(indices.fill_null(-1).to_numpy().astype(np.int64))


def _named(nodes: pa.Table, found: Clusters) -> pa.Table:
    """Name each cluster by its first node; a node that is alone needs no row."""
    names = nodes["node"].to_numpy()
    size = np.bincount(found.of, minlength=len(names))
    several = size[found.of] > 1
    return pa.table({"node": names[several], "cluster": names[found.of[several]]})


def _stopped(edges: pa.Table, found: Clusters) -> pa.Table:
    reason = np.where(found.ambiguous, "ambiguous", "bridge")
    table = edges.select(["l", "r", "weight"]).append_column("reason", pa.array(reason, pa.string()))
    return table.filter(pa.array(found.ambiguous | found.bridge))
