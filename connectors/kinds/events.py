"""Events of a system (变更事件), however they arrive: parsed, sifted, and turned into pages of raw rows.

An event is JSON: `event_id` (unique), `op` (I, U or D), `key` (the key columns' text joined with `|`), `version` (rises
with each change of the row; absent = order of arrival counts), `row` (all columns).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from connectors import raw
from connectors.manifest.model import Dataset, Manifest
from schemas.records import Page

POISON = "event.poison"
MISSING_COLUMN = "event.missing_column"
DELETE_UNMAPPED = "event.delete_unmapped"
UNKNOWN_TYPE = "event.unknown_type"
REASONS = {
    POISON: "消息不是约定的 JSON 事件",
    UNKNOWN_TYPE: "事件类型不在清单里",
    MISSING_COLUMN: "事件的行缺少清单里的列",
    DELETE_UNMAPPED: "系统删除了该行，但清单没有声明删除标志（deleted）",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one row as the system reports it; `columns` is raw text."""

    event_id: str
    op: str
    key: str
    version: int | None
    columns: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Broken:
    """An event that cannot be taken: the rule it breaks, its key where it is known, the column concerned."""

    rule: str
    key: str | None = None
    column: str | None = None


def parse(body: bytes | str, dataset: Dataset) -> Event | Broken:
    """Read one event; a row of a deleted record may be empty, any other must have every mapped column."""
    try:
        event = json.loads(body, parse_float=Decimal)
    except ValueError:
        return Broken(POISON)
    return interpret(event, dataset)


def interpret(event: object, dataset: Dataset) -> Event | Broken:
    """Turn parsed JSON into an event or say what is wrong with it."""
    match event:
        case {"event_id": str(event_id), "key": str(key), "row": dict(row), **more} if event_id and key:
            op, version = more.get("op", "U"), more.get("version")
        case _:
            return Broken(POISON)
    if op not in {"I", "U", "D"} or not (version is None or type(version) is int):
        return Broken(POISON, key)
    columns = flatten(row)
    if op == "D":
        if dataset.deleted.column is None:
            return Broken(DELETE_UNMAPPED, key)
        columns[dataset.deleted.column] = dataset.deleted.values[0]
    else:
        missing = [c for c in dataset.columns if c not in columns and c not in dataset.local]
        if missing:
            return Broken(MISSING_COLUMN, key, missing[0])
    parts = key.split("|", len(dataset.key) - 1)
    if len(parts) != len(dataset.key):
        return Broken(POISON, key)
    return Event(event_id, op, key, version, {**columns, **dict(zip(dataset.key, parts, strict=True))})


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, str | None]:
    """Return nested objects as dotted columns of text; a list becomes its JSON."""
    columns: dict[str, str | None] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            columns |= flatten(value, f"{prefix}{name}.")
        else:
            listed = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list) else raw.text(value)
            columns[prefix + name] = listed
    return columns


@dataclass(slots=True)
class Sieve:
    """Lets each event through once and none that a newer version of its row has overtaken.

    One sieve serves one pull. Events before the cursor may be shown to it with `remember`, so that a late or repeated
    event just behind the cursor is recognised too.
    """

    _seen: set[str] = field(default_factory=set)
    _versions: dict[str, int] = field(default_factory=dict)

    def remember(self, event: Event) -> None:
        """Note an event that has been taken earlier."""
        self._seen.add(event.event_id)
        if event.version is not None:
            self._versions[event.key] = max(event.version, self._versions.get(event.key, event.version))

    def takes(self, event: Event) -> bool:
        """True when the event is new; it is then noted."""
        overtaken = event.version is not None and event.version < self._versions.get(event.key, event.version)
        if event.event_id in self._seen or overtaken:
            return False
        self.remember(event)
        return True


@dataclass(slots=True)
class PageBuilder:
    """Collects events with their places into one page."""

    manifest: Manifest
    dataset: Dataset
    sieve: Sieve
    rows: list[tuple[Event, str]] = field(default_factory=list)
    broken: list[tuple[Broken, str]] = field(default_factory=list)
    duplicates: int = 0

    def add(self, found: Event | Broken, place: str) -> None:
        """Take an event, drop a repeated one, or note a broken one."""
        if isinstance(found, Broken):
            self.broken.append((found, place))
        elif self.sieve.takes(found):
            self.rows.append((found, place))
        else:
            self.duplicates += 1

    def page(self, cursor: str) -> Page:
        """Return the page with everything collected."""
        return Page(
            self.dataset.name,
            rows_table(self.dataset, self.rows),
            cursor,
            self._rejects(),
            duplicates=self.duplicates,
        )

    def _rejects(self) -> pa.Table:
        found = [
            {"record_key": self._record_key(b.key), "column": b.column, "place": place, "level": "record",
             "rule": b.rule, "reason": REASONS[b.rule]}
            for b, place in self.broken
        ]  # fmt: skip
        return raw.rejects(found, self.manifest.id, self.dataset.name)

    def _record_key(self, key: str | None) -> str | None:
        return f"{self.dataset.name}/{key}" if key and self.manifest.prefixed else key


def rows_table(dataset: Dataset, rows: Sequence[tuple[Event, str]]) -> pa.Table:
    """Return events as raw rows with their places."""
    columns = {name: pa.array([e.columns.get(name) for e, _ in rows], pa.string()) for name in dataset.columns}
    return raw.table(columns, pa.array([place for _, place in rows], pa.string()))
