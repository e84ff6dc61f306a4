"""What an uploaded workbook may not be (上传检查): too large, a ZIP bomb, with macros, encrypted, pointing outside.

All of this is looked at before a cell is read, without unpacking more than a piece at a time. A reader allocates the
whole rectangle between the first and the last cell, so one cell at XFD1048576 in a file of 2 KB asks for gigabytes: the
cell references are checked too.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from functools import lru_cache
from io import BytesIO

from onefact.bulk.settings import Limits

MEGABYTE = 1_000_000
PIECE = 1 << 20
OVERLAP = 64

ZIP = b"PK\x03\x04"
OLE = bytes.fromhex("d0cf11e0a1b11ae1")
"""Beginning of the old .xls format, and of an encrypted workbook."""

_FORBIDDEN = (
    (re.compile(r"vbaproject|\.bin$|macrosheets/|activex/", re.IGNORECASE), "含有宏或控件"),
    (re.compile(r"externallinks/|embeddings/|querytables/|connections\.xml$", re.IGNORECASE), "含有外部链接或嵌入对象"),
)
_HARMLESS = re.compile(r"printersettings\d*\.bin$", re.IGNORECASE)
_SHEET = re.compile(r"worksheets/[^/]+\.xml$", re.IGNORECASE)
_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_REFERENCE = re.compile(rb"""["']([A-Za-z]*)0*(\d*)""")


@lru_cache(8)
def _far(rows: int) -> re.Pattern[bytes]:
    """Return what finds references worth a second look: long row numbers, columns of several letters, anything written around."""
    digits = rf"0*[1-9]\d{{{len(str(rows)) - 1},}}"
    return re.compile(rf"""\br\s*=\s*["'](?:[A-Za-z]{{1,3}}{digits}|[A-Za-z]{{2,}}\d+|{digits}|[^"'<>]*&)""".encode())


class UploadRefused(Exception):
    """A file that is not taken in at all, with the reason and what to do; never anything out of the file."""


def guard(data: bytes, limits: Limits) -> None:
    """Let an uploaded workbook pass, or raise `UploadRefused`."""
    if len(data) > limits.megabytes * MEGABYTE:
        raise UploadRefused(f"文件超过 {limits.megabytes} MB，请分成几个文件上传。")
    if data.startswith(OLE):
        raise UploadRefused("文件是旧版 .xls 格式或设了密码。请另存为不加密的 .xlsx 后再上传。")
    if not data.startswith(ZIP):
        raise UploadRefused("文件不是 Excel 工作簿（.xlsx）。")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _look(archive, limits)
    # A RuntimeError is also what zipfile raises for a password or a compression that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as problem:
        raise UploadRefused("文件已损坏，无法打开。请用表格软件打开后另存一次再上传。") from problem


def _look(archive: zipfile.ZipFile, limits: Limits) -> None:
    parts = archive.infolist()
    if len(parts) > limits.parts:
        raise UploadRefused("文件内部的部件过多，不是普通的表格。")
    names = [p.filename.lower() for p in parts]
    if len(set(names)) != len(names):
        raise UploadRefused("文件内部有重名部件，不是普通的表格。")
    if "[content_types].xml" not in names or not any(_SHEET.search(n) for n in names):
        raise UploadRefused("文件不是 Excel 工作簿（.xlsx）。")
    for name in names:
        for pattern, why in _FORBIDDEN:
            if pattern.search(name) and not _HARMLESS.search(name):
                raise UploadRefused(f"文件{why}。请另存为普通的 .xlsx（不含宏）后再上传。")
    left = limits.unpacked_megabytes * MEGABYTE
    for part in parts:
        if part.flag_bits & 0x1:
            raise UploadRefused("文件设了密码。请取消密码后再上传。")
        left -= _unpack(archive, part, left, limits)


def _unpack(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int, limits: Limits) -> int:
    """Read a part piece by piece; the sizes that the archive declares are not believed."""
    allowed = min(left, max(part.compress_size, 1) * limits.ratio + PIECE)
    sheet, xml = bool(_SHEET.search(part.filename)), part.filename.lower().endswith((".xml", ".rels"))
    size, tail = 0, b""
    with archive.open(part) as stream:
        while piece := stream.read(PIECE):
            size += len(piece)
            if size > allowed:
                raise UploadRefused("文件解压后过大，不是普通的表格。")
            if xml:
                window = tail + piece
                if _DOCTYPE.search(window):
                    raise UploadRefused("文件含有不允许的定义（DOCTYPE）。")
                if sheet:
                    _near(window, limits)
                tail = window[-OVERLAP:]
    return size


def _near(xml: bytes, limits: Limits) -> None:
    """Refuse references to cells outside the limits; a reference that is not plain text is refused as well."""
    for found in _far(limits.rows + 100).finditer(xml):
        text = found.group()
        if b"&" in text:
            raise UploadRefused("文件的单元格编号不规范。请用表格软件另存一次再上传。")
        at = _REFERENCE.search(text)
        letters, digits = (at.group(1), at.group(2)) if at else (b"", b"")
        column = 0
        for letter in letters.upper():
            column = column * 26 + letter - 64
        if column > limits.columns or (digits and int(digits) > limits.rows + 100):
            raise UploadRefused(
                f"表格超过 {limits.rows} 行或 {limits.columns} 列（包括只设了格式的空单元格）。请删去多余的行列。"
            )
