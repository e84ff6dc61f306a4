"""The word lists of the town (`data/`): streets and communities of Wuchang, roads, names, trades, origins.

Streets, communities and roads are public facts (NBS division codes of 2023; published road names); all other lists
were written for the sandbox.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `data/<name>.csv` as dictionaries."""
    with (_DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of `data/<name>.txt`."""
    return tuple((_DATA / f"{name}.txt").read_text(encoding="utf-8").split())


def column(name: str, key: str) -> list[str]:
    """One column of `data/<name>.csv`."""
    return [row[key] for row in rows(name)]


def weights(name: str, key: str = "weight") -> list[float]:
    """One column of weights of `data/<name>.csv`."""
    return [float(row[key]) for row in rows(name)]


def stem(place: str, suffixes: Sequence[str] = ("社区", "街道")) -> str:
    """The bare name of a community or street: 梅苑社区 -> 梅苑."""
    for suffix in suffixes:
        place = place.removesuffix(suffix)
    return place
