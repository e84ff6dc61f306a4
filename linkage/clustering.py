"""Clusters under constraints (带约束的聚类): who is one, given the weighed pairs and what may never be one.

A pure function of the edges of a component, so an incremental run that looks at the touched components gives what a full
run gives, in any order of batches. Two established entities (with a valid identifier each, or well tied without one) are
never joined by weights alone: an edge between them is a question for a person. A record that fits two established
entities about equally well is joined to neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from linkage.model import Thresholds

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Guard:
    """A fact that members of one cluster may not contradict (birth date, sex), in parts that are compared one by one.

    Attributes:
        parts: one row per node, one column per part, -1 where unknown; column 0 is -1 where nothing is known.
        agree: parts that must agree (unknown ones do) for two nodes not to contradict each other.
    """

    parts: Ints
    agree: int

    def contradicts(self, a: Ints, b: Ints) -> Flags:
        """Return which pairs of nodes contradict each other."""
        one, other = self.parts[a], self.parts[b]
        agreeing = ((one == other) | (one < 0) | (other < 0)).sum(axis=1)
        return np.asarray((one[:, 0] >= 0) & (other[:, 0] >= 0) & (agreeing < self.agree))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and weighed edges of one or many components.

    A node is a record, or all records with one valid identifier. The order of nodes settles ties, so it must come from the
    data (names of the records), not from the order of arrival.

    Attributes:
        size: records of each node.
        labelled: nodes with a valid identifier.
        left, right: node numbers of each edge, left < right.
        weight: match weight of each edge, at least the link threshold.
        guards: facts that a cluster may not contradict.
        joined: pairs of nodes that a person judged to be one.
        apart: pairs of nodes that a person judged not to be one; they outrank everything.
    """

    size: Ints
    labelled: Flags
    left: Ints
    right: Ints
    weight: Floats
    guards: Sequence[Guard] = ()
    joined: Sequence[tuple[int, int]] = ()
    apart: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Clusters:
    """The result: `of` is the smallest node of each node's cluster; open edges ask for a person.

    Attributes:
        of: cluster of each node.
        bridge: edges between two established clusters.
        ambiguous: edges of records that fit two established clusters about equally well.
    """

    of: Ints
    bridge: Flags
    ambiguous: Flags


def components(count: int, left: Ints, right: Ints) -> Ints:
    """Return for each of `count` nodes the smallest node of its connected component."""
    if count == 0:
        return np.empty(0, np.int64)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    number, of = connected_components(graph, directed=False)
    smallest = np.full(number, count, dtype=np.int64)
    np.minimum.at(smallest, of, np.arange(count))
    return np.asarray(smallest[of], dtype=np.int64)


def cluster(graph: Graph, thresholds: Thresholds) -> Clusters:
    """Return the clusters of a graph and the edges that wait for a person."""
    state = _State(_judged(len(graph.size), graph), graph.labelled.copy())
    state = state.named(graph)
    stopped = _Stopped.none(len(graph.left))
    if thresholds.established:
        # Evidence beyond doubt comes first: it also establishes entities that no identifier names.
        state = _merge(graph, state, graph.weight >= thresholds.certain, thresholds.margin, stopped)
        size = np.zeros(len(graph.size), np.int64)
        np.add.at(size, state.of, graph.size)
        state = _State(state.of, state.established | (size >= thresholds.established)).named(graph)
        stopped = _Stopped.none(len(graph.left))
    state = _merge(graph, state, np.ones(len(graph.left), bool), thresholds.margin, stopped)
    open_ = state.of[graph.left] != state.of[graph.right]
    return Clusters(state.of, stopped.bridge & open_, stopped.ambiguous & open_)


@dataclass(frozen=True, slots=True)
class _Stopped:
    """Edges that the constraints stopped, filled while merging."""

    bridge: Flags
    ambiguous: Flags

    @classmethod
    def none(cls, edges: int) -> _Stopped:
        return cls(np.zeros(edges, bool), np.zeros(edges, bool))


