"""JSON Lines: one object per line, nested objects flattened with dots; a broken line is rejected, the others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from connectors.kinds.readers.cells import number_text
from connectors.kinds.readers.chunk import Chunk, FileSpec, positions, text_table
from connectors.kinds.readers.lines import Lines
from connectors.raw import texts

_DECODER = json.JSONDecoder(parse_int=str, parse_float=number_text, parse_constant=str)
"""Whole numbers keep their digits as text: an 18-digit number must not pass through a float."""


def read_jsonl(spec: FileSpec) -> Iterator[Chunk]:
    """Yield the objects of a JSON Lines file as rows.

    Raises:
        Malformed: another encoding, an empty file, or a needed column that no object has.
    """
    seen: set[str] = set()
    number = 0
    with spec.path.open("rb") as file:
        lines = Lines(spec, file)
        for block in lines.blocks():
            values: dict[str, list[str | None]] = {name: [] for name in spec.wanted}
            places: list[str] = []
            broken: list[int] = []
            for line in str(block, "utf-8").split("\n")[: None if not block.endswith(b"\n") else -1]:
                number += 1
                record = _record(spec, line)
                if record is None:
                    broken += [number] if line.strip() else []
                    continue
                seen.update(record)
                places.append(f"{spec.place}!{number}")
                for name, column in values.items():
                    column.append(record.get(name))
            columns = {name: texts(column) for name, column in values.items()}
            yield Chunk(text_table(spec, columns, pa.array(places, pa.string())), spec.rejects("file.json", broken))
        positions(spec, sorted(seen), None)
        yield Chunk(text_table(spec, {}, pa.nulls(0, pa.string())), spec.rejects("file.encoding", lines.bad))


def _record(spec: FileSpec, line: str) -> dict[str, str | None] | None:
    try:
        found: Any = _DECODER.decode(line)
    except ValueError:
        return None
    for step in spec.source.records.split(".") if spec.source.records else ():
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return None
    flat: dict[str, str | None] = {}
    _flatten(found, "", flat)
    return flat


def _flatten(record: dict[str, Any], prefix: str, flat: dict[str, str | None]) -> None:
    for key, value in record.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{key}.", flat)
        elif isinstance(value, bool):
            flat[prefix + key] = "true" if value else "false"
        elif isinstance(value, list):
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
        else:
            flat[prefix + key] = value or None
