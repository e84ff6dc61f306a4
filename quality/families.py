"""Families of rules: one text, a rule for each field of the master schema that it fits, each with its own id and name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.entities import ENTITIES
from schemas.model import Entity, Field

_SELECTORS = {"entity", "kind", "mandatory", "fields", "except", "authority", "code_set"}


class FamilyError(Exception):
    """A family that fits no field, or chooses fields by something that they do not have."""

    def __init__(self, family: str, why: str) -> None:
        self.family, self.why = family, why
        super().__init__(f"{family}: {why}")


def expand(families: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the rules of families as they would be written one by one.

    `each` chooses the fields (kind, mandatory, entity, fields, except, authority: a system | any). In all texts `{entity}`,
    `{field}`, `{cn}` (Chinese name), `{entity_cn}`, `{length}`, `{code_set}` and `{authority}` are those of the field.

    Raises:
        FamilyError: no field fits, or a selector does not exist.
    """
    return [rule for family in families for rule in _family(family)]


def _family(family: Any) -> list[dict[str, Any]]:
    if not isinstance(family, dict) or "each" not in family:
        raise FamilyError(str(family)[:40], "a family says in `each` which fields it is about")
    name, each = str(family.get("id", "")), dict(family["each"])
    unknown = set(each) - _SELECTORS
    if unknown:
        raise FamilyError(
            name, f"fields are not chosen by {', '.join(sorted(unknown))}; by {', '.join(sorted(_SELECTORS))}"
        )
    found = [(e, f) for e in ENTITIES.values() for f in e.fields if _fits(e, f, each)]
    if not found:
        raise FamilyError(name, "no field of the master schema fits")
    body = {k: v for k, v in family.items() if k != "each"}
    return [{"entity": e.name, "fields": [f.name], **_filled(body, _words(e, f))} for e, f in found]


def _fits(entity: Entity, field: Field, each: Mapping[str, Any]) -> bool:
    def among(wanted: Any, value: object) -> bool:
        return value in (wanted if isinstance(wanted, list) else [wanted])

    authority = each.get("authority")
    if authority == "any" and (field.authority.startswith("external:") or field.authority in {"derived", "system"}):
        return False
    return (
        ("entity" not in each or among(each["entity"], entity.name))
        and ("kind" not in each or among(each["kind"], field.kind))
        and ("mandatory" not in each or among(each["mandatory"], field.mandatory))
        and ("fields" not in each or among(each["fields"], f"{entity.name}.{field.name}"))
        and ("except" not in each or not among(each["except"], f"{entity.name}.{field.name}"))
        and (authority in {None, "any"} or among(authority, field.authority))
        and ("code_set" not in each or among(each["code_set"], field.code_set))
    )


def _words(entity: Entity, field: Field) -> dict[str, Any]:
    return {
        "{entity}": entity.name, "{field}": field.name, "{cn}": field.cn, "{entity_cn}": entity.cn,
        "{length}": field.length, "{code_set}": field.code_set or "", "{authority}": field.authority,
    }  # fmt: skip


def _filled(value: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _filled(v, words) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, words) for v in value]
    if not isinstance(value, str):
        return value
    if value in words:
        return words[value]
    for word, meaning in words.items():
        value = value.replace(word, str(meaning))
    return value
