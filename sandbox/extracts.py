"""Extracts of synthetic systems as plain files, with their manifests and the truth: material for benchmarks and demos.

Ten systems, ten conventions (`extracts.yaml`): UTF-8 and GB18030 CSV with and without headers, titles and totals, JSON
Lines flat and nested, Parquet. A folder written here is consolidated like any other folder of extracts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import yaml

from connectors.manifest.model import Manifest
from connectors.manifest.sources import FilesSource
from sandbox.lens import SystemView, make_lens, view
from sandbox.town import Town, make_town
from sandbox.town.draw import Text, join

_CONVENTIONS: Final = Path(__file__).with_name("extracts.yaml")
_PROBE: Final = 2000
"""People of the little town on which the records per head are counted."""

_ROWS_PER_FILE: Final = 200_000


@dataclass(frozen=True, slots=True)
class _System:
    manifest: Manifest
    document: Mapping[str, Any]
    lens: Mapping[str, Any]


def write_extracts(folder: Path, records: int, systems: int = 10, seed: int = 1) -> None:
    """Write exactly `records` source records over so many systems into a folder.

    The folder then holds `<id>.yaml` and `<id>/` with the files of each system, and `truth.parquet`
    (`sandbox.lens.TRUTH`). More than ten systems repeat the ten conventions with their own members and dirt.

    Raises:
        ValueError: fewer records than ten per system.
    """
    if systems < 1 or records < 10 * systems:
        raise ValueError(f"{systems} systems need at least {10 * max(systems, 1)} records, not {records}.")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [_system(number) for number in range(systems)]
    views = _views(chosen, records, seed)
    kept = _shares([_size(v) for v in views], records)
    truth: list[pa.Table] = []
    for system, seen, count in zip(chosen, views, kept, strict=True):
        dataset = system.manifest.datasets[0]
        rows = seen.rows[dataset.name].slice(0, count)
        text = yaml.safe_dump(dict(system.document), allow_unicode=True, sort_keys=False, width=120)
        (folder / f"{system.manifest.id}.yaml").write_text(text, encoding="utf-8")
        target = folder / system.manifest.id
        target.mkdir(exist_ok=True)
        _write(target, FilesSource.model_validate(dataset.source), rows)
        keys = pc.unique(rows.column(dataset.key[0]))
        truth.append(seen.truth.filter(pc.is_in(seen.truth["record_key"], value_set=keys)))
    pq.write_table(pa.concat_tables(truth), folder / "truth.parquet", compression="zstd")


def _system(number: int) -> _System:
    conventions = _conventions()
    entry = conventions["systems"][number % len(conventions["systems"])]
    turn = number // len(conventions["systems"])
    suffix = f"_{turn + 1}" if turn else ""
    document = {**entry["manifest"], **conventions["common"]}
    document["id"] += suffix
    document["name"] += suffix
    document["connection"] = {"folder": document["id"]}
    ordered = {key: document[key] for key in sorted(document, key=lambda k: k == "datasets")}
    return _System(Manifest.model_validate(ordered), ordered, entry["lens"])


@cache
def _conventions() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(_CONVENTIONS.read_text(encoding="utf-8"))
    return document


def _views(systems: list[_System], records: int, seed: int) -> list[SystemView]:
    """Look through every system at a town just big enough for the records."""
    probe = _look(systems, make_town(_PROBE, seed), seed)
    people = max(300, int(records * _PROBE / sum(map(_size, probe)) * 1.02))
    views = _look(systems, make_town(people, seed), seed)
    while sum(map(_size, views)) < records:
        people += people // 20
        views = _look(systems, make_town(people, seed), seed)
    return views


def _look(systems: list[_System], town: Town, seed: int) -> list[SystemView]:
    return [view(town, s.manifest, make_lens(s.lens), seed) for s in systems]


def _size(seen: SystemView) -> int:
    return sum(int(rows.num_rows) for rows in seen.rows.values())


def _shares(sizes: list[int], total: int) -> list[int]:
    """Cut sizes down to a total in proportion (largest remainder)."""
    exact = np.array(sizes) * (total / sum(sizes))
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return [int(count) for count in whole]


def _write(folder: Path, source: FilesSource, rows: pa.Table) -> None:
    writer = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[source.format]
    ending = source.pattern[0].rpartition(".")[2]
    for number, part in enumerate(_parts(rows), start=1):
        writer(folder / f"part-{number:03}.{ending}", source, part)


def _parts(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, max(rows.num_rows, 1), _ROWS_PER_FILE):
        yield rows.slice(start, _ROWS_PER_FILE)


def _csv(path: Path, source: FilesSource, rows: pa.Table) -> None:
    """Titles above the header, the header itself, rows, and the totals where the system has such a line."""
    if source.names:  # without a header the order of the columns is all there is
        rows = rows.select(source.names)
    buffer = io.BytesIO()
    options = pa_csv.WriteOptions(
        include_header=source.header_row > 0, delimiter=source.delimiter, quoting_style="needed"
    )
    pa_csv.write_csv(rows, buffer, options)
    text = buffer.getvalue().decode("utf-8")
    titles = "".join(f"{line}\n" for line in ("摘录(合成数据)", "导出单位:示例")[: max(source.header_row - 1, 0)])
    totals = "".join(f"{start}{source.delimiter}{rows.num_rows}\n" for start in source.footer.starts[:1])
    path.write_bytes((titles + text + totals).encode(source.encoding))


def _jsonl(path: Path, source: FilesSource, rows: pa.Table) -> None:
    """One object per line, under the path that the system wraps its records in; absent values are null."""
    parts: list[Text | str] = []
    for number, name in enumerate(rows.column_names):
        parts += [f'{"," if number else ""}"{name}":', _quoted(rows.column(name))]
    wraps = source.records.split(".") if source.records else []
    opening, closing = "".join(f'{{"{name}":' for name in wraps) + "{", "}" * (len(wraps) + 1) + "\n"
    lines = join(opening, *parts, closing)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for chunk in lines.chunks:
            file.write("".join(chunk.to_pylist()))


def _quoted(column: Text) -> Text:
    escaped = pc.replace_substring(column, "\\", "\\\\")
    escaped = pc.replace_substring(pc.replace_substring(escaped, '"', '\\"'), "\t", "\\t")
    return pc.coalesce(pc.binary_join_element_wise('"', escaped, '"', "", null_handling="emit_null"), "null")


def _parquet(path: Path, _: FilesSource, rows: pa.Table) -> None:
    pq.write_table(rows, path, compression="zstd")
