"""What the manifests say, as the tables that survivorship and planning work with: authority and targets.

This is also where a flow is refused before anything is planned: a field that may not be propagated, a compartment that
is not the system's, a system that may not be written (DESIGN.md, facts that must not flow).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date

from connectors.base import NotAllowed
from connectors.manifest import Manifest
from connectors.manifest.model import Condition, Dataset, EntityMap, FieldMap
from onefact.law.rules import forbids_field
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from warehouse.golden import Authority
from warehouse.planning import Target, age_condition

ENTRY = "entry"
"""The pseudo-system whose records are what workers type in onefact itself."""

AUTHORITY_RANK = 90
"""Rank of the system that is right by definition (一数一源)."""

ENTRY_RANK = 10
"""Rank of a worker's value for a field that is not theirs: a candidate that waits for the authority."""


def authorities(manifests: Iterable[Manifest]) -> list[Authority]:
    """Return the rank of every system for every field it may speak for; -1 where its value is no claim."""
    rows = [
        Authority(ENTRY, entity_type, entity_type, f.name, AUTHORITY_RANK if f.worker else ENTRY_RANK)
        for entity_type, entity in ENTITIES.items()
        for f in entity.fields
    ]
    for manifest in manifests:
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                for name, field_map in entity.fields.items():
                    rows.append(
                        Authority(manifest.id, entity.type, entity.role, name, _rank(manifest, entity, name, field_map))
                    )
    # Two datasets may have the same role: one of them may speak for a field that the other only shows.
    ranked = sorted(rows, key=lambda a: a.rank)
    return list({(a.system_id, a.entity_type, a.role, a.field): a for a in ranked}.values())


def ranks(manifests: Iterable[Manifest]) -> dict[tuple[str, EntityType, str, str], int]:
    """Return (system, entity, role, field) -> rank, as `authorities`, for single questions."""
    return {(a.system_id, a.entity_type, a.role, a.field): a.rank for a in authorities(manifests)}


def _rank(manifest: Manifest, entity: EntityMap, name: str, field_map: FieldMap) -> int:
    if not field_map.readable:
        return -1
    declared = ENTITIES[entity.type].field(name).authority
    right = declared == manifest.id or f"{entity.type}.{name}" in manifest.authority
    return AUTHORITY_RANK if right else manifest.trust


def permitted(manifest: Manifest, today: date) -> None:
    """Raise `NotAllowed` when the document that allows this connection has run out: it neither reads nor writes."""
    expires = manifest.authorisation.expires
    if expires < today:
        raise NotAllowed(
            manifest.id, "authorisation", f"its authorisation ended on {expires}", "Renew the document and its date."
        )


def may_write(manifest: Manifest, entity_type: EntityType, field: Field) -> bool:
    """True when the law and the compartments allow this fact to be written to this system."""
    return forbids_field(manifest, entity_type, field) is None


def targets(
    manifests: Iterable[Manifest], today: date, authorised: Callable[[str, EntityType, str], bool] = lambda *_: True
) -> Iterator[Target]:
    """Yield every dataset role that may be written, with its fields, code folds and scope.

    Args:
        manifests: the systems.
        today: for conditions on age.
        authorised: (system, entity, field) -> whether the register allows writing it today.
    """
    for manifest in manifests:
        if not (manifest.capabilities.update or manifest.capabilities.create):
            continue
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                yield _target(manifest, dataset, entity, today, authorised)


def compared(
    manifest: Manifest, today: date, authorised: Callable[[str, EntityType, str], bool]
) -> Iterator[tuple[Target, frozenset[str]]]:
    """Yield every dataset role with the fields that may be read and may flow, and those of them that can be written.

    Args:
        manifest: the system.
        today: for conditions on age.
        authorised: (system, entity, field) -> whether the register allows reading it today.
    """
    for dataset in manifest.datasets:
        for entity in dataset.entities:
            target = _target(manifest, dataset, entity, today, lambda *_: True)
            readable = tuple(
                n
                for n, f in entity.fields.items()
                if f.readable
                and authorised(manifest.id, entity.type, n)
                and may_write(manifest, entity.type, ENTITIES[entity.type].field(n))
            )
            yield replace(target, fields=readable, unread=()), frozenset(target.fields)


def _target(
    manifest: Manifest,
    dataset: Dataset,
    entity: EntityMap,
    today: date,
    authorised: Callable[[str, EntityType, str], bool],
) -> Target:
    allowed = {
        name: field_map
        for name, field_map in entity.fields.items()
        if may_write(manifest, entity.type, ENTITIES[entity.type].field(name))
        and authorised(manifest.id, entity.type, name)
    }
    writable = tuple(n for n, f in allowed.items() if f.writable) if manifest.capabilities.update else ()
    folds = {}
    for name, field_map in allowed.items():
        code_map = manifest.code_map(field_map)
        if code_map is not None:
            spelled = code_map.reverse()
            folds[name] = {code: code_map.codes[text] for code, text in spelled.items() if text in code_map.codes}
    creates = manifest.capabilities.create and entity.scope.members == "all"
    return Target(
        system_id=manifest.id,
        dataset=dataset.name,
        entity_type=entity.type,
        role=entity.role,
        fields=writable,
        held=tuple(n for n, f in allowed.items() if f.writable),
        folds=folds,
        creates=creates,
        where=" AND ".join(f"({c})" for c in map_conditions(entity, today)) or "true",
        requires=tuple(entity.scope.requires),
        unread=tuple(n for n in writable if not entity.fields[n].readable),
        repeats=manifest.capabilities.read == "none",
    )


def map_conditions(entity: EntityMap, today: date) -> Iterator[str]:
    """Yield the SQL of each condition of an entity's scope over the golden record `g`."""
    for condition in entity.scope.where:
        yield _condition(condition, today)


def _condition(condition: Condition, today: date) -> str:
    column = f'g."{condition.field}"'
    tests = []
    if condition.equals is not None:
        tests.append(f"{column} = {_text(condition.equals)}")
    if condition.one_of is not None:
        tests.append(f"{column} IN ({', '.join(_text(v) for v in condition.one_of)})")
    if condition.present is not None:
        tests.append(f"{column} IS {'NOT ' if condition.present else ''}NULL")
    if condition.starts_with is not None:
        tests.append(f"starts_with({column}, {_text(condition.starts_with)})")
    if condition.age is not None:
        tests.append(age_condition(condition.field, condition.age.at_least, condition.age.at_most, today))
    return " AND ".join(tests) or "true"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
