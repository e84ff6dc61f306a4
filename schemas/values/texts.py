"""Kinds text, name, address: spelling folded, meaning kept; rare ideographs are never touched."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.values.answer import Answer, Row, limited, unless
from schemas.values.options import ValueOptions

_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}·])\s+(?=[{_HAN}·])")
_AFTER_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")
_DOTS = re.compile(r"\s*[·•‧・･∙⋅●˙᛫]\s*")
_LATIN_DOT = re.compile(rf"(?<=[{_HAN}])\s*[.．。]\s*(?=[{_HAN}])")
_ANNOTATION = re.compile(r"\s*[(\[{【〔<《「][^)\]}】〕>》」]*[)\]}】〕>》」]?\s*")
_DAMAGED = re.compile(r"[?*＊�□■●×#_]|某|^[Xx]+$|(?<=[\u4e00-\u9fff])[Xx]{1,2}$")
_LETTER = re.compile(rf"[{_HAN}A-Za-z\u00c0-\u024f\u0400-\u04ff\u0e00-\u0e7f\u3040-\u30ff\uac00-\ud7af\u0600-\u06ff]")
_DASHES = re.compile(r"\s*[-‐‑‒–—―−﹣－~～〜]+\s*")
_BLANKS = re.compile(r"\s+")
_PLAIN_NAME = r"^(?:[\x{3400}-\x{67CF}\x{67D1}-\x{9FFF}]){2,6}$"  # ideographs, not 某
_PLAIN_ADDRESS = r"^[\p{Han}0-9A-Za-z(](?:-?[\p{Han}0-9A-Za-z()#/])*$"


def text(column: pa.StringArray, options: ValueOptions) -> Answer:
    """Free text: half-width, outer blanks off, inner blanks single, not longer than the field."""
    plain = pc.replace_substring_regex(columns.fold_width(column), r"[\s\p{Z}]+", " ")
    plain = pc.utf8_trim_whitespace(plain)
    nothing = pa.nulls(len(column), pa.string())
    return limited(Answer(plain, nothing, nothing), options.length)


def name(column: pa.StringArray, options: ValueOptions) -> Answer:
    """姓名: annotations off, one middle dot, no blanks between ideographs; lost or hidden characters are an issue.

    A name with `?` or `*` in it is somebody else's name if kept: `张?` would match nobody and everybody.
    """
    return limited(unless(column, _PLAIN_NAME, _name), options.length)


def _name(raw: str) -> Row:
    plain = columns.half_width(raw).strip(" \t\r\n'’‘`\",;.:、，。；：")
    plain = _ANNOTATION.sub(" ", plain).strip()
    plain = _DOTS.sub("·", _LATIN_DOT.sub("·", plain)) if not plain.isascii() else plain
    plain = _BLANKS.sub(" ", _BETWEEN_HAN.sub("", plain)).strip(" ·-")
    if _DAMAGED.search(plain) or not _LETTER.search(plain):
        return None, "damaged", None
    return plain, None, "digits" if re.search("[0-9]", plain) else None


def address(column: pa.StringArray, options: ValueOptions) -> Answer:
    """地址: half-width, one kind of dash, no blanks beside ideographs; what the parts mean is `schemas.address`'s task."""
    return limited(unless(column, _PLAIN_ADDRESS, _address), options.length)


def _address(raw: str) -> Row:
    plain = columns.half_width(raw).strip(" \t\r\n'’‘`\",;.、，。；")
    plain = _DASHES.sub("-", plain)
    plain = _BLANKS.sub(" ", _AFTER_HAN.sub("", plain)).strip(" -")
    return (plain, None, None) if plain else (None, "empty", None)
