"""Numbers of documents other than the citizen's own: permits of Hong Kong, Macao and Taiwan residents, passports.

They carry no check digit, so only their shape can be told. A shape is evidence of the kind, not proof: the record's
own 证件类型 wins where both are known.
"""

from __future__ import annotations

import re

import pyarrow as pa

from schemas.identifiers import columns
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Texts

_SHAPES: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    ("hk_macao_permit", "516", re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?")),
    ("taiwan_permit", "511", re.compile(r"[0-9]{8}|[0-9]{10}[A-Z]")),
    ("permanent_residence", "553", re.compile(r"[A-Z]{3}[0-9]{12}")),
    ("travel_permit", "513", re.compile(r"[CW][0-9A-Z][0-9]{7}")),
    ("passport_cn", "414", re.compile(r"(?:[EG][0-9]{8}|E[A-Z][0-9]{7}|14[0-9]{7}|15[0-9]{7})")),
    ("passport_official", "412", re.compile(r"(?:S|SE|P|PE)[0-9]{7,8}")),
    ("passport_diplomatic", "411", re.compile(r"(?:D|DE)[0-9]{7,8}")),
    ("military", "114", re.compile(r"[\u4e00-\u9fff]{1,4}字第?[0-9]{4,10}号?")),
    ("passport_foreign", "414", re.compile(r"[0-9]{9}|(?=[0-9]*[A-Z])(?=[0-9A-Z]*[0-9]{3})[0-9A-Z]{6,12}")),
)
"""Kind, its GA/T 517 code, its shape: the first that fits the whole text wins, so the strict ones stand first."""


def parse(texts: Texts) -> pa.Table:
    """Clean document numbers and name their kind by shape, row for row.

    Returns:
        Text columns `value`, `kind` (see `_SHAPES`), `issue` (masked, precision_lost, format), `warning`
        (shape_only for foreign passports and bare digits, whose shape says little: it may be a cut-off ID number), `id_type` (GA/T 517 code), `base` (the number
        without the two digits that count reissues, for permits of Hong Kong and Macao residents).
    """
    return columns.per_distinct(texts, _parse_distinct)


def _parse_distinct(raw: pa.StringArray) -> pa.Table:
    rows = [_parse_one(text) for text in columns.compact(raw).to_pylist()]
    names = ("value", "kind", "issue", "warning", "id_type", "base")
    return columns.text_table({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _parse_one(text: str | None) -> tuple[str | None, ...]:
    if text is None:
        return (None,) * 6
    if SCIENTIFIC.match(text):
        return None, None, "precision_lost", None, None, None
    if MASKED.search(text):
        return None, None, "masked", None, None, None
    number = re.sub(r"[-.()]", "", text)
    for kind, id_type, shape in _SHAPES:
        if shape.fullmatch(number):
            warning = "shape_only" if kind == "passport_foreign" or number.isdigit() else None
            base = number[:9] if kind == "hk_macao_permit" else number
            return number, kind, None, warning, id_type, base
    return None, None, "format", None, None, None
