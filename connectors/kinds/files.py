"""A folder of extracts (文件夹): CSV, Excel, JSON Lines or Parquet files that someone drops; updates go out as CSV.

The cursor remembers each file by size, time and content hash, so an unchanged folder yields nothing, a file copied
again unchanged yields nothing, and a changed file is read again whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Check, ConnectorError, Context, Unreachable
from connectors.held import settled, standings
from connectors.kinds.readers.chunk import Chunk, FileSpec, file_spec, in_pages
from connectors.kinds.readers.csv_file import read_csv
from connectors.kinds.readers.jsonl_file import read_jsonl
from connectors.kinds.readers.parquet_file import read_parquet
from connectors.kinds.readers.xlsx_file import read_xlsx
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import FilesConnection, FilesSource
from connectors.mapping.rows import record_keys
from connectors.outgoing import Outgoing, prepare
from schemas.records import PLACE, Change, Outcome, Page

READERS: Mapping[str, Callable[[FileSpec], Iterator[Chunk]]] = {
    "csv": read_csv,
    "xlsx": read_xlsx,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}
"""`format` -> the reader."""

OPERATION = "_operation"
"""Column of an outgoing file: update or create."""

Seen = dict[str, tuple[int, int, str]]
"""File name -> size, modification time in nanoseconds, SHA-256 of the content."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that matches the pattern of a dataset, and its state now."""

    name: str
    path: Path
    state: tuple[int, int, str]


