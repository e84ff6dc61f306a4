"""What a manifest *means* is checked here, after its shape: each check is one function that yields problems.

A wrong manifest writes wrong facts into government systems, so everything that can be proven from the file alone is
proven before the first connection: that every code exists, that a translation gives back what it was given, that no
column is written from two facts, that facts which must not flow have no way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from connectors.manifest.codemaps import code_map_problems
from connectors.manifest.model import Dataset, EntityMap, FieldMap, Manifest
from connectors.manifest.problem import Problem
from connectors.manifest.refusal import Location

TYPED = frozenset({"date", "datetime", "integer", "decimal"})
"""Kinds whose columns in the master are no text and take no other form."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapped field with everything around it that a check needs."""

    at: Location
    dataset: Dataset
    entity: EntityMap
    name: str
    field: FieldMap


def check(manifest: Manifest) -> list[Problem]:
    """Return every problem of meaning in a manifest of right shape; an empty list when there is none."""
    return [problem for one in CHECKS for problem in one(manifest)]


def mapped(manifest: Manifest) -> Iterator[Mapped]:
    """Yield every mapped field of every entity of every dataset, in the order of the file."""
    for i, dataset in enumerate(manifest.datasets):
        for j, entity in enumerate(dataset.entities):
            for name, field in entity.fields.items():
                yield Mapped(("datasets", i, "entities", j, "fields", name), dataset, entity, name, field)


def named_code_maps(manifest: Manifest) -> Iterator[Problem]:
    """A field names a code map that the manifest has, and every code map is used."""
    used = set()
    for m in mapped(manifest):
        if isinstance(m.field.codes, str):
            used.add(m.field.codes)
            if m.field.codes not in manifest.code_maps:
                known = ", ".join(manifest.code_maps) or "none"
                yield Problem((*m.at, "codes"), f"there is no code map {m.field.codes!r}", f"code_maps has: {known}")
    for name in manifest.code_maps:
        if name not in used:
            yield Problem(("code_maps", name), "no field uses this code map", "remove it, or name it under `codes`")


def code_maps(manifest: Manifest) -> Iterator[Problem]:
    """Every code exists, and every translation gives back what it was given or says why it cannot."""
    seen: set[tuple[Location, str | None, bool]] = set()
    can_write = manifest.capabilities.update or manifest.capabilities.create
    for m in mapped(manifest):
        if isinstance(m.field.codes, str) and m.field.codes not in manifest.code_maps:
            continue
        table = manifest.code_map(m.field)
        if table is None:
            continue
        declared = manifest.master_field(m.entity.type, m.name)
        at: Location = ("code_maps", m.field.codes) if isinstance(m.field.codes, str) else (*m.at, "codes")
        writable = can_write and m.field.writable
        case = (at, declared.code_set, writable)
        if case not in seen:
            seen.add(case)
            in_place = not isinstance(m.field.codes, str)
            yield from code_map_problems(at, table, declared, writable=writable, in_place=in_place)


def written_twice(manifest: Manifest) -> Iterator[Problem]:
    """No column is written from two facts."""
    for dataset in manifest.datasets:
        first: dict[str, str] = {}
        for m in mapped(manifest):
            if m.dataset is not dataset or not m.field.writable:
                continue
            column, name = m.field.column[0], f"{m.entity.role}.{m.name}"
            if column in first:
                what = f"column {column!r} is written from {first[column]} already"
                yield Problem(m.at, what, "only one of the two may be written: set `direction: in` at the other")
            first.setdefault(column, name)


def forbidden_flows(manifest: Manifest) -> Iterator[Problem]:
    """Restricted facts (sensitivity 4) and facts that are never propagated are not written anywhere."""
    for m in mapped(manifest):
        declared = manifest.master_field(m.entity.type, m.name)
        if m.field.writable and (declared.sensitivity == 4 or not declared.propagate):
            why = "is restricted (sensitivity 4)" if declared.sensitivity == 4 else "is never propagated"
            yield Problem(m.at, f"{m.entity.type}.{m.name} {why} and may not be written", "set `direction: in`")


def withheld(manifest: Manifest) -> Iterator[Problem]:
    """A column withheld for a legal reason is not read by any other road."""
    for i, dataset in enumerate(manifest.datasets):
        for column in dataset.columns:
            if column in dataset.withheld:
                at: Location = ("datasets", i, "withheld", column)
                yield Problem(at, f"column {column!r} is withheld but used", "remove it here, or from fields and local")


def columns_exist(manifest: Manifest) -> Iterator[Problem]:
    """Where the manifest itself names the columns of a file without header, all used columns are among them."""
    for i, dataset in enumerate(manifest.datasets):
        names = dataset.source.get("names") or dataset.columns
        for column in dataset.columns:
            if column not in names:
                at: Location = ("datasets", i, "source", "names")
                yield Problem(at, f"column {column!r} is used but not among the names", "add it, or correct the name")


def required_mapped(manifest: Manifest) -> Iterator[Problem]:
    """What decides whether an entity is in the row must be read from the row."""
    for i, dataset in enumerate(manifest.datasets):
        for j, entity in enumerate(dataset.entities):
            for k, name in enumerate(entity.required):
                if name not in entity.fields or not entity.fields[name].readable:
                    at: Location = ("datasets", i, "entities", j, "required", k)
                    yield Problem(at, f"{name!r} is required but not read here", "map it under `fields`")


def authority(manifest: Manifest) -> Iterator[Problem]:
    """A system is the authority only of what it is read for."""
    read = {f"{m.entity.type}.{m.name}" for m in mapped(manifest) if m.field.readable}
    for i, claim in enumerate(manifest.authority):
        if claim not in read:
            yield Problem(("authority", i), f"no dataset reads {claim}", "map it under `fields`, or remove the claim")


def kinds(manifest: Manifest) -> Iterator[Problem]:
    """`as` reads a text in another way; a date or a number stays one, for its column takes nothing else."""
    for m in mapped(manifest):
        declared = manifest.master_field(m.entity.type, m.name).kind
        if m.field.kind not in {None, declared} and declared in TYPED:
            what = f"{m.entity.type}.{m.name} is of kind {declared} and cannot be read as {m.field.kind}"
            yield Problem((*m.at, "as"), what, "remove `as`; for other spellings use `formats` or `codes`")


def dates(manifest: Manifest) -> Iterator[Problem]:
    """Formats stand at dates only, and a date that is written can be read again."""
    for m in mapped(manifest):
        kind = m.field.kind or manifest.master_field(m.entity.type, m.name).kind
        wanted = [*m.field.formats, *([m.field.write_format] if m.field.write_format else [])]
        if wanted and kind not in {"date", "datetime"}:
            yield Problem(m.at, f"{m.entity.type}.{m.name} is no date", "remove `formats` and `write_format`")
        elif m.field.writable and wanted and not _keeps_the_day(m.field.write_format or m.field.formats[0]):
            at: Location = (*m.at, "write_format" if m.field.write_format else "formats")
            yield Problem(at, "a date written in this format cannot be read again", "use year, month and day: %Y-%m-%d")


def _keeps_the_day(form: str) -> bool:
    sample = date(1962, 3, 5)
    try:
        return datetime.strptime(sample.strftime(form), form).date() == sample  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return False


CHECKS: tuple[Callable[[Manifest], Iterator[Problem]], ...] = (
    named_code_maps, code_maps, written_twice, forbidden_flows, withheld, columns_exist, required_mapped, authority,
    kinds, dates,
)  # fmt: skip
"""All checks, in the order in which their problems are told."""
