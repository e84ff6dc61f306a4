"""Pairwise precision and recall of links against a truth (成对准确率、召回率)."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs that are truly one entity, pairs linked, pairs both."""

    true_pairs: int
    linked_pairs: int
    correct_pairs: int

    @property
    def precision(self) -> float:
        """Share of linked pairs that are true; 1.0 when nothing was linked."""
        return self.correct_pairs / self.linked_pairs if self.linked_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that were linked; 1.0 when there are none."""
        return self.correct_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(links: pa.Table, truth: pa.Table) -> Score:
    """Score links (columns record, master) against truth (columns record, truth); records in only one are left out.

    Pairs are counted from group sizes, never listed: n records of one entity are n(n-1)/2 pairs.
    """
    con = duckdb.connect()
    con.register("links", links)
    con.register("truth", truth)
    con.execute("CREATE TABLE both_ AS SELECT l.master, t.truth FROM links l JOIN truth t USING (record)")
    count = "SELECT coalesce(sum(n * (n - 1) / 2), 0)::BIGINT FROM (SELECT count(*) AS n FROM both_ GROUP BY {})"
    groupings = ("truth", "master", "master, truth")
    true_pairs, linked, correct = (int(con.execute(count.format(by)).fetchall()[0][0]) for by in groupings)
    return Score(true_pairs, linked, correct)