class FilesConnector:
    """Reads the files of a folder page by page and writes updates as CSV files with a `.ok` marker beside them."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest = manifest
        self.context = context
        resolved = context.variables.resolve(manifest, manifest.connection)
        self.connection = FilesConnection.model_validate(resolved)
        self.folder = context.folder / self.connection.folder
        self.out_dir = context.folder / self.connection.out_dir if self.connection.out_dir else None

    def check(self) -> Check:
        """Look for the folder, for files of each dataset, and read the beginning of the newest of them."""
        lines = [(f"folder {self.folder.name}", self.folder.is_dir(), "found" if self.folder.is_dir() else "not there")]
        for dataset in self.manifest.datasets if self.folder.is_dir() else ():
            paths = self._paths(dataset)
            what = f"dataset {dataset.name}"
            if not paths:
                lines.append((what, False, f"no file matches {' or '.join(self._source(dataset).pattern)}"))
                continue
            newest = max(paths, key=lambda p: p.stat().st_mtime_ns)
            try:
                first = next(self._read(dataset, newest), None)
            except ConnectorError as error:
                lines.append((what, False, f"{error.what} (at {error.place}). {error.remedy}"))
            else:
                rows = first.rows.num_rows if first else 0
                lines.append((what, True, f"{len(paths)} file(s); {newest.name} begins with {rows} readable row(s)"))
        return Check(tuple(lines))

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield the rows of all files that are new or changed since the cursor.

        The last page is a snapshot only when every file of the dataset was read and no line was refused: a line
        that cannot be read must not look like a record that is gone.
        """
        spec = self.manifest.dataset(dataset)
        before = _seen(cursor)
        files = self._files(spec, before)
        fresh = [file for file in files if before.get(file.name, (0, 0, ""))[2] != file.state[2]]
        seen: Seen = {file.name: before[file.name] for file in files if file.name in before}
        whole = len(fresh) == len(files)
        for number, file in enumerate(fresh, start=1):
            pages = in_pages(self._read(spec, file.path))
            waiting = next(pages, None)
            while waiting is not None:
                following = next(pages, None)
                whole = whole and "record" not in pc.unique(waiting.rejects.column("level")).to_pylist()
                last = following is None
                if last:
                    seen[file.name] = file.state
                snapshot = whole and last and number == len(fresh)
                if waiting.rows.num_rows or waiting.rejects.num_rows or last:
                    yield Page(dataset, waiting.rows, _cursor(seen), waiting.rejects, snapshot)
                waiting = following

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write the changes of each dataset to one CSV file; `sent`, since a folder gives no receipt."""
        ready, refused = prepare(self.manifest, changes, whole_rows=True, writable=lambda _: self.out_dir is not None)
        yield from refused
        for dataset in self.manifest.datasets:
            mine = [o for o in ready if o.change.dataset == dataset.name]
            early = self._early(dataset, [o.change for o in mine])
            yield from early.values()
            yield from self._write(dataset, [o for o in mine if o.change.change_id not in early])

    def _early(self, dataset: Dataset, changes: Sequence[Change]) -> dict[str, Outcome]:
        """Outcomes of changes that need no write or must not be written, by what the folder shows now.

        A record that the folder does not show is written all the same: old extracts are cleared away, and a newer one
        would show it if anybody had changed it since.
        """
        keys = [change.record_key for change in changes if change.record_key]
        if not keys or self.manifest.capabilities.read == "none":
            return {}
        now = standings(self.manifest, dataset.name, changes, self.read_back(dataset.name, keys))
        found = {c.change_id: settled(c, now.get(c.change_id)) for c in changes}
        return {change_id: outcome for change_id, outcome in found.items() if outcome is not None}

    def read_back(self, dataset: str, record_keys_wanted: Sequence[str]) -> pa.Table:
        """Return the rows that the folder now holds for these keys."""
        spec = self.manifest.dataset(dataset)
        wanted = pa.array(list(record_keys_wanted), pa.string())
        found = [pa.schema([(name, pa.string()) for name in (*spec.columns, PLACE)]).empty_table()]
        for path in sorted(self._paths(spec), key=lambda p: p.stat().st_mtime_ns):  # the newest speaks last
            for chunk in self._read(spec, path):
                hit = pc.is_in(record_keys(chunk.rows, self.manifest, spec), value_set=wanted, skip_nulls=True)
                found.append(chunk.rows.filter(hit))
        return pa.concat_tables(found)

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _source(self, dataset: Dataset) -> FilesSource:
        return FilesSource.model_validate(self.context.variables.resolve(self.manifest, dataset.source))

    def _read(self, dataset: Dataset, path: Path) -> Iterator[Chunk]:
        source = self._source(dataset)
        return READERS[source.format](file_spec(self.manifest, dataset, source, path))

    def _paths(self, dataset: Dataset) -> list[Path]:
        if not self.folder.is_dir():
            remedy = "Create it, or correct `connection.folder`; a relative path starts at the manifest's folder."
            raise Unreachable(self.manifest.id, self.folder.name, "the folder is not there", remedy)
        found = {path for pattern in self._source(dataset).pattern for path in self.folder.glob(pattern)}
        return sorted(path for path in found if path.is_file() and not path.name.startswith(("~$", ".")))

    def _files(self, dataset: Dataset, before: Seen) -> list[_File]:
        files = []
        for path in self._paths(dataset):
            name = path.relative_to(self.folder).as_posix()
            about = path.stat()
            size, changed, known = before.get(name, (-1, -1, ""))
            same = (size, changed) == (about.st_size, about.st_mtime_ns)
            state = (about.st_size, about.st_mtime_ns, known if same else _sha256(path))
            files.append(_File(name, path, state))
        return files

    def _write(self, dataset: Dataset, outgoing: Sequence[Outgoing]) -> Iterator[Outcome]:
        if not outgoing or self.out_dir is None:
            return
        source = self._source(dataset)
        columns = [OPERATION, *dict.fromkeys(name for one in outgoing for name in one.columns)]
        delimiter = source.delimiter if len(source.delimiter) == 1 else ","
        lines = [_line(columns, delimiter).encode(source.encoding)]
        sent = []
        for one in outgoing:
            row = {OPERATION: one.change.operation, **one.columns}
            try:
                lines.append(_line([row.get(name, "") for name in columns], delimiter).encode(source.encoding))
            except UnicodeEncodeError:
                message = f"目标文件的编码（{source.encoding}）写不出其中的字"
                yield Outcome(one.change.change_id, "rejected", "unencodable", message)
            else:
                sent.append(one)
        if sent:
            self.context.at("send")
            name = self._publish(dataset, b"".join(lines))
            self.context.at("sent")
            for one in sent:
                yield Outcome(one.change.change_id, "sent", "no_receipt", f"已写入文件 {name}", receipt=name)

    def _publish(self, dataset: Dataset, content: bytes) -> str:
        """Write under another name, rename, then mark as whole: a reader never meets half a file."""
        assert self.out_dir is not None  # noqa: S101 - asked by `_write`
        self.out_dir.mkdir(parents=True, exist_ok=True)
        stamp = self.context.now().strftime("%Y%m%d%H%M%S")
        path, number = self.out_dir / f"{dataset.name}-{stamp}.csv", 1
        while path.exists():
            number += 1
            path = self.out_dir / f"{dataset.name}-{stamp}-{number}.csv"
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        path.with_name(f"{path.name}.ok").write_bytes(b"")
        return path.name


def _line(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seen(cursor: str | None) -> Seen:
    return {name: (size, changed, digest) for name, (size, changed, digest) in json.loads(cursor or "{}").items()}


def _cursor(seen: Seen) -> str:
    return json.dumps(seen, ensure_ascii=False, sort_keys=True)
