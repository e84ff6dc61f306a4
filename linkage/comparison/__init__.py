"""Comparisons (比较): how alike two values of one column are, in levels, best first.

Most levels are equalities of codes and are decided in SQL within the blocking join; a few need the texts and are decided
afterwards, once for each distinct pair of texts, and only for pairs that could still reach the review threshold.
"""

from linkage.comparison.kinds import KINDS, Coded, Kind, UnknownKind, kind_of

__all__ = ["KINDS", "Coded", "Kind", "UnknownKind", "kind_of"]