@dataclass(frozen=True, slots=True)
class _State:
    """The clusters so far: `of` names each node's cluster by its smallest node.

    `established` and `speaker` are told of cluster names: the node whose facts speak for the cluster in each guard.
    """

    of: Ints
    established: Flags
    speaker: tuple[Ints, ...] = field(default=())

    def named(self, graph: Graph) -> _State:
        """Give what is known of any node to its cluster's name."""
        count = len(self.of)
        established = np.zeros(count, bool)
        np.logical_or.at(established, self.of, self.established)
        speakers = []
        for guard in graph.guards:
            # A node with an identifier speaks before one without, the smaller before the greater.
            rank = np.arange(count) + np.where(graph.labelled, 0, count)
            rank = np.where(guard.parts[:, 0] >= 0, rank, 3 * count)
            best = np.full(count, 3 * count, np.int64)
            np.minimum.at(best, self.of, rank)
            speakers.append(np.where(best < 3 * count, best % max(count, 1), np.arange(count)))
        return _State(self.of, established, tuple(speakers))

    def incompatible(self, graph: Graph, a: Ints, b: Ints) -> Flags:
        """Return which pairs of clusters may not be one."""
        found = self.established[a] & self.established[b]
        for guard, speaker in zip(graph.guards, self.speaker, strict=True):
            found |= guard.contradicts(speaker[a], speaker[b])
        for one, other in graph.apart:
            x, y = self.of[one], self.of[other]
            found |= ((a == x) & (b == y)) | ((a == y) & (b == x))
        return np.asarray(found & (a != b))

    def silent(self, graph: Graph, a: Ints) -> Flags:
        """Return which clusters leave a guard open: what joins them may contradict what joins them next."""
        found = np.zeros(len(a), bool)
        for guard, speaker in zip(graph.guards, self.speaker, strict=True):
            found |= guard.parts[speaker[a], 0] < 0
        return found


def _judged(count: int, graph: Graph) -> Ints:
    """Join what persons joined; a judgement that contradicts one that keeps apart is left out, smallest pair first."""
    of = np.arange(count, dtype=np.int64)
    for one, other in sorted((min(p), max(p)) for p in graph.joined):
        low, high = sorted((int(of[one]), int(of[other])))
        if low != high and not any({int(of[x]), int(of[y])} == {low, high} for x, y in graph.apart):
            of[of == high] = low
    return of


def _merge(graph: Graph, state: _State, usable: Flags, margin: float, stopped: _Stopped) -> _State:
    """Merge along usable edges as far as the constraints allow; mark the edges that they stop."""
    edges = np.flatnonzero(usable & (state.of[graph.left] != state.of[graph.right]))
    if not len(edges):
        return state
    nodes = np.arange(len(state.of))
    whole = components(len(nodes), np.r_[graph.left[edges], nodes], np.r_[graph.right[edges], state.of])
    hard = _contested(graph, state, whole)
    merged = _State(np.where(hard[whole], state.of, whole), state.established).named(graph)
    return _rounds(graph, merged, edges[hard[whole[graph.left[edges]]]], margin, stopped)


def _contested(graph: Graph, state: _State, whole: Ints) -> Flags:
    """Return the components in which anything could stand against a merge; in the others all are one."""
    count = len(whole)
    established = np.zeros(count, np.int64)
    np.add.at(established, whole, state.established & (state.of == np.arange(count)))
    hard = established > 1
    for guard in graph.guards:
        for part in guard.parts.T:
            known = np.flatnonzero(part >= 0)
            low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1, np.int64)
            np.minimum.at(low, whole[known], part[known])
            np.maximum.at(high, whole[known], part[known])
            hard |= high > low
    for one, other in graph.apart:
        hard[whole[one]] |= whole[one] == whole[other]
    return hard


def _rounds(graph: Graph, state: _State, edges: Ints, margin: float, stopped: _Stopped) -> _State:
    """Merge in synchronous rounds: each open cluster takes its best edge, where that is allowed and mutual.

    An established cluster takes whoever prefers it; two that are not established must prefer each other. Rounds look at a
    component as a whole, so the result does not depend on the order of edges.
    """
    edges = edges[np.lexsort((graph.right[edges], graph.left[edges], -graph.weight[edges]))]
    while len(edges):  # from here on the place in `edges` is the strict order of preference
        a, b = state.of[graph.left[edges]], state.of[graph.right[edges]]
        against = state.incompatible(graph, a, b)
        stopped.bridge[edges[against]] = True
        keep = (a != b) & ~against
        edges, a, b = edges[keep], a[keep], b[keep]
        if not len(edges):
            break
        best, best_weight = _firsts(a, b, graph.weight[edges], len(state.of))
        torn = _torn(graph, state, a, b, best, best_weight - margin, graph.weight[edges])
        if torn.any():
            stopped.ambiguous[edges[torn]] = True
            edges = edges[~torn]
            continue
        state = _take(graph, state, best)
    return state


