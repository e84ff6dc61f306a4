"""Walking the chain: is every row as it was written, and if not, which one is wrong and how (逐行核验).

The walk trusts nothing but the hashes: each row's own hash is computed from what stands in it, and each row must continue
the one before. Where that fails, the number that an act itself holds (`seq` in the body, under the hash) tells a row that
was altered from one that was removed, inserted or moved, even where what follows was renumbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from warehouse.sealed.chain import ALGORITHMS, GENESIS, Hash, hashing

Kind = Literal["altered", "replaced", "missing", "inserted", "moved", "cut_off", "rewritten", "unproven", "forged"]

MOST = 100
"""Findings that are told; a log that was written anew from some row on would give one for each."""

KINDS: Mapping[Kind, str] = {
    "altered": "内容被改动", "replaced": "被换成了另一条（哈希已重算）", "missing": "被删除", "inserted": "是事后插入的",
    "moved": "位置被调换", "cut_off": "末尾被截掉", "rewritten": "与检查点不符，此前的内容被重写", "unproven": "开头缺失，且没有有效的截断证明",
    "forged": "检查点的签名无效",
}  # fmt: skip
"""Findings in the words of those who read them."""


class Row(NamedTuple):
    """One row as it is stored."""

    seq: int
    algorithm: str
    prev: bytes
    hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong: at which row (to `last`, where it is several), and how."""

    seq: int
    kind: Kind
    last: int | None = None
    told: str = ""

    def __str__(self) -> str:
        """In Chinese."""
        rows = f"第 {self.seq} 条" if self.last in {None, self.seq} else f"第 {self.seq} 至 {self.last} 条"
        return f"{rows}{KINDS[self.kind]}{f'：{self.told}' if self.told else ''}"


class Walk:
    """One walk over a log, from its first row to its last.

    Attributes:
        count: rows seen.
        first: number of the first row; None of an empty log.
        end: number and hash of the last row.
        findings: what is wrong, at most `MOST`.
        cuts: bodies of acts that say the log was cut, for a log that does not begin at 1.
    """

    def __init__(self, marks: Mapping[int, bytes] | None = None) -> None:
        """Prepare; `marks` are hashes that rows must have by number (of checkpoints)."""
        self.marks = dict(marks or {})
        self.count, self.first_prev = 0, GENESIS
        self.first: int | None = None
        self.end: tuple[int, bytes] = (0, GENESIS)
        self.findings: list[Finding] = []
        self.cuts: list[bytes] = []
        self._shift = 0
        self._blamed = -1
        self._open: tuple[Row, Row, int | None] | None = None

    def over(self, rows: Iterable[Row | tuple[int, str, bytes, bytes, bytes]]) -> None:
        """Take in all rows, in the order of their numbers."""
        hashed: dict[str, Hash] = {}
        marks, last, due, row = self.marks, GENESIS, 1, None
        for seq, algorithm, prev, digest, body in rows:
            try:
                known = hashed[algorithm]
            except KeyError:
                known = hashed[algorithm] = _hash(algorithm)
            fine = known(prev + body) == digest
            if not (fine and prev == last and seq == due) or self._open:
                self._odd(Row(seq, algorithm, prev, digest, body), row, own=fine)
            if seq in marks and marks[seq] != digest:
                self._tell(seq, "rewritten")
            if b'"act":"cut"' in body:
                self.cuts.append(body)
            last, due, row = digest, seq + 1, (seq, algorithm, prev, digest, body)
            self.count += 1
        if row is not None:
            self.end = (row[0], row[3])
        self._settle(None)

    def _tell(self, seq: int, kind: Kind, last: int | None = None, told: str = "") -> None:
        if len(self.findings) < MOST:
            self.findings.append(Finding(seq, kind, last, told))

    def _odd(self, row: Row, before: tuple[int, str, bytes, bytes, bytes] | None, *, own: bool) -> None:
        """A row that does not fit: its own hash, its link or its number; or the one after a row in doubt."""
        self._settle(row)
        if before is None:
            self.first, self.first_prev = row.seq, row.prev
            before = (row.seq - 1, "", b"", GENESIS if row.seq == 1 else row.prev, b"")
        previous = Row(*before)
        if row.seq != previous.seq + 1:
            self._tell(previous.seq + 1, "missing", row.seq - 1)
            if own:
                return
        if not own:
            self._blame(row.seq, "altered")
        elif row.prev != previous.hash:
            self._broken(row, previous)

    def _broken(self, row: Row, previous: Row) -> None:
        """The row is whole but does not continue the one before: which of the two is wrong, the next row may tell."""
        place = _place(row)
        if self._blamed != previous.seq or place != row.seq + self._shift:
            self._open = (row, previous, place)

    def _settle(self, following: Row | None) -> None:
        """Decide about the row in doubt, now that the next one is there."""
        if self._open is None:
            return
        (row, previous, place), self._open = self._open, None
        due = row.seq + self._shift
        swapped = following is not None and place == following.seq and _place(following) == row.seq
        if any(f.kind == "moved" and f.seq == place for f in self.findings):
            self._moved(row, place)
        elif following is not None and following.prev == previous.hash and not swapped:
            self._inserted(row.seq, row.seq)
        elif following is not None and following.prev != row.hash:
            self._moved(row, place)
        elif place is not None and place < due:
            self._inserted(row.seq - (due - place), previous.seq)
        elif place is not None and place > due:
            self._tell(due, "missing", place - 1, "其后的编号被改过")
            self._shift += place - due
        else:
            self._blame(max(previous.seq, 1), "replaced")

    def _moved(self, row: Row, place: int | None) -> None:
        self._blame(row.seq, "moved", told=f"此处存放的是第 {place} 条")

    def _inserted(self, first: int, last: int) -> None:
        """Rows stand where none was written; what was said of them already is replaced by this."""
        self.findings = [f for f in self.findings if not (first <= f.seq <= last and f.kind == "altered")]
        self._blame(first, "inserted", last)
        self._shift -= last - first + 1

    def _blame(self, seq: int, kind: Kind, last: int | None = None, told: str = "") -> None:
        self._tell(seq, kind, last, told)
        self._blamed = seq if last is None else last


def _hash(algorithm: str) -> Hash:
    """The hash of a row; what never was an algorithm of the log fits no row: somebody wrote the name."""
    return hashing(algorithm) if algorithm in ALGORITHMS else lambda _: b""


def _place(row: Row) -> int | None:
    """The number under which an act was written, as it says itself."""
    try:
        return int(json.loads(row.body)["seq"])
    except (ValueError, KeyError, TypeError):
        return None


def of_lines(lines: Iterable[bytes]) -> Iterator[Row]:
    """Read the rows of an exported log (JSON Lines)."""
    for line in lines:
        told = json.loads(line)
        prev, digest = bytes.fromhex(told["prev"]), bytes.fromhex(told["hash"])
        yield Row(int(told["seq"]), told["algorithm"], prev, digest, told["body"].encode())
