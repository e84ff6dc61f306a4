"""The sentence behind every rule id that a reject may carry: what a worker reads, never with the value in it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from schemas.values import issues


def reason(rule: str) -> str:
    """Return the Chinese sentence of a rule: of a row (`reasons.csv`) or of a value (`schemas.values.issues`).

    Raises:
        KeyError: no catalogue has the rule; that is a mistake in our code, not in the data.
    """
    own = _rows().get(rule)
    return own if own is not None else issues()[rule].cn


@cache
def _rows() -> Mapping[str, str]:
    with (Path(__file__).parent / "reasons.csv").open(encoding="utf-8", newline="") as lines:
        return MappingProxyType({row["rule"]: row["chinese"] for row in csv.DictReader(lines)})