def _torn(graph: Graph, state: _State, a: Ints, b: Ints, best: Ints, limit: Floats, weight: Floats) -> Flags:
    """Return the edges of open clusters whose best partners exclude each other: of those about equally good it takes none.

    All partners within the margin are looked at together, so it does not matter which of equal ones is called the best.
    """
    # An edge is an offer to both of its ends: every cluster's offers are looked at together, whichever end it is.
    at, to, heavy = np.r_[a, b], np.r_[b, a], np.r_[weight, weight]
    close = (heavy > limit[at]) & ~state.established[at]
    undecided = _several_established(state, at[close], to[close])
    for guard, speaker in zip(graph.guards, state.speaker, strict=True):
        undecided |= _contradicting(guard, speaker, at[close], to[close], len(state.of))
    if graph.apart:
        rival = close & (to != best[at])
        rival[rival] = state.incompatible(graph, best[at[rival]], to[rival])
        undecided[at[rival]] = True
    torn = close & undecided[at]
    return np.asarray(torn[: len(a)] | torn[len(a) :])


def _several_established(state: _State, at: Ints, to: Ints) -> Flags:
    """Return the clusters that have two established partners."""
    count = len(state.of)
    low, high = np.full(count, count, np.int64), np.full(count, -1, np.int64)
    known = state.established[to]
    np.minimum.at(low, at[known], to[known])
    np.maximum.at(high, at[known], to[known])
    return np.asarray((high >= 0) & (low < high))


def _contradicting(guard: Guard, speaker: Ints, at: Ints, to: Ints, count: int) -> Flags:
    """Return the clusters whose partners contradict each other in so many parts of a fact that it is another."""
    differing = np.zeros(count, np.int64)
    for part in guard.parts[speaker[to]].T:
        known = part >= 0
        low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1, np.int64)
        np.minimum.at(low, at[known], part[known])
        np.maximum.at(high, at[known], part[known])
        differing += high > low
    return np.asarray(differing > guard.parts.shape[1] - guard.agree)


def _firsts(a: Ints, b: Ints, weight: Floats, count: int) -> tuple[Ints, Floats]:
    """Return for each cluster the other side and the weight of its first edge (-1 and 0 where it has none)."""
    first = np.full(count, len(a), dtype=np.int64)
    for side in (a, b):
        np.minimum.at(first, side, np.arange(len(a)))
    has = first < len(a)
    edge = np.where(has, first, 0)
    other = np.where(a[edge] == np.arange(count), b[edge], a[edge])
    return np.where(has, other, -1), np.where(has, weight[edge], 0.0)


def _take(graph: Graph, state: _State, best: Ints) -> _State:
    """Merge open clusters into the established or mutual partner that they prefer; one step of the rounds."""
    names = np.flatnonzero(best >= 0)
    goal = best[names]
    mutual = best[goal] == names
    welcome = state.established[goal] & ~state.silent(graph, goal)
    take = ~state.established[names] & (mutual | welcome)
    movers, goals = names[take], goal[take]
    if graph.apart:
        movers, goals = _one_at_a_time(graph, state, movers, goals)
    nodes = np.arange(len(state.of))
    of = components(len(nodes), np.r_[movers, nodes], np.r_[goals, state.of])
    return _State(of, state.established).named(graph)


def _one_at_a_time(graph: Graph, state: _State, movers: Ints, goals: Ints) -> tuple[Ints, Ints]:
    """Where a judgement keeps records apart that could meet in this round, let only the first mover of a goal go."""
    kept = {int(state.of[node]) for pair in graph.apart for node in pair}
    chosen: dict[int, int] = {}
    take = np.ones(len(movers), bool)
    for i, (mover, goal) in enumerate(zip(movers.tolist(), goals.tolist(), strict=True)):
        if mover in kept or goal in kept:  # judgements are few, and so are these
            take[i] = chosen.setdefault(goal, mover) == mover
    return movers[take], goals[take]
