"""Trying a manifest out (`onefact systems check FILE`): its problems, its connection, and what a few rows become.

The data engineer sees for each sampled row which column became which fact, and why a value was refused, before
anything is stored. Personal data appear on her own terminal only, and masked unless she asks otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from connectors.base import Check, Connector, ConnectorError, Context
from connectors.manifest import Manifest, ManifestError, ManifestErrors, load
from connectors.manifest.model import Dataset, EntityMap
from connectors.mapping import MappingError, decode
from connectors.mapping.rows import key_rows, texts
from connectors.masking import mask
from connectors.registry import connect
from schemas.records import PLACE


@dataclass(frozen=True, slots=True)
class SampledField:
    """One fact of one sampled row: where it stood, what stood there, what it became or why not.

    Attributes:
        title: Chinese name of the field.
        raw: text in the system (masked unless asked otherwise); None = nothing there.
        value: canonical value; None = nothing or refused.
        reasons: why it was refused, or what to look at.
    """

    name: str
    title: str
    column: str
    raw: str | None
    value: str | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SampledRecord:
    """One entity of one sampled row."""

    place: str
    record_key: str
    role: str
    deleted: bool
    fields: tuple[SampledField, ...]


@dataclass(frozen=True, slots=True)
class SampledDataset:
    """What the first rows of a dataset became; `refused` are rows not taken, (place, reason)."""

    name: str
    title: str
    rows: int
    records: tuple[SampledRecord, ...]
    refused: tuple[tuple[str, str], ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """The whole finding.

    Attributes:
        problems: what is wrong with the manifest; then nothing else was tried.
        connection: what was tried on the connection.
        samples: the first rows of each dataset that could be read.
    """

    file: str
    problems: tuple[ManifestError, ...] = ()
    connection: Check | None = None
    samples: tuple[SampledDataset, ...] = ()
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """True when the manifest is right, the connection works and every dataset could be read."""
        works = self.connection is not None and self.connection.ok
        return not self.problems and not self.trouble and works and not any(s.trouble for s in self.samples)

    def lines(self) -> Iterator[str]:
        """Yield the finding as lines of plain text for a terminal."""
        yield from (str(problem) for problem in self.problems)
        if self.trouble:
            yield self.trouble
        for what, ok, remark in self.connection.lines if self.connection else ():
            yield f"{'ok  ' if ok else 'FAIL'}  {what}: {remark}"
        for sample in self.samples:
            yield from _sample_lines(sample)


def inspect(manifest_path: Path | str, context: Context, sample: int = 20, *, masked: bool = True) -> SystemCheck:
    """Return what a manifest would do: its problems, or the connection tried and some rows of each dataset mapped.

    Nothing is stored and nothing is written to the system. Trouble is part of the answer, so this raises nothing
    for a wrong manifest or a system that does not answer.

    Args:
        manifest_path: the YAML file.
        context: where the connector finds variables and folders.
        sample: rows to show of each dataset.
        masked: hide the middle of names, numbers, telephones and the digits of addresses.
    """
    file = str(manifest_path)
    try:
        manifest = load(manifest_path)
    except ManifestErrors as broken:
        return SystemCheck(file, problems=broken.errors)
    try:
        connector = connect(manifest, context)
    except ConnectorError as error:
        return SystemCheck(file, trouble=str(error))
    try:
        found = connector.check()
        if manifest.capabilities.read == "none":
            return SystemCheck(file, connection=found)
        today = context.now().isoformat(timespec="seconds")
        samples = (_sample(connector, manifest, d, sample, today, masked=masked) for d in manifest.datasets)
        return SystemCheck(file, connection=found, samples=tuple(samples))
    except ConnectorError as error:
        return SystemCheck(file, trouble=str(error))
    finally:
        connector.close()


def _sample(
    connector: Connector, manifest: Manifest, dataset: Dataset, size: int, today: str, *, masked: bool
) -> SampledDataset:
    try:
        page = next(islice((p for p in connector.pull(dataset.name, None) if p.rows.num_rows), 1), None)
        if page is None:
            return SampledDataset(dataset.name, dataset.title, 0, (), (), "no rows")
        rows = page.rows.slice(0, size)
        decoded = decode(rows, manifest, dataset.name, today)
    except (ConnectorError, MappingError) as error:
        return SampledDataset(dataset.name, dataset.title, 0, (), (), str(error))
    rejects = [*decoded.rejects.to_pylist(), *page.rejects.to_pylist()]
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for reject in rejects:
        if reject["field"] is not None:
            reasons.setdefault((reject["place"], reject["role"], reject["field"]), []).append(reject["reason"])
    records = [
        _record(manifest, entity, record, raw, reasons, masked=masked)
        for entity in dataset.entities
        for record, raw in _with_rows(manifest, dataset, entity, rows, decoded.tables[entity.type])
    ]
    refused = tuple((r["place"], r["reason"]) for r in rejects if r["level"] == "record")
    order = {place: i for i, place in enumerate(texts(rows, PLACE).to_pylist())}
    records.sort(key=lambda r: order.get(r.place, 0))
    return SampledDataset(dataset.name, dataset.title, rows.num_rows, tuple(records), refused)


def _with_rows(
    manifest: Manifest, dataset: Dataset, entity: EntityMap, rows: pa.Table, table: pa.Table
) -> Iterator[tuple[dict[str, str | None], dict[str, str | None]]]:
    keyed = key_rows(rows, manifest, dataset)
    by_key = dict(zip(keyed.keys.to_pylist(), keyed.rows.to_pylist(), strict=True))
    for record in table.to_pylist():
        if record["role"] == entity.role:
            yield record, by_key[record["record_key"]]


def _record(
    manifest: Manifest,
    entity: EntityMap,
    record: dict[str, str | None],
    raw: dict[str, str | None],
    reasons: dict[tuple[str, str, str], list[str]],
    *,
    masked: bool,
) -> SampledRecord:
    place = record["place"] or ""
    fields = []
    for name in (n for n in record if n in entity.fields or _derived(entity, n, record)):
        declared = manifest.master_field(entity.type, name)
        mapped = entity.fields.get(name)
        columns = mapped.column if mapped else []
        text = (mapped.join if mapped else "").join(raw.get(c) or "" for c in columns) or None
        value = record[name]
        if masked:
            text, value = mask(text, declared.kind), mask(value, declared.kind)
        why = tuple(reasons.get((place, entity.role, name), ()))
        fields.append(SampledField(name, declared.cn, "+".join(columns), text, value, why))
    return SampledRecord(place, record["record_key"] or "", entity.role, bool(record["deleted"]), tuple(fields))


def _derived(entity: EntityMap, name: str, record: dict[str, str | None]) -> bool:
    """True for what was read off an ID number without being mapped."""
    return entity.type == "person" and name in {"id_type", "birth_date", "sex"} and record[name] is not None


def _sample_lines(sample: SampledDataset) -> Iterator[str]:
    yield ""
    yield f"dataset {sample.name} ({sample.title}): {sample.rows} row(s) sampled"
    if sample.trouble:
        yield f"FAIL  {sample.trouble}"
    for place, reason in sample.refused:
        yield f"  {place}: not taken. {reason}"
    for record in sample.records:
        yield f"  {record.place} -> {record.role} {record.record_key}{' (deleted)' if record.deleted else ''}"
        for f in record.fields:
            origin = f.column or "(from the ID number)"
            why = f"   ! {'; '.join(f.reasons)}" if f.reasons else ""
            yield f"    {f.name} {f.title} <- {origin}: {_shown(f.raw)} -> {_shown(f.value)}{why}"


def _shown(text: str | None) -> str:
    return "(nothing)" if text is None else repr(text)
