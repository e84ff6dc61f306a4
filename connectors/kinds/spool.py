"""Reading a spool of JSON Lines from a position (file, offset): whole lines only, in the order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.kinds.webhook_receiver import spool_files

OVERLAP_BYTES = 256 * 1024
"""How much before the position is shown again, to recognise late and repeated events behind it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end: file name, offset of its first byte, offset behind it, content."""

    file: str
    start: int
    end: int
    body: bytes


def read_from(folder: Path, file: str, offset: int, count: int) -> Iterator[list[Line]]:
    """Yield the lines after a position, at most `count` at a time; a line still being written waits for next time."""
    batch: list[Line] = []
    for path in spool_files(folder):
        if path.name < file:
            continue
        for line in _lines(path, offset if path.name == file else 0):
            batch.append(line)
            if len(batch) == count:
                yield batch
                batch = []
    if batch:
        yield batch


def remembered(folder: Path, file: str, offset: int) -> Iterator[Line]:
    """Yield the last lines before a position, from its file and the one before."""
    before = [path for path in spool_files(folder) if path.name <= file][-2:]
    for path in before:
        end = offset if path.name == file else path.stat().st_size
        start = max(0, end - OVERLAP_BYTES)
        lines = _lines(path, start)
        if start:
            next(lines, None)  # it may begin in the middle of a line
        for line in lines:
            if line.end > end:
                break
            yield line


def _lines(path: Path, offset: int) -> Iterator[Line]:
    with path.open("rb") as file:
        file.seek(offset)
        for body in file:
            if not body.endswith(b"\n"):
                return
            end = offset + len(body)
            if body.strip():
                yield Line(path.name, offset, end, body.rstrip(b"\r\n"))
            offset = end
