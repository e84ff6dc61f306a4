"""A canonical value in a form's own words (按表填写): the form's choices for codes, the form's way of writing dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from onefact.forms.heading import Heading
from onefact.forms.vocabulary import field_of
from schemas.codes import code_set
from schemas.model import EntityType

_BOOLEAN = "boolean"
_SHAPES = (
    (re.compile(r"\d{4}年\d{1,2}月\d{1,2}日|年\s*月\s*日"), "{y}年{m:d}月{d:d}日"),
    (re.compile(r"\d{4}\.\d{1,2}\.\d{1,2}|[xX]{4}\.[xX]{2}\.[xX]{2}|yyyy\.mm\.dd", re.IGNORECASE), "{y}.{m:02}.{d:02}"),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}|yyyy/mm/dd", re.IGNORECASE), "{y}/{m:d}/{d:d}"),
    (re.compile(r"\b\d{8}\b|yyyymmdd|8位", re.IGNORECASE), "{y}{m:02}{d:02}"),
)
"""How a form writes dates, read off its heading or its samples."""

_MONTHS = (
    (re.compile(r"\d{4}年\d{1,2}月|年\s*月"), "{y}年{m:d}月"),
    (re.compile(r"\b\d{6}\b|yyyymm", re.IGNORECASE), "{y}{m:02}"),
    (re.compile(r"\d{4}\.\d{1,2}|[xX]{4}\.[xX]{2}"), "{y}.{m:02}"),
)


class NoWord(Exception):
    """The form's choices have no word for a value."""


def spell(context: EntityType, meaning: str, value: str, heading: Heading) -> str:
    """Return a canonical value as the form wants it written; raises `NoWord` when its choices do not have it."""
    if meaning == "@birth_month":
        return _written(f"{value}-01", heading, _MONTHS, "{y}.{m:02}")
    if meaning == "@house_status":
        return _coded("house_status", value, heading.options)
    if meaning.startswith("@"):
        return _written(value, heading, _SHAPES, "") if meaning == "@today" else value
    field = field_of(context, meaning)
    match field.kind:
        case "code" | "boolean":
            return _coded(field.code_set or _BOOLEAN, value, heading.options, like=heading.samples)
        case "date":
            return _written(value, heading, _SHAPES, "")
        case _:
            return value


def _coded(set_id: str, code: str, options: Sequence[str], like: Sequence[str] = ()) -> str:
    """Return the choice that means the code, or the group it belongs to; without choices the standard's name."""
    known = code_set(set_id)
    if options:
        word = _choice(set_id, code, tuple(options))
        if word is None:
            raise NoWord
        return word
    if like and all(s in known.codes for s in like):  # the form is filled with codes
        return code
    return known.codes.get(code, code)


@lru_cache(4096)
def _choice(set_id: str, code: str, options: tuple[str, ...]) -> str | None:
    known = code_set(set_id)
    meant = {known.resolve(re.sub(r"^\d{1,2}[.．、]", "", o)): o for o in reversed(options)}
    at: str | None = code
    while at is not None:
        if at in meant:
            return meant[at]
        at = known.parents.get(at)
    return None


def _written(value: str, heading: Heading, shapes: Sequence[tuple[re.Pattern[str], str]], usual: str) -> str:
    parts = value.split("-")
    if len(parts) != 3:
        return value
    numbers = {"y": parts[0], "m": int(parts[1]), "d": int(parts[2])}
    for said in (*heading.samples[:3], *reversed(heading.path)):
        for shape, pattern in shapes:
            if shape.search(said):
                return pattern.format(**numbers)
    return usual.format(**numbers) if usual else value
