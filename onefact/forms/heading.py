"""What a form says of its columns (表头): the levels of the heading, the choices it offers, what stands in it already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_REMARK = re.compile(r"[（(]([^）)]{1,80})[）)]")
_SPLIT = re.compile(r"[、/，,；;|]|\s或\s?|(?:^|\s)\d{1,2}[.．、]")


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of a form.

    Attributes:
        column: number of the column in the sheet, from 1.
        path: the texts of the heading's levels, the outermost first; a merged heading stands over all its columns.
        options: the words that may be chosen, from the sheet's list or from the heading's own remark.
        samples: texts that stand in the column.
    """

    column: int
    path: tuple[str, ...]
    options: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def leaf(self) -> str:
        """The text nearest to the data."""
        return self.path[-1] if self.path else ""

    @property
    def text(self) -> str:
        """The whole heading as people read it."""
        return " > ".join(self.path)


@cache
def words() -> Mapping[str, Any]:
    """Return the reviewed words of headings (`words.yaml`)."""
    loaded: Mapping[str, Any] = yaml.safe_load(files(__package__).joinpath("words.yaml").read_text(encoding="utf-8"))
    return loaded


def remark_options(text: str) -> tuple[str, ...]:
    """Return the choices that a heading names in brackets: 性别（男/女） -> 男, 女; other remarks are none."""
    for remark in _REMARK.findall(text):
        parts = [p.strip() for p in _SPLIT.split(remark) if p and p.strip()]
        if len(parts) > 1 and all(len(p) <= 12 for p in parts) and "填" not in remark and "格式" not in remark:
            return tuple(parts)
    return ()


def from_texts(texts: Sequence[str]) -> list[Heading]:
    """Return headings for a pasted line of them: tabs, commas or line breaks between."""
    return [Heading(i, (t.strip(),), remark_options(t)) for i, t in enumerate(texts, start=1) if t.strip()]


def paste(text: str) -> list[Heading]:
    """Return the headings of a pasted text: of its lines the one with most parts."""
    lines = [
        re.split(r"\t|[,，;；](?![^（(]*[）)])|(?<!\d)、(?![^（(]*[）)])", line)
        for line in text.splitlines()
        if line.strip()
    ]
    if lines and all(len(line) == 1 for line in lines):
        return from_texts([line[0] for line in lines])
    return from_texts(max(lines, key=len, default=[]))
