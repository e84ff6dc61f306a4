"""The words and weights of address comparison, read once from the data files beside this module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Words:
    """Words of place names (see `words.yaml`).

    Attributes:
        kinds: word for what a place is (小区, 大厦) -> its group.
        empty_kinds: groups that agree with every other.
        generic: two-character pieces that say little.
        chains: words for chains and kinds of shops.
        alike: character -> the character that stands for its group of homophones and variants.
    """

    kinds: dict[str, str]
    empty_kinds: frozenset[str]
    generic: frozenset[str]
    chains: re.Pattern[str]
    alike: dict[int, str]


@lru_cache(maxsize=1)
def words() -> Words:
    """`words.yaml`; a character that stands in two groups keeps its first."""
    raw = _yaml("words.yaml")
    alike: dict[int, str] = {}
    for group in raw["alike"]:
        for char in group:
            alike.setdefault(ord(char), alike.get(ord(group[0]), group[0]))
    kinds = {word: group for group, said in raw["kinds"].items() for word in said}
    chains = re.compile("|".join(raw["chains"]))
    return Words(kinds, frozenset(raw["empty_kinds"]), frozenset(raw["generic"]), chains, alike)


def _yaml(name: str) -> dict[str, Any]:
    with files(__package__).joinpath(name).open(encoding="utf-8") as file:
        found: dict[str, Any] = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)
    return found


@dataclass(frozen=True, slots=True)
class Weights:
    """The match weights (see `weights.yaml`).

    Attributes:
        base: log2 odds of a pair of which nothing is known.
        same: weight from which a pair is one place.
        different: weight from which down it is not.
        unidentified: weight of a pair in which a side says nothing comparable.
        levels: (element, level) -> weight.
    """

    base: float
    same: float
    different: float
    unidentified: float
    levels: dict[tuple[str, str], float]


@lru_cache(maxsize=1)
def weights() -> Weights:
    """`weights.yaml`."""
    raw = _yaml("weights.yaml")
    levels = {
        (element, level): float(entry["weight"])
        for element, said in raw.items()
        if isinstance(said, dict) and element != "thresholds"
        for level, entry in said.items()
    }
    return Weights(
        float(raw["base"]),
        float(raw["thresholds"]["same"]),
        float(raw["thresholds"]["different"]),
        float(raw["unidentified"]),
        levels,
    )
