"""The words for fields (词表): names, reviewed synonyms, the systems' own column names, initials of their pinyin.

The synonyms are a file that a non-programmer reviews (`synonyms.tsv`). The columns of the forty systems come from their
manifests, so a system that is added brings its words along.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from connectors.manifest import Manifest
from linkage.names.tables import UNKNOWN, tables
from schemas.entities import ENTITIES
from schemas.identifiers.columns import half_width
from schemas.model import EntityType, Field

CONTEXTS: tuple[EntityType, ...] = ("person", "house", "organisation")
"""What a row of a form can be."""

_REMARK = re.compile(r"[（(\[【〔][^）)\]】〕]*[）)\]】〕]")
_NOISE = re.compile(r"[\s*＊:：、，,。.;；·\-_—/\\|“”\"'‘’?？!！]+")
_NUMBERED = re.compile(r"^[0-9一二三四五六七八九十]{1,2}[、.．]")
_WORDS_OF_FORMS = re.compile(r"^(请填写|填写|请输入|输入|现)?(.+?)(必填|选填|必填项)?$")
LATIN = re.compile(r"^[A-Za-z]{2,}$")


@dataclass(frozen=True, slots=True)
class Computed:
    """Something that forms ask for and that follows from the master: its name and Chinese title."""

    name: str
    cn: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Word:
    """One way to write a meaning: the text as folded, how it is known, and who says so."""

    text: str
    basis: str
    """name, synonym, system, field."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words of one context.

    Attributes:
        exact: folded text -> meanings that are written so, with the word.
        initials: initials of the pinyin -> meanings.
        spelled: whole pinyin -> meanings.
        words: meaning -> its Chinese words, folded.
    """

    context: EntityType
    exact: Mapping[str, tuple[tuple[str, Word], ...]]
    initials: Mapping[str, tuple[str, ...]]
    spelled: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]


def fold(text: str) -> str:
    """Return a heading without remarks in brackets, numbering, punctuation and blanks, half-width, in small letters."""
    plain = half_width(text).strip()
    plain = _NUMBERED.sub("", plain)
    kept = _NOISE.sub("", _REMARK.sub("", plain)).lower()
    found = _WORDS_OF_FORMS.match(kept or _NOISE.sub("", plain).lower())
    return found.group(2) if found and len(found.group(2)) > 1 else kept or _NOISE.sub("", plain).lower()


def whole(text: str) -> str:
    """Return a heading folded with its remarks: 房屋性质（自用/出租/空置） is not 房屋性质."""
    return _NOISE.sub("", re.sub(r"[（）()\[\]【】〔〕]", "", half_width(text))).lower()


def title(context: EntityType, meaning: str) -> str:
    """Return the Chinese name of a meaning."""
    return field_of(context, meaning).cn if not meaning.startswith("@") else computed(context)[meaning].cn


def field_of(context: EntityType, meaning: str) -> Field:
    """Return the master field of a meaning; raises `UnknownField`."""
    return ENTITIES[context].field(meaning)


@cache
def rows() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Return the reviewed synonyms: entity, meaning, words."""
    text = files(__package__).joinpath("synonyms.tsv").read_text(encoding="utf-8")
    read = csv.DictReader(text.splitlines(), delimiter="\t")
    return tuple((r["entity"], r["field"], tuple(r["synonyms"].split("、"))) for r in read)


@cache
def computed(context: EntityType) -> Mapping[str, Computed]:
    """Return what can be worked out for a context: the meanings that begin with @."""
    return {m: Computed(m, words[0]) for entity, m, words in rows() if entity == context and m.startswith("@")}


def vocabulary(context: EntityType, manifests: Iterable[Manifest] = ()) -> Vocabulary:
    """Return all words of a context."""
    exact: dict[str, dict[str, Word]] = defaultdict(dict)
    words: dict[str, list[str]] = defaultdict(list)
    for meaning, word in _words(context, manifests):
        exact[word.text].setdefault(meaning, word)
        if word.basis in {"name", "synonym"}:
            words[meaning].append(word.text)
    initials: dict[str, dict[str, None]] = defaultdict(dict)
    spelled: dict[str, dict[str, None]] = defaultdict(dict)
    for meaning, texts in words.items():
        for text in texts:
            sounds = syllables(text)
            if len(sounds) > 1:
                initials["".join(s[0] for s in sounds)][meaning] = None
                spelled["".join(sounds)][meaning] = None
    return Vocabulary(
        context,
        {t: tuple(m.items()) for t, m in exact.items()},
        {t: tuple(m) for t, m in initials.items()},
        {t: tuple(m) for t, m in spelled.items()},
        {m: tuple(dict.fromkeys(t)) for m, t in words.items()},
    )


def _words(context: EntityType, manifests: Iterable[Manifest]) -> Iterable[tuple[str, Word]]:
    """Yield every word, the surest first: names, synonyms, the systems' columns, our own field names."""
    for field in ENTITIES[context].fields:
        yield field.name, Word(fold(field.cn), "name")
        yield field.name, Word(whole(field.cn), "name")
    for entity, meaning, synonyms in rows():
        if entity == context:
            for text in synonyms:
                yield meaning, Word(whole(text), "synonym")
                yield meaning, Word(fold(text), "synonym")
    yield from _columns(context, manifests)
    for field in ENTITIES[context].fields:
        yield field.name, Word(fold(field.name), "field")


def _columns(context: EntityType, manifests: Iterable[Manifest]) -> Iterable[tuple[str, Word]]:
    """Yield the column names of the systems in which an entity speaks of itself."""
    for manifest in manifests:
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                if entity.type == context and entity.role == context:
                    for name, column in entity.fields.items():
                        if len(column.column) == 1:
                            yield name, Word(fold(column.column[0].rsplit(".", 1)[-1]), "system", manifest.name)


@cache
def syllables(text: str) -> tuple[str, ...]:
    """Return the pinyin of a Chinese text, syllable by syllable; empty when a character has no reading."""
    known = tables()
    numbers = [int(known.given[ord(c)]) for c in text]
    if not numbers or UNKNOWN in numbers:
        return ()
    return tuple(str(known.syllables[n].as_py()) for n in numbers)
