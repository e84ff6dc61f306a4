"""The sealed log (密封日志): who did or read what; appended to, chained, signed, verified.

Whoever shows personal data appends a `read` first:

    with home.engine.begin() as connection:
        sealed.append(connection, sealed.Act(actor="zhang", act="read", subject_type="person", subjects=(master_id,),
                                             purpose="入户走访", via="portal"))

It says at once who has seen somebody (`seen_by`), and `verify` says whether a row was touched.
"""

from __future__ import annotations

from warehouse.sealed.canonical import NotCanonical, canonical, clean
from warehouse.sealed.chain import ALL, Act, Head, NoSuchAlgorithm, append, head
from warehouse.sealed.read import Sealed, entries, seen_by
from warehouse.sealed.verify import Verdict, lines, stored, verify
from warehouse.sealed.walk import Finding
from warehouse.sealed.words import ACTS, OUTCOMES

__all__ = [
    "ACTS",
    "ALL",
    "OUTCOMES",
    "Act",
    "Finding",
    "Head",
    "NoSuchAlgorithm",
    "NotCanonical",
    "Sealed",
    "Verdict",
    "append",
    "canonical",
    "clean",
    "entries",
    "head",
    "lines",
    "seen_by",
    "stored",
    "verify",
]
