"""Hard negatives (易混淆样本): groups of different people, homes and firms that look alike, each with several records.

`make("twins", 10_000, seed=1)` gives standardised records as linkage meets them and, apart from them, the truth. Nothing in
these records is mistyped: what they say of an entity is true or missing, so whoever joins two entities of a group has no
excuse. `merged` counts the groups in which that happened, `pairwise` recall (`linkage.score`) says that the records of
one entity were joined at all: to link nothing is no way to pass.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sandbox.hard.model import HardNegatives, merged
from sandbox.hard.organisations import branches
from sandbox.hard.persons import fathers_and_sons, namesakes, twins
from sandbox.hard.places import neighbouring_addresses, neighbouring_houses

KINDS: Mapping[str, Callable[[int, int], HardNegatives]] = MappingProxyType(
    {
        "twins": twins,
        "fathers_and_sons": fathers_and_sons,
        "namesakes": namesakes,
        "neighbouring_houses": neighbouring_houses,
        "neighbouring_addresses": neighbouring_addresses,
        "branches": branches,
    }
)
"""Name -> maker (groups, seed)."""


def make(kind: str, groups: int = 10_000, seed: int = 1) -> HardNegatives:
    """Make so many groups of one kind (`KINDS`); the same arguments give the same records."""
    return KINDS[kind](groups, seed)


__all__ = ["KINDS", "HardNegatives", "make", "merged"]
