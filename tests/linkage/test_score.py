"""Pairwise scores against an oracle that lists every pair."""

from __future__ import annotations

from itertools import combinations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.score import pairwise


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=14))
def test_pairs_are_counted_as_if_listed(records: list[tuple[int, int]]) -> None:
    names = [f"r{i}" for i in range(len(records))]
    links = pa.table({"record": pa.array([*names, "x"], pa.string()), "master": [f"m{m}" for m, _ in records] + ["m0"]})
    truth = pa.table({"record": pa.array([*names, "y"], pa.string()), "truth": [f"t{t}" for _, t in records] + ["t0"]})
    score = pairwise(links, truth)
    pairs = list(combinations(records, 2))
    true = sum(a[1] == b[1] for a, b in pairs)
    linked = sum(a[0] == b[0] for a, b in pairs)
    both = sum(a == b for a, b in pairs)
    assert (score.true_pairs, score.linked_pairs, score.correct_pairs) == (true, linked, both)
    assert score.precision == (both / linked if linked else 1.0)
    assert score.recall == (both / true if true else 1.0)
    assert abs(score.f1 * (score.precision + score.recall) - 2 * score.precision * score.recall) < 1e-9
