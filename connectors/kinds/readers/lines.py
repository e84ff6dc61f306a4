"""A text file as blocks of whole lines in UTF-8, decoded strictly.

A byte that is not in the promised encoding means one of two things: the whole file is in another encoding (then
nothing in it can be trusted, `Malformed`), or a line is damaged (then this line is rejected and the others go on).
Guessing an encoding per line would turn names into other names.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from connectors.kinds.readers.chunk import FileSpec

BLOCK = 1 << 22
"""Bytes read at a time; a record must be shorter."""

_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF8 = frozenset({"utf-8", "utf-8-sig"})
_GB = frozenset({"gbk", "gb2312", "gb18030"})
_ALTERNATIVES = ("utf-8", "gb18030", "utf-16", "big5")


class Lines:
    """Reads a file in blocks of whole lines.

    Attributes:
        bad: numbers of the lines that could not be decoded; they are blank in the blocks, so that counting holds.
        ended: True when the last line read ended with a line break.
    """

    def __init__(self, spec: FileSpec, file: BinaryIO) -> None:
        self.spec = spec
        self.file = file
        self.codec = _codec(spec)
        self.bad: list[int] = []
        self.ended = True
        self._line = 1

    def blocks(self) -> Iterator[bytes]:
        """Yield the file's lines as UTF-8; raises `Malformed` when the encoding is another one or it is empty."""
        first = True
        for raw in self._whole_lines():
            if first:
                self._refuse_other_encoding(raw)
            block = self._decoded(raw, first=first)
            self._line += raw.count(b"\n")
            first = False
            yield block.removeprefix(codecs.BOM_UTF8) if self._line == 1 else block
        if first:
            raise self.spec.malformed("the file is empty", "Ask the system for the file again; the export broke off.")

    def _whole_lines(self) -> Iterator[bytes]:
        rest = b""
        wide = codecs.getincrementaldecoder(self.codec)() if self.codec.startswith("utf-16") else None
        while data := self.file.read(BLOCK):
            piece = self._narrow(wide, data) if wide is not None else data
            cut = piece.rfind(b"\n") + 1
            if cut:
                yield rest + piece[:cut]
                rest = piece[cut:]
            else:
                rest += piece
        if wide is not None:
            rest += self._narrow(wide, b"", final=True)
        if rest.strip():
            self.ended = False
            yield rest

    def _narrow(self, wide: codecs.IncrementalDecoder, data: bytes, *, final: bool = False) -> bytes:
        try:
            return wide.decode(data, final).encode("utf-8")
        except UnicodeError as error:
            what = f"the file is not {self.codec.upper()} as the manifest says"
            raise self.spec.malformed(what, "Correct `encoding`, or fetch the file again.") from error

    def _decoded(self, raw: bytes, *, first: bool) -> bytes:
        if first:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if raw.isascii():
            return raw
        try:
            if self.codec in _UTF8 or self.codec.startswith("utf-16"):
                str(raw, "utf-8")
                return raw
            return str(raw, self.codec).encode("utf-8")
        except UnicodeDecodeError:
            return self._repaired(raw, first=first)

    def _repaired(self, raw: bytes, *, first: bool) -> bytes:
        lines, bad = raw.split(b"\n"), []
        for i, line in enumerate(lines):
            try:
                lines[i] = str(line, self.codec).encode("utf-8")
            except UnicodeDecodeError:
                bad.append(i)
        foreign = sum(1 for line in raw.split(b"\n") if not line.isascii())
        if first and (2 * len(bad) > foreign or bad[0] < max(self.spec.source.header_row, 1)):
            self._refuse(raw, bad[0])
        for i in bad:
            lines[i] = b""
        self.bad.extend(self._line + i for i in bad)
        return b"\n".join(lines)

    def _refuse_other_encoding(self, raw: bytes) -> None:
        """A GB reader takes most UTF-8 for rare characters without complaint, so UTF-8 is recognised first."""
        if raw.startswith(_WIDE_BOMS) and not self.codec.startswith("utf-16"):
            self._refuse(raw, 0)
        if self.codec in _GB and not raw.isascii() and _decodes(raw, "utf-8"):
            self._refuse(raw, 0)

    def _refuse(self, raw: bytes, line: int) -> None:
        others = [c for c in _ALTERNATIVES if c != self.codec and c not in (_GB if self.codec in _GB else ())]
        fits = next((c for c in others if _decodes(raw, c)), None)
        remedy = f"It reads as {fits.upper()}: set `encoding: {fits}`." if fits else "Ask the system for its encoding."
        byte = sum(len(text) + 1 for text in raw.split(b"\n")[:line])
        what = f"the file is not {self.codec.upper()} as the manifest says (from byte {byte})"
        raise self.spec.malformed(what, remedy, self._line + line)


def _codec(spec: FileSpec) -> str:
    try:
        name = codecs.lookup(spec.source.encoding).name
    except LookupError as error:
        remedy = "Use utf-8, gb18030, gbk, utf-16 or big5."
        raise spec.malformed(f"there is no encoding {spec.source.encoding!r}", remedy) from error
    return "gb18030" if name in _GB else name  # GB 18030 contains the two older ones


def _decodes(raw: bytes, codec: str) -> bool:
    if codec == "utf-16" and not raw.startswith(_WIDE_BOMS):
        return False
    try:
        str(raw[: len(raw) // 2 * 2] if codec == "utf-16" else raw, codec)
    except UnicodeError:
        return False
    return True
