"""Clusters: without constraints they are the components; with them nothing that may not be one is, in whatever order."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.clustering import Clusters, Graph, Guard, cluster
from linkage.model import Thresholds

LIMITS = Thresholds(review=0, link=10, certain=20, margin=5, established=0)


def graph(
    nodes: int,
    edges: list[tuple[int, int, float]],
    *,
    labelled: set[int] = frozenset(),  # type: ignore[assignment]
    birth: dict[int, tuple[int, int, int]] | None = None,
    joined: tuple[tuple[int, int], ...] = (),
    apart: tuple[tuple[int, int], ...] = (),
    size: dict[int, int] | None = None,
) -> Graph:
    parts = np.full((nodes, 3), -1, np.int64)
    for node, date in (birth or {}).items():
        parts[node] = date
    return Graph(
        size=np.array([(size or {}).get(i, 1) for i in range(nodes)], np.int64),
        labelled=np.array([i in labelled for i in range(nodes)]),
        left=np.array([min(a, b) for a, b, _ in edges], np.int64),
        right=np.array([max(a, b) for a, b, _ in edges], np.int64),
        weight=np.array([w for *_, w in edges], np.float64),
        guards=(Guard(parts, 2),),
        joined=joined,
        apart=apart,
    )


def groups(found: Clusters) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(found.of == name).tolist()) for name in set(found.of.tolist())}


def test_a_chain_is_one() -> None:
    assert groups(cluster(graph(4, [(0, 1, 12), (1, 2, 12)]), LIMITS)) == {frozenset({0, 1, 2}), frozenset({3})}


def test_two_identifiers_stay_two_and_the_bridge_asks() -> None:
    found = cluster(graph(4, [(0, 2, 30), (2, 3, 11), (1, 3, 30)], labelled={0, 1}), LIMITS)
    assert groups(found) == {frozenset({0, 2}), frozenset({1, 3})}
    assert found.bridge.tolist() == [False, True, False]


def test_a_record_that_fits_two_people_equally_goes_to_neither() -> None:
    found = cluster(graph(3, [(0, 2, 14), (1, 2, 12)], labelled={0, 1}), LIMITS)
    assert groups(found) == {frozenset({0}), frozenset({1}), frozenset({2})}
    assert found.ambiguous.tolist() == [True, True]


def test_a_record_that_fits_one_clearly_better_goes_there() -> None:
    found = cluster(graph(3, [(0, 2, 24), (1, 2, 12)], labelled={0, 1}), LIMITS)
    assert groups(found) == {frozenset({0, 2}), frozenset({1})}


def test_a_silent_record_does_not_tie_two_birth_dates_together() -> None:
    born = {0: (1980, 1, 2), 1: (1991, 3, 4)}
    assert groups(cluster(graph(3, [(0, 2, 15), (1, 2, 15)], birth=born), LIMITS)) == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2}),
    }


def test_two_well_tied_groups_without_identifier_are_not_joined_by_a_doubtful_edge() -> None:
    limits = Thresholds(review=0, link=10, certain=20, margin=5, established=3)
    edges = [(0, 1, 25), (1, 2, 25), (3, 4, 25), (4, 5, 25), (2, 3, 12)]
    found = cluster(graph(6, edges), limits)
    assert groups(found) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}
    assert found.bridge.tolist() == [False, False, False, False, True]
    assert groups(cluster(graph(6, [*edges[:4], (2, 3, 22)]), limits)) == {frozenset(range(6))}


def test_what_persons_decide_outranks_weights_and_identifiers() -> None:
    assert groups(cluster(graph(2, [(0, 1, 40)], apart=((0, 1),)), LIMITS)) == {frozenset({0}), frozenset({1})}
    assert groups(cluster(graph(2, [], labelled={0, 1}, joined=((0, 1),)), LIMITS)) == {frozenset({0, 1})}


def test_records_kept_apart_do_not_meet_through_a_third() -> None:
    found = cluster(graph(3, [(0, 1, 30), (1, 2, 30)], apart=((0, 2),), labelled={1}), LIMITS)
    assert found.of[0] != found.of[2]


EDGES = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.floats(10, 40)).filter(lambda e: e[0] != e[1]),
    max_size=30,
    unique_by=lambda e: (min(e[:2]), max(e[:2])),
)
PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda p: p[0] != p[1]), max_size=3)


@given(EDGES)
def test_without_constraints_clusters_are_the_connected_components(edges: list[tuple[int, int, float]]) -> None:
    oracle = nx.Graph()
    oracle.add_nodes_from(range(12))
    oracle.add_edges_from((a, b) for a, b, _ in edges)
    assert groups(cluster(graph(12, edges), LIMITS)) == {frozenset(c) for c in nx.connected_components(oracle)}


@settings(max_examples=300, deadline=None)
@given(EDGES, st.sets(st.integers(0, 11), max_size=5), PAIRS, st.integers(0, 4), st.randoms(use_true_random=False))
def test_constraints_hold_and_the_order_of_edges_does_not_matter(
    edges: list[tuple[int, int, float]],
    labelled: set[int],
    apart: list[tuple[int, int]],
    established: int,
    chance: object,
) -> None:
    limits = Thresholds(review=0, link=10, certain=20, margin=5, established=established)
    born = {i: (1980 + i % 3, 1 + i % 2, 1) for i in range(0, 12, 2)}
    found = cluster(graph(12, edges, labelled=labelled, birth=born, apart=tuple(apart)), limits)
    for group in groups(found):
        assert len(group & labelled) <= 1
        assert not any({a, b} <= group for a, b in apart)
    shuffled = list(edges)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    again = cluster(graph(12, shuffled, labelled=labelled, birth=born, apart=tuple(apart)), limits)
    assert groups(found) == groups(again)
    # Every edge within a component is either inside a cluster or asks a question, or its cluster chose against it.
    whole = nx.Graph([(a, b) for a, b, _ in edges])
    for group in groups(found):
        assert len(group) == 1 or nx.is_connected(whole.subgraph(group))


@settings(max_examples=200, deadline=None)
@given(EDGES, st.sets(st.integers(0, 11), max_size=5), PAIRS)
def test_a_component_is_clustered_alone_as_among_others(
    edges: list[tuple[int, int, float]], labelled: set[int], apart: list[tuple[int, int]]
) -> None:
    limits = Thresholds(review=0, link=10, certain=20, margin=5, established=3)
    found = groups(cluster(graph(12, edges, labelled=labelled, apart=tuple(apart)), limits))
    whole = nx.Graph()
    whole.add_nodes_from(range(12))
    whole.add_edges_from((a, b) for a, b, _ in edges)
    for component in nx.connected_components(whole):
        inside = [e for e in edges if e[0] in component]
        pairs = tuple(p for p in apart if set(p) <= component)
        alone = groups(cluster(graph(12, inside, labelled=labelled & component, apart=pairs), limits))
        assert {g for g in alone if g <= component} == {g for g in found if g <= component}


@settings(max_examples=300, deadline=None)
@given(EDGES, st.sets(st.integers(0, 11), max_size=4), st.permutations(range(12)))
def test_the_names_of_nodes_matter_only_between_equal_weights(
    edges: list[tuple[int, int, float]], labelled: set[int], renamed: list[int]
) -> None:
    distinct = [(a, b, 10 + i) for i, (a, b, _) in enumerate(edges)]
    born = {i: (1980 + i % 3, 1 + i % 2, 1) for i in range(0, 12, 2)}
    found = groups(cluster(graph(12, distinct, labelled=labelled, birth=born), LIMITS))
    moved = [(renamed[a], renamed[b], w) for a, b, w in distinct]
    again = cluster(
        graph(12, moved, labelled={renamed[i] for i in labelled}, birth={renamed[i]: d for i, d in born.items()}),
        LIMITS,
    )
    assert {frozenset(renamed[i] for i in g) for g in found} == groups(again)


def test_an_empty_graph_has_no_clusters() -> None:
    assert len(cluster(graph(0, []), LIMITS).of) == 0


@pytest.mark.parametrize("size", [2, 3])
def test_size_counts_records_not_nodes(size: int) -> None:
    limits = Thresholds(review=0, link=10, certain=20, margin=5, established=3)
    found = cluster(graph(4, [(0, 1, 25), (2, 3, 25), (1, 2, 12)], size={0: size, 2: size}), limits)
    assert len(groups(found)) == (1 if size + 1 < 3 else 2)
