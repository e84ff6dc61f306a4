"""Components in SQL rounds against networkx, and what is done to a component against what is done to the whole graph."""

from __future__ import annotations

from itertools import pairwise

import duckdb
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.components import find_components
from linkage.engine import DuckEngine
from linkage.graph import contested_sql, solve
from linkage.model import GuardRule, Model, Thresholds

EDGES = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=40)
MODEL = Model(
    "person", "test", -10.0, Thresholds(3, 10, 20, 5), (), (), (GuardRule(("birth_y",), 1), GuardRule(("sex",), 1))
)


def found(edges: list[tuple[int, int]]) -> tuple[dict[int, int], int]:
    with duckdb.connect() as con:
        engine = DuckEngine(con)
        engine.put("edge", pa.table({s: pa.array([e[i] for e in edges], pa.int64()) for i, s in enumerate("lr")}))
        rounds = find_components(engine, edges="edge", into="component")
        rows = engine.arrow("SELECT node, component FROM component").to_pylist()
    assert len(rows) == len({r["node"] for r in rows})
    return {r["node"]: r["component"] for r in rows}, rounds


@settings(max_examples=150, deadline=None)
@given(EDGES)
def test_components_are_those_of_the_graph(edges: list[tuple[int, int]]) -> None:
    graph = nx.Graph([e for e in edges if e[0] != e[1]])
    assert found(edges)[0] == {node: min(part) for part in nx.connected_components(graph) for node in part}


@pytest.mark.parametrize("length", [10, 100, 1000])
def test_a_long_path_takes_few_rounds(length: int) -> None:
    order = np.random.default_rng(1).permutation(length).tolist()
    component, rounds = found(list(pairwise(order)))
    assert set(component.values()) == {0}
    assert rounds <= 2 * np.log2(length)


NODES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([None, 1980, 1990]), st.sampled_from([None, 1, 2])),
    min_size=2,
    max_size=12,
)
WEIGHED = st.dictionaries(
    st.tuples(st.integers(0, 11), st.integers(0, 11)), st.sampled_from([10.0, 12.0, 21.0]), max_size=18
)


def tables(
    nodes: list[tuple[bool, int | None, int | None]], edges: dict[tuple[int, int], float], code: list[int]
) -> tuple[pa.Table, pa.Table]:
    """Nodes are named n00, n01 ...; `code` is what an engine's hash makes of them."""
    made = pa.table({
        "node": pa.array(code[: len(nodes)], pa.int64()), "first": [f"n{i:02}" for i in range(len(nodes))],
        "size": pa.array([1] * len(nodes), pa.int64()), "labelled": pa.array([int(n[0]) for n in nodes], pa.int64()),
        "birth_y": pa.array([n[1] for n in nodes], pa.int32()), "sex": pa.array([n[2] for n in nodes], pa.int32()),
    })  # fmt: skip
    kept = {(min(a, b), max(a, b)): w for (a, b), w in sorted(edges.items()) if a != b and max(a, b) < len(nodes)}
    sides = [[min(code[a], code[b]) for a, b in kept], [max(code[a], code[b]) for a, b in kept]]
    left, right = (pa.array(s, pa.int64()) for s in sides)
    return made, pa.table({"l": left, "r": right, "weight": pa.array(list(kept.values()), pa.float64())})


def named(result: tuple[pa.Table, pa.Table], code: list[int]) -> tuple[set[tuple[int, int]], set[frozenset[int]]]:
    at = {c: i for i, c in enumerate(code)}
    clusters, stopped = result
    return (
        {(at[r["node"]], at[r["cluster"]]) for r in clusters.to_pylist()},
        {frozenset((at[r["l"]], at[r["r"]])) for r in stopped.to_pylist()},
    )


@settings(max_examples=200, deadline=None)
@given(NODES, WEIGHED, st.permutations(range(12)))
def test_codes_do_not_decide_between_equal_weights(
    nodes: list[tuple[bool, int | None, int | None]], edges: dict[tuple[int, int], float], code: list[int]
) -> None:
    plain = list(range(12))
    assert named(solve(MODEL, *tables(nodes, edges, plain)), plain) == named(
        solve(MODEL, *tables(nodes, edges, code)), code
    )


@settings(max_examples=200, deadline=None)
@given(NODES, WEIGHED)
def test_what_nothing_stands_against_is_one_cluster(
    nodes: list[tuple[bool, int | None, int | None]], edges: dict[tuple[int, int], float]
) -> None:
    made, weighed = tables(nodes, edges, list(range(12)))
    clusters, _ = solve(MODEL, made, weighed)
    with duckdb.connect() as con:
        con.register("node", made)
        con.register("found", clusters)
        free = con.execute(
            "SELECT f.component, count(DISTINCT f.cluster) FROM node n JOIN found f ON f.node = n.node "
            f"GROUP BY f.component HAVING NOT {contested_sql(MODEL)}"
        ).fetchall()
    assert all(clusters_of_it == 1 for _, clusters_of_it in free)
