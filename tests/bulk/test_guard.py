"""Uploads that are refused before a cell is read, and the plain ones that are not."""

import zipfile
from collections.abc import Callable
from io import BytesIO

import openpyxl
import pytest
from bulk_support import workbook

from onefact.bulk.guard import UploadRefused, guard
from onefact.bulk.settings import Limits
from onefact.bulk.sheet import read

PLAIN = workbook("person", [{"name": "张三", "id_number": "420199198506120010"}])
SHEET = "xl/worksheets/sheet1.xml"


def changed(parts: dict[str, bytes], without: str = "", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A workbook with some parts added or replaced."""
    memory = BytesIO()
    with zipfile.ZipFile(BytesIO(PLAIN)) as old, zipfile.ZipFile(memory, "w", compression) as new:
        for name in old.namelist():
            if name not in parts and name != without:
                new.writestr(name, old.read(name))
        for name, content in parts.items():
            new.writestr(name, content)
    return memory.getvalue()


def sheet(change: Callable[[bytes], bytes]) -> bytes:
    with zipfile.ZipFile(BytesIO(PLAIN)) as old:
        return changed({SHEET: change(old.read(SHEET))})


def encrypted() -> bytes:
    data = bytearray(PLAIN)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(magic)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(magic, start + 4)
    return bytes(data)


REFUSED = {
    "empty": (b"", "不是 Excel"),
    "text": ("姓名,电话\n".encode(), "不是 Excel"),
    "old format or password": (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "旧版"),
    "cut off": (PLAIN[: len(PLAIN) // 2], "损坏"),
    "encrypted parts": (encrypted(), "密码"),
    "a zip of something else": (changed({}, without=SHEET), "不是 Excel"),
    "macros": (changed({"xl/vbaProject.bin": b"x"}), "宏"),
    "macros under another name": (changed({"xl/code.bin": b"x"}), "宏"),
    "Excel 4 macros": (changed({"xl/macrosheets/sheet1.xml": b"<x/>"}), "宏"),
    "controls": (changed({"xl/activeX/activeX1.xml": b"<x/>"}), "宏"),
    "external links": (changed({"xl/externalLinks/externalLink1.xml": b"<x/>"}), "外部"),
    "embedded objects": (changed({"xl/embeddings/oleObject1.doc": b"x"}), "外部"),
    "bomb in one part": (changed({"xl/media/a.xml": b" " * 30_000_000}), "过大"),
    "bomb of nested text": (changed({"xl/sharedStrings.xml": b"<t>" + b"A" * 30_000_000}), "过大"),
    "too many parts": (changed({f"xl/media/{i}.png": b"" for i in range(600)}), "过多"),
    "entities": (sheet(lambda x: x.replace(b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet', 1)), "DOCTYPE"),
    "a cell at the end of the world": (sheet(lambda x: x.replace(b'r="B2"', b'r="XFD1048576"')), "行"),
    "the same in single quotes": (sheet(lambda x: x.replace(b'r="B2"', b"r = 'XFD1048576'")), "行"),
    "a far row": (sheet(lambda x: x.replace(b'<row r="2"', b'<row r="900000"')), "行"),
    "a far column": (sheet(lambda x: x.replace(b'r="B2"', b'r="AAA2"')), "列"),
    "a written-around reference": (sheet(lambda x: x.replace(b'r="B2"', b'r="XF&#68;1048576"')), "编号"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_a_cell_is_read(name: str) -> None:
    data, why = REFUSED[name]
    with pytest.raises(UploadRefused, match=why) as refused:
        guard(data, Limits())
    assert "42019919" not in str(refused.value)


def test_limits_are_settings() -> None:
    with pytest.raises(UploadRefused, match="1 MB"):
        guard(b"PK\x03\x04" + b"x" * 1_000_001, Limits(megabytes=1))
    with pytest.raises(UploadRefused, match="行"):
        read(workbook("person", [{"name": "张三", "phone": str(i)} for i in range(8)]), Limits(rows=5))


def test_plain_workbooks_pass() -> None:
    guard(PLAIN, Limits())
    memory = BytesIO()
    openpyxl.Workbook().save(memory)
    guard(memory.getvalue(), Limits())


def test_real_sheets_compress_less_than_the_limit() -> None:
    many = workbook("person", [{"name": "张三", "ethnicity": "汉族"}] * 20_000)
    guard(many, Limits())
