"""Delimited text (CSV): title rows, header, rows, footer; in any encoding, in bounded memory.

Arrow parses; around it stand strict decoding (`lines`), the place of every row (line numbers count quoted line breaks),
rejects for lines with the wrong number of fields, and the signs of a file that was cut off in transfer.
"""

from __future__ import annotations

import bisect
import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from connectors.kinds.readers.chunk import Chunk, FileSpec, positions, text_table
from connectors.kinds.readers.lines import BLOCK, Lines

_INNER_DELIMITER = "\x1f"
"""Stands for a delimiter of several characters, which Arrow does not know."""

_LOOK_AHEAD = 20
"""Rows in which a moved header is looked for."""


def read_csv(spec: FileSpec) -> Iterator[Chunk]:
    """Yield the rows of a delimited text file.

    Raises:
        Malformed: the encoding is another one, the header is not as promised, or the file was cut off.
    """
    with spec.path.open("rb") as file:
        body = _Body(spec, Lines(spec, file))
        header = body.take_header()
        places = positions(spec, header, max(spec.source.header_row, 1), body.sample)
        yield from _rows(spec, body, places, len(header))


@dataclass(slots=True)
class _Body:
    """The file below its header, as a stream that Arrow can read; remembers what Arrow does not tell.

    Attributes:
        skipped: lines above the first row.
        quotes: quotation marks seen so far.
        tail: the last two blocks, for looking at the last record.
    """

    spec: FileSpec
    lines: Lines
    skipped: int = 0
    quotes: int = 0
    quoted: bool = False
    closed: bool = False
    sample: list[list[str]] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    _blocks: Iterator[bytes] = field(default=iter(()))
    _buffer: bytes = b""

    def take_header(self) -> list[str]:
        """Read the title rows and the header; return its cells (or the manifest's names when there is none)."""
        self._blocks = _without_footer(self.lines.blocks(), self.spec.source.footer.rows)
        first = next(self._blocks, b"")
        mark = self.spec.source.quote.encode()
        self.quoted = bool(mark) and mark in first
        first = self._plain(first)
        text = str(first[: 1 << 16], "utf-8", "ignore")
        reader = csv.reader(io.StringIO(text), _dialect(self.spec))
        header: list[str] = list(self.spec.source.names or ())
        for number, row in enumerate(reader, start=1):
            self.sample.append(row)
            if number == self.spec.source.header_row:
                header, self.skipped = row, reader.line_num
            if number >= max(_LOOK_AHEAD, self.spec.source.header_row):
                break
        cut = 0
        for _ in range(self.skipped):
            cut = first.find(b"\n", cut) + 1 or len(first)
        self._note(first[cut:])
        self._buffer = first[cut:]
        return header

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as a file does; a block of lines at a time."""
        while not self._buffer:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._buffer = self._plain(block)
            self._note(self._buffer)
        wanted = len(self._buffer) if size < 0 else size
        part, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        return part

    def readable(self) -> bool:
        """A file to read (asked by Arrow)."""
        return True

    def close(self) -> None:
        """The file itself is closed by who opened it."""
        self.closed = True

    def _plain(self, block: bytes) -> bytes:
        delimiter = self.spec.source.delimiter
        return block if len(delimiter) == 1 else block.replace(delimiter.encode(), _INNER_DELIMITER.encode())

    def _note(self, block: bytes) -> None:
        self.quotes += block.count(self.spec.source.quote.encode()) if self.spec.source.quote else 0
        self.tail = [*self.tail[-1:], block]

    def ends_in_quotes(self, last_record_lines: int) -> bool:
        """True when the last record, so many lines before the end, is still within quotes: the file was cut off."""
        if self.quotes % 2 == 0:
            return False
        lines = b"".join(self.tail).split(b"\n")
        while lines and not lines[-1].strip():
            lines.pop()
        text = str(b"\n".join(lines[-last_record_lines:]), "utf-8", "ignore")
        try:
            list(csv.reader(io.StringIO(text), _dialect(self.spec, strict=True)))
        except csv.Error as error:
            return "unexpected end" in str(error)
        return False


def _dialect(spec: FileSpec, *, strict: bool = False) -> csv.Dialect:
    dialect = csv.excel()
    dialect.delimiter = _delimiter(spec)
    dialect.strict = strict
    if spec.source.quote:
        dialect.quotechar = spec.source.quote
    else:
        dialect.quoting = csv.QUOTE_NONE
    return dialect


def _delimiter(spec: FileSpec) -> str:
    return spec.source.delimiter if len(spec.source.delimiter) == 1 else _INNER_DELIMITER


def _without_footer(blocks: Iterator[bytes], rows: int) -> Iterator[bytes]:
    """Leave out the last `rows` lines that are not blank."""
    if not rows:
        yield from blocks
        return
    held = b""
    for block in blocks:
        held += block
        lines = held.splitlines(keepends=True)
        filled = [i for i, line in enumerate(lines) if line.strip()]
        cut = filled[-rows] if len(filled) >= rows else 0
        if cut:
            yield b"".join(lines[:cut])
        held = b"".join(lines[cut:])


@dataclass(slots=True)
class _Ragged:
    """Lines with the wrong number of fields, as Arrow reports them."""

    numbers: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    short: list[bool] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)
    footer: list[int] = field(default_factory=list)


def _rows(spec: FileSpec, body: _Body, places: dict[str, int], width: int) -> Iterator[Chunk]:
    ragged = _Ragged()
    count = _Counter(body.skipped, ragged)
    told = 0
    footer: int | None = None
    for batch in _batches(spec, body, ragged, places, width):
        numbers = count.place(batch)
        footer = _footer_start(spec, batch, numbers, ragged)
        kept = numbers < footer if footer is not None else np.ones(len(numbers), np.bool_)
        columns = {name: batch.column(f"c{at}") for name, at in places.items()}
        filled = np.zeros(len(numbers), np.bool_)
        for column in columns.values():
            filled |= column.is_valid().to_numpy(zero_copy_only=False)
        table = text_table(spec, columns, _place_texts(spec, count.lines(numbers)))
        if not (kept & filled).all():
            table = table.filter(pa.array(kept & filled))
        rejects, told = _ragged_rejects(spec, count, told, count.last if footer is None else min(count.last, footer))
        yield Chunk(table, rejects)
        if footer is not None:
            break
    rejects, _ = _ragged_rejects(spec, count, told, math.inf if footer is None else footer)
    bad = spec.rejects("file.encoding", body.lines.bad)
    if footer is None:
        _refuse_cut_off(spec, body, count)
    yield Chunk(text_table(spec, {}, pa.nulls(0, pa.string())), pa.concat_tables([rejects, bad]))


def _batches(
    spec: FileSpec, body: _Body, ragged: _Ragged, places: dict[str, int], width: int
) -> Iterator[pa.RecordBatch]:
    starts = tuple(spec.source.footer.starts)

    def note(row: arrow_csv.InvalidRow) -> str:
        text = row.text.lstrip(spec.source.quote + " ") if spec.source.quote else row.text
        ragged.numbers.append(row.number)
        ragged.breaks.append(row.text.rstrip("\r\n").count("\n"))
        ragged.short.append(row.actual_columns < row.expected_columns)
        ragged.blank.append(not text.strip(f"{_delimiter(spec)} \r\n\t"))
        if starts and text.startswith(starts):
            ragged.footer.append(row.number)
        return "skip"

    # Line breaks within quotes can stand in any column; without quotes only the mapped columns are worth converting.
    used = sorted({*places.values(), 0}) if not body.quoted else range(width)
    names = [f"c{i}" for i in range(width)]
    options = {
        "read_options": arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK),
        "parse_options": arrow_csv.ParseOptions(
            delimiter=_delimiter(spec),
            quote_char=spec.source.quote or False,
            newlines_in_values=bool(spec.source.quote),
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=[f"c{i}" for i in used],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    }
    try:
        yield from arrow_csv.open_csv(pa.PythonFile(body, mode="r"), **options)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        if "straddling" in str(error):
            what = "a quoted cell does not end, so the rest of the file would be one cell"
            raise spec.malformed(what, "Ask the system for the file again, or set `quote: ''`.") from error
        # Arrow's own words may hold a cell's value.
        raise spec.malformed(
            "the file is no delimited text", "Compare `delimiter` and `quote` with the file."
        ) from error


@dataclass(slots=True)
class _Counter:
    """Knows the line in the file of every record; Arrow numbers records, not lines, and leaves out the ragged ones.

    Attributes:
        rows: well-formed records so far; `last`: number of the last of them.
        long: numbers of the well-formed records with line breaks within, and how many each has.
    """

    skipped: int
    ragged: _Ragged
    rows: int = 0
    last: int = 0
    long: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))

    def place(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the record numbers of the next well-formed rows, counted from 1."""
        index = np.arange(self.rows, self.rows + batch.num_rows, dtype=np.int64)
        bad = np.array(self.ragged.numbers, np.int64)
        numbers = index + 1 + np.searchsorted(bad - 1 - np.arange(len(bad)), index, side="right")
        inner = np.zeros(batch.num_rows, np.int64)
        for column in batch.columns:
            inner += _breaks(column)
        self.long[0].extend(numbers[inner > 0].tolist())
        self.long[1].extend(inner[inner > 0].tolist())
        self.rows += batch.num_rows
        self.last = int(numbers[-1]) if batch.num_rows else self.last
        return numbers

    def lines(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the line in which each record begins."""
        above = _sum_below(numbers, *self.long) + _sum_below(numbers, self.ragged.numbers, self.ragged.breaks)
        return self.skipped + numbers + above


def _sum_below(numbers: npt.NDArray[np.int64], at: list[int], counts: list[int]) -> npt.NDArray[np.int64]:
    if not any(counts):
        return np.zeros(len(numbers), np.int64)
    sums = np.concatenate([[0], np.cumsum(counts)])
    result: npt.NDArray[np.int64] = sums[np.searchsorted(np.array(at), numbers)]
    return result


def _breaks(column: pa.StringArray) -> npt.NDArray[np.int64]:
    if not pc.any(pc.match_substring(column, "\n")).as_py():
        return np.zeros(len(column), np.int64)
    counts: npt.NDArray[np.int64] = pc.fill_null(pc.count_substring(column, "\n"), 0).to_numpy().astype(np.int64)
    return counts


def _footer_start(spec: FileSpec, batch: pa.RecordBatch, numbers: npt.NDArray[np.int64], ragged: _Ragged) -> int | None:
    """The number of the first record of the footer, as far as it has been seen."""
    found = list(ragged.footer[:1])
    first = pc.utf8_ltrim_whitespace(batch.column("c0")) if spec.source.footer.starts else None
    for start in spec.source.footer.starts:
        hits = pc.indices_nonzero(pc.fill_null(pc.starts_with(first, start), fill_value=False))
        if len(hits):
            found.append(int(numbers[hits[0].as_py()]))
    return min(found, default=None) if found else None


def _place_texts(spec: FileSpec, lines: npt.NDArray[np.int64]) -> pa.StringArray:
    return pc.binary_join_element_wise(spec.place, pa.array(lines).cast(pa.string()), "!")


def _ragged_rejects(spec: FileSpec, count: _Counter, told: int, upto: float) -> tuple[pa.Table, int]:
    """Rejects for the ragged records from the `told`-th on that lie above record `upto`, and how many are told now."""
    ragged = count.ragged
    end = bisect.bisect_left(ragged.numbers, upto)
    chosen = np.array([ragged.numbers[i] for i in range(told, end) if not ragged.blank[i]], np.int64)
    return spec.rejects("file.ragged", count.lines(chosen).tolist()), max(told, end)


def _refuse_cut_off(spec: FileSpec, body: _Body, count: _Counter) -> None:
    """Raise `Malformed` when the file ends within quotes, or in the middle of its last line."""
    ragged = count.ragged
    total = count.rows + len(ragged.numbers)
    last_is_ragged = bool(ragged.numbers) and ragged.numbers[-1] == total
    if last_is_ragged:
        inner = ragged.breaks[-1]
    else:
        inner = count.long[1][-1] if count.long[0] and count.long[0][-1] == count.last else 0
    remedy = "Fetch the file again; if these are closing lines, describe them under `footer`."
    line = int(count.lines(np.array([total]))[0])
    if body.ends_in_quotes(inner + 1):
        raise spec.malformed("the file ends within quotes: it was cut off", remedy, line)
    if last_is_ragged and not body.lines.ended and ragged.short[-1] and not ragged.blank[-1]:
        raise spec.malformed("the file ends in the middle of a line: it was cut off", remedy, line)
