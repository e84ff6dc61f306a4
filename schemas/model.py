"""The vocabulary in which the master schema is declared: `Field`, `Entity`, `Link`.

Everything that needs to know what a fact is (Arrow schemas, PostgreSQL tables, the field catalogue, validation, the
manifests' field names) is derived from declarations made of these three, so a field is added in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EntityType = Literal["person", "address", "house", "organisation"]
"""The four entities of 一标三实: 实有人口, 标准地址, 实有房屋, 实有单位."""

Kind = Literal[
    "text", "name", "id_number", "uscc", "org_code", "phone", "date", "datetime",
    "integer", "decimal", "boolean", "code", "address", "region",
]  # fmt: skip
"""How a value is normalised and compared; see `schemas.values`."""

Mandatory = Literal["M", "O", "C"]
"""M = 必填, O = 选填, C = 条件必填 (mandatory when another field says so)."""

Compartment = Literal["base", "benefits", "health", "justice", "party", "census"]
"""Facts of one compartment are joined with another's only for an authorised purpose (domain README §5.3)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the master (主数据项).

    Attributes:
        name: English name, the column name everywhere.
        cn: Chinese name as GB/T 31000 or the department prints it.
        kind: how values are normalised.
        length: greatest number of characters of the canonical value (GB/T 31000 length where it has one).
        code_set: id of the code set in `schemas.codes` when kind is `code`.
        scale: decimals after the point when kind is `decimal`.
        mandatory: M, O or C.
        sensitivity: 1 public-ish, 2 personal, 3 sensitive personal (PIPL art. 28), 4 restricted, own compartment.
        authority: system id that is right by definition (一数一源); `system`, `derived` or `external:<feed>` otherwise.
        group: fields of one group travel together in survivorship (id type + number).
        worker: a grid worker's doorstep value may override the authority (DESIGN.md rule 3).
        compartment: which compartment may see it.
        identifies: the value names the entity itself; another system's differing value is never overwritten, only a
            missing one filled (two different valid numbers are a question of linking, not of correctness).
        propagate: False = never written to another system (religion, restricted tags).
        standard: where name, type and length come from, e.g. `31000/12.1`.
        inventory: the id this fact has in the inventory of the forty systems, e.g. `p.phone`.
    """

    name: str
    cn: str
    kind: Kind
    length: int
    code_set: str | None = None
    scale: int | None = None
    mandatory: Mandatory = "O"
    sensitivity: Literal[1, 2, 3, 4] = 2
    authority: str = "external:none"
    group: str | None = None
    worker: bool = False
    compartment: Compartment = "base"
    identifies: bool = False
    propagate: bool = True
    standard: str = ""
    inventory: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether a worker's value counts only when the authority has it: there is one, and the field is not the worker's to say."""
        return not self.worker and self.authority not in ("external:none", "derived", "system")

    @property
    def sealed(self) -> bool:
        """Whether the master keeps the value encrypted: numbers of persons, sensitive facts, facts of a compartment.

        The one place that says so. Names and addresses are not: they are searched by any beginning, and the door has to be found.
        """
        return self.kind in ("id_number", "phone") or self.sensitivity >= 3 or self.compartment != "base"


@dataclass(frozen=True, slots=True)
class Entity:
    """One of the four entities with its fields in the order of the catalogue."""

    name: EntityType
    cn: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return the field called `name`; raises `UnknownField` naming the nearest fields."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise UnknownField(self.name, name, tuple(f.name for f in self.fields))

    @property
    def names(self) -> tuple[str, ...]:
        """The field names in order."""
        return tuple(f.name for f in self.fields)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Survivorship groups: fields that travel together; a field without a group is its own group."""
        groups: dict[str, tuple[str, ...]] = {}
        for f in self.fields:
            key = f.group or f.name
            groups[key] = (*groups.get(key, ()), f.name)
        return groups


@dataclass(frozen=True, slots=True)
class Link:
    """A relation between two entities (关联), with its period and its source."""

    name: str
    cn: str
    left: EntityType
    right: EntityType
    relations: tuple[tuple[str, str], ...]
    """(code, 中文) pairs that the column `relation` may hold."""


class UnknownField(KeyError):
    """A field name that the master schema does not have."""

    def __init__(self, entity: str, name: str, known: tuple[str, ...]) -> None:
        import difflib  # only needed to word the error

        self.entity, self.name, self.known = entity, name, known
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"{entity} has no field {name!r}{hint}")

    def __str__(self) -> str:
        return str(self.args[0])
