"""Golden records on a worker's page (户、人、房、单位): fields as the account may see them, and the inputs to change them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final

from markupsafe import Markup

from onefact.acts import Fact
from onefact.household import Card, Value
from portal.security.accounts import Account
from portal.view.values import Shown, shown
from schemas.codes import code_set
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field

PATHS: Final[Mapping[str, str]] = {"person": "person.show", "house": "house.show", "organisation": "organisation.show"}
"""Entity -> the route that shows one."""

ICONS: Final[Mapping[str, str]] = {"person": "people", "house": "home", "organisation": "systems", "address": "map"}

SEPARATOR: Final = "|"

BOOLEAN: Final = (("1", "是"), ("0", "否"))


CHOSEN: Final = "choice:"
"""Begins what a page sends for a value that was chosen from a list and not typed: the value itself is not in the page."""


def offered(known: Value) -> dict[str, str]:
    """Return what a page sends for each value that is offered -> the canonical value: the present one, then the others."""
    told = {f"{CHOSEN}now": known.value or ""}
    for number, other in enumerate(known.others):
        mark = sha256(f"{number}|{other.system}|{other.observed_at}".encode()).hexdigest()[:12]
        told[f"{CHOSEN}{mark}"] = other.value
    return told


@dataclass(frozen=True, slots=True)
class Row:
    """One field on a page: what is known, as it may be seen, and the names of its inputs."""

    entity_type: EntityType
    master_id: str
    known: Value
    text: Shown
    others: tuple[tuple[str, str, str, str], ...]
    """(what the page sends for it, as it may be seen, system, date) of newer values of other systems."""
    awaited: str = ""
    """What a worker has entered and the authority has not confirmed, as it may be seen."""

    @property
    def field(self) -> Field:
        """The declaration."""
        return self.known.field

    @property
    def name(self) -> str:
        """Name of the input."""
        return SEPARATOR.join(("v", self.entity_type, self.master_id, self.field.name))

    @property
    def stamp_name(self) -> str:
        """Name of the hidden input with the stamp."""
        return SEPARATOR.join(("s", self.entity_type, self.master_id, self.field.name))

    @property
    def why(self) -> str:
        """Why it is asked for."""
        if self.known.disputed:
            return "有更新的其他取值"
        return "缺少" if self.known.missing else "该复核了" if self.known.stale else ""


def rows(account: Account, card: Card) -> list[Row]:
    """Return the fields of a record as an account may see them."""
    return [_row(account, card, v) for v in card.values]


def _row(account: Account, card: Card, v: Value) -> Row:
    marks = list(offered(v))[1:]
    others = tuple(
        (mark, shown(account, v.field, o.value).text, o.system, o.observed_at[:10])
        for mark, o in zip(marks, v.others, strict=True)
    )
    awaited = shown(account, v.field, v.awaited).text
    return Row(card.entity_type, card.master_id, v, shown(account, v.field, v.value), others, awaited)


def options(field: Field) -> list[tuple[str, str]]:
    """Return (code, name) of a coded field, for a list to choose from."""
    if field.kind == "boolean":
        return list(BOOLEAN)
    return list(code_set(field.code_set).codes.items()) if field.code_set else []


def choices(field: Field) -> Markup:
    """Return a coded field's list as HTML; the same on every page, so it is written once."""
    return _choices(field.kind, field.code_set)


@cache
def _choices(kind: str, code_set_name: str | None) -> Markup:
    listed = BOOLEAN if kind == "boolean" else list(code_set(code_set_name).codes.items()) if code_set_name else []
    return Markup("").join(Markup('<option value="{}">{}</option>').format(code, name) for code, name in listed)


def details(account: Account, entity_type: EntityType, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (Chinese name, masked value) of what tells hits apart."""
    entity = ENTITIES[entity_type]
    return [
        (re.split("[(（/]", entity.field(n).cn)[0], shown(account, entity.field(n), v, in_list=True).text)
        for n, v in values.items()
    ]


def facts_of(form: Iterable[tuple[str, object]]) -> list[Fact]:
    """Return the facts of a form: inputs that were filled in, with the stamps beside them."""
    given = [(name.split(SEPARATOR), value) for name, value in form if isinstance(value, str)]
    seen = {tuple(parts[1:]): value for parts, value in given if parts[0] == "s" and len(parts) == 4}
    told: dict[tuple[str, ...], Fact] = {}
    for parts, value in given:
        if parts[0] == "v" and len(parts) == 4 and value.strip() and parts[1] in ENTITIES:
            key = tuple(parts[1:])
            told[key] = Fact(parts[1], parts[2], parts[3], value.strip(), seen.get(key))
    return list(told.values())


def inputs_of(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    """Return (name, value) of hidden inputs that carry facts on to the next page."""
    told = []
    for f in facts:
        told.append((SEPARATOR.join(("v", f.entity_type, f.entity, f.field)), f.value))
        if f.seen is not None:
            told.append((SEPARATOR.join(("s", f.entity_type, f.entity, f.field)), f.seen))
    return told
