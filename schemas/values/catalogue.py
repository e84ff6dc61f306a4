"""The catalogue of value issues: stable id, severity, and one sentence each in Chinese and English."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that can be wrong with a value.

    Attributes:
        rule: stable id, `kind.issue`, as it stands in the columns `issue` and `warning`.
        severity: error = the value is NULL; warning = the value is kept, look at it.
        cn: what the worker reads.
        en: what the engineer reads.
    """

    rule: str
    severity: Literal["error", "warning"]
    cn: str
    en: str


@cache
def issues() -> Mapping[str, Issue]:
    """Return all issues by id; the one place their sentences are kept, so reports and pages say the same."""
    path = Path(__file__).parent / "issues.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType({row["issue"]: _issue(row) for row in csv.DictReader(lines)})


def reason(rule: str) -> str:
    """Return the Chinese sentence of a rule id, for people; never holds the value itself.

    Raises:
        KeyError: no such rule; a mistake in our code, not in the data.
    """
    return issues()[rule].cn


def _issue(row: dict[str, str]) -> Issue:
    severity = cast("Literal['error', 'warning']", row["severity"])
    return Issue(row["issue"], severity, row["chinese"], row["english"])
