"""What the event-driven stand-ins share: how a row becomes an event, how a command is obeyed, what was published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.manifest.model import Dataset, Manifest
from sandbox.store import Refused, Row, Store

TWICE = 97
"""Each event with a number divisible by this is published twice, as such systems do (seen in the field: 重复推送)."""


def event_of(manifest: Manifest, dataset: Dataset, row: Row) -> dict[str, Any]:
    """Return the event that tells of a row's present state; its id is the same however often it is told."""
    operation = "D" if row.deleted else "I" if row.version == 1 else "U"
    columns = {name: row.columns.get(name) for name in dataset.columns}
    return {
        "event_id": f"{manifest.id}-{dataset.name}-{row.seq}",
        "op": operation,
        "key": row.key,
        "version": row.version,
        "time": row.updated_at,
        "row": {} if operation == "D" else columns,
    }


def obey(store: Store, dataset: str, command: object, now: datetime) -> dict[str, Any]:
    """Carry out a command and return the acknowledgement; a command that was carried out before changes nothing."""
    match command:
        case {"command_id": str(command_id), "op": "update" | "create" as op, "row": dict(row), **more}:
            key, version = more.get("key"), more.get("if_version")
        case _:
            return {"command_id": None, "status": "error", "code": "400", "message": "指令格式错误"}
    if (op == "update" and not isinstance(key, str)) or not isinstance(version, int | None):
        return {"command_id": command_id, "status": "error", "code": "4004", "message": "主键或版本不对"}
    columns = {name: value or None for name, value in row.items()}
    try:
        target = str(key) if op == "update" else None
        receipt = store.upsert(dataset, target, columns, version, command_id, now)
    except Refused as refused:
        status = "conflict" if refused.code == 409 else "error"
        return {"command_id": command_id, "status": status, "code": str(refused.code), "message": refused.message}
    return {"command_id": command_id, "status": "ok", "key": receipt.key, "version": receipt.version}


class Told:
    """Up to which change of each dataset events were published; kept in a file so that a restart goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def fresh(self, store: Store, limit: int = 500) -> Iterator[tuple[str, list[Row]]]:
        """Yield batches of rows that were not told yet; a batch counts as told when the next one is asked for."""
        for dataset in store.manifest.datasets:
            while rows := store.changes(dataset.name, after=self._numbers.get(dataset.name, 0), limit=limit):
                yield dataset.name, rows
                self._numbers[dataset.name] = rows[-1].seq
                self._save(self._numbers)

    def _save(self, numbers: Mapping[str, int]) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(numbers), encoding="utf-8")
        part.replace(self._path)
