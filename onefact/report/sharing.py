"""Which systems hold which facts: the systems grouped by department family, the facts ordered by how many hold them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.manifest import Manifest
from schemas.entities import ENTITIES
from schemas.model import EntityType

OTHER = "其他部门"
"""Family of a department that `families.csv` does not know."""


@dataclass(frozen=True, slots=True)
class System:
    """A system as the pictures label it; `brief` is its name without the remark in brackets."""

    id: str
    name: str
    brief: str
    department: str
    family: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that several systems hold (共享数据项).

    Attributes:
        key: `person.phone`; cn: its Chinese name; brief: the name without alternatives and remarks.
        holders: ids of the systems that hold it.
        authority: id of the system that is right by definition, when it is one of the holders (一数一源).
    """

    key: str
    entity: EntityType
    cn: str
    brief: str
    holders: tuple[str, ...]
    authority: str | None


@dataclass(frozen=True, slots=True)
class Sharing:
    """All systems in family order, the shared facts (most shared first), and how often facts are held in all."""

    families: tuple[str, ...]
    systems: tuple[System, ...]
    facts: tuple[Fact, ...]
    slots: int
    distinct: int

    @property
    def repeated(self) -> int:
        """Places where a fact is kept that another system keeps too."""
        return self.slots - self.distinct


def shared(sharing: Mapping[str, tuple[str, ...]], manifests: Mapping[str, Manifest]) -> Sharing:
    """Return who shares what.

    Args:
        sharing: system id -> the facts (`person.phone`) that it holds.
        manifests: the manifests of these systems, for names and departments.
    """
    of_system = {s: family(manifests[s].department) for s in sharing}
    names = tuple(n for n in (*families(), OTHER) if n in of_system.values())
    systems = [
        System(s, manifests[s].name, brief(manifests[s].name), manifests[s].department, names.index(of_system[s]))
        for s in sharing
    ]
    systems.sort(key=lambda s: (s.family, -len(sharing[s.id]), s.id))
    holders: dict[str, list[str]] = {}
    for system in systems:
        for key in sharing[system.id]:
            holders.setdefault(key, []).append(system.id)
    facts = [_fact(key, held) for key, held in holders.items() if len(held) > 1]
    facts.sort(key=lambda f: (-len(f.holders), f.key))
    slots = sum(len(held) for held in holders.values())
    return Sharing(names, tuple(systems), tuple(facts), slots, len(holders))


def family(department: str) -> str:
    """Return the family of a department; of several departments the first one counts."""
    first = department.split("、", maxsplit=1)[0]
    return next((name for name, keyword in _keywords() if keyword in first or keyword in department), OTHER)


def brief(name: str) -> str:
    """Return a name without the remark in brackets and without its second alternative."""
    for mark in ("(", "（", "/"):
        name = name.split(mark, maxsplit=1)[0] or name
    return name


def _fact(key: str, holders: Iterable[str]) -> Fact:
    entity_type, _, name = key.partition(".")
    entity = next(e for t, e in ENTITIES.items() if t == entity_type)
    declared = entity.field(name)
    held = tuple(holders)
    authority = declared.authority if declared.authority in held else None
    return Fact(key, entity.name, declared.cn, brief(declared.cn), held, authority)


def _keywords() -> list[tuple[str, str]]:
    with (Path(__file__).parent / "families.csv").open(encoding="utf-8", newline="") as lines:
        return [(row["family"], row["keyword"]) for row in csv.DictReader(lines)]


def families() -> list[str]:
    """Return the families in the order in which reports show them."""
    return list(dict.fromkeys(name for name, _ in _keywords()))
