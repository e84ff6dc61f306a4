"""Values (值): `normalise(kind, column)` turns what systems write into the master's canonical text, with reasons.

Two systems agree when their canonical texts are equal, so everything that is only spelling (full-width digits, five
date formats, 男/M/1) must vanish here, and everything that cannot be trusted must become NULL with an issue that a
worker can act on. The sentences for all issues stand in `issues.csv`.
"""

from schemas.values.catalogue import Issue, issues, reason
from schemas.values.hints import hints
from schemas.values.normalise import KINDS, MissingCodeSet, UnknownKind, normalise
from schemas.values.options import NULL_WORDS, ValueOptions

__all__ = [
    "KINDS",
    "NULL_WORDS",
    "Issue",
    "MissingCodeSet",
    "UnknownKind",
    "ValueOptions",
    "hints",
    "issues",
    "normalise",
    "reason",
]
