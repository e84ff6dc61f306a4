"""Columns of a form to fields of the master (栏目匹配): each with confidence and reason; what people said outranks guesses.

Evidence in the order of its weight: a remembered correction, the field's own name, a reviewed synonym, a system's column
name, the pinyin, the end of the heading, likeness. What stands in the column and what may be chosen there then speak for or
against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz

from connectors.manifest import Manifest
from onefact.forms.heading import Heading, words
from onefact.forms.vocabulary import CONTEXTS, LATIN, Vocabulary, field_of, fold, title, vocabulary, whole
from schemas.codes import code_set
from schemas.model import EntityType
from schemas.values import ValueOptions, normalise

SURE = 0.8
"""From this confidence on a column is filled; below it a person is asked first."""

POSSIBLE = 0.5
"""From this confidence on a proposal is shown."""

CONFIDENCE = {"name": 0.98, "synonym": 0.96, "system": 0.92, "field": 0.9}
REASONS = {
    "name": "与主数据项名称相同",
    "synonym": "同义词",
    "system": "与{source}的栏目名相同",
    "field": "与主数据项英文名相同",
}

TELLING = frozenset({"id_number", "uscc", "phone", "date", "integer", "decimal"})
"""Kinds whose values can be told from others by looking at them."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a column means.

    Attributes:
        meaning: a field of the context's entity, or something computed (`@age`); None where nothing fits.
        confidence: 0 to 1.
        reason: in Chinese, as it is shown.
        free: a column for the person who files the form (备注, 签字); nothing is missing there.
        others: further meanings that are possible.
    """

    heading: Heading
    meaning: str | None
    confidence: float
    reason: str
    free: bool = False
    others: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        """True when the column may be filled without asking."""
        return self.meaning is not None and self.confidence >= SURE


@dataclass(frozen=True, slots=True)
class Matched:
    """A form's columns and what one row of it is."""

    context: EntityType
    columns: tuple[Match, ...]
    form_title: str = ""

    @property
    def by_meaning(self) -> dict[str, Match]:
        """Meaning -> its column, of the sure ones."""
        return {m.meaning: m for m in self.columns if m.sure and m.meaning}


Candidates = dict[str, tuple[float, str]]


def match(
    headings: Sequence[Heading],
    manifests: Iterable[Manifest] = (),
    *,
    remembered: Mapping[tuple[str, str], str] | None = None,
    form_title: str = "",
    context: EntityType | None = None,
) -> Matched:
    """Match all columns of a form.

    Args:
        headings: the columns.
        manifests: the systems, whose column names count.
        remembered: (folded heading, context) -> meaning, `""` for none of ours.
        form_title: words in it say what a row is.
        context: what a row is, where a person has said so.
    """
    remembered, manifests = remembered or {}, tuple(manifests)
    found = {
        c: _one_each([_column(h, vocabulary(c, manifests), remembered) for h in headings])
        for c in ([context] if context else CONTEXTS)
    }
    best = max(found, key=lambda c: _weight(found[c]) + _said(c, form_title, headings))
    return Matched(best, tuple(found[best]), form_title)


def _weight(matches: Sequence[Match]) -> float:
    return sum(max(m.confidence - 0.4, 0) for m in matches if m.meaning and not m.meaning.startswith("@"))


def _said(context: str, form_title: str, headings: Sequence[Heading]) -> float:
    """How much the title, and the first columns, speak for a context."""
    named: Mapping[str, Sequence[str]] = words()["contexts"]
    head = "".join(h.text for h in headings[:3])
    return 1.0 * any(w in form_title for w in named[context]) + 0.3 * any(w in head for w in named[context])


def _column(heading: Heading, vocabulary_: Vocabulary, remembered: Mapping[tuple[str, str], str]) -> Match:
    context = vocabulary_.context
    for text in _texts(heading):
        said = remembered.get((text, context))
        if said is not None:
            free = not said
            return Match(heading, said or None, 1.0, "人工确认过" + ("：不是主数据的内容" if free else ""), free=free)
    candidates: Candidates = {}
    for text in _texts(heading):
        for meaning, (confidence, reason) in _by_words(text, vocabulary_).items():
            if confidence > candidates.get(meaning, (0, ""))[0]:
                candidates[meaning] = (confidence, reason)
    leaf, clear = fold(heading.leaf), any(c > 0.9 for c, _ in candidates.values())
    if leaf.endswith(tuple(words()["free_ends"])) or (leaf in words()["free"] and not clear):
        return Match(heading, None, 1.0, "由填表人自己填写", free=True)
    candidates = _weighed(heading, context, candidates)
    if not candidates:
        return Match(heading, None, 0.0, "主数据中没有相近的数据项")
    ordered = sorted(candidates.items(), key=lambda c: (-c[1][0], c[0]))
    (meaning, (confidence, reason)), rest = ordered[0], ordered[1:]
    others = tuple(m for m, (c, _) in rest if c >= POSSIBLE)
    if confidence < POSSIBLE:
        return Match(heading, None, round(confidence, 2), "主数据中没有相近的数据项", others=(meaning, *others)[:3])
    return Match(heading, meaning, round(confidence, 2), reason, others=others[:3])


def _texts(heading: Heading) -> tuple[str, ...]:
    """Return the folded texts by which a heading is looked up, the most telling first."""
    leaf, levels = heading.leaf, [fold(t) for t in heading.path]
    own = (whole(leaf), levels[-1]) if levels else ()
    if len(levels) < 2:
        return tuple(dict.fromkeys(own))
    parent = levels[-2]
    joined = (parent + levels[-1], parent.removesuffix("信息").removesuffix("情况") + levels[-1])
    if levels[-1] in words()["generic"]:
        return tuple(dict.fromkeys((*joined, parent)))
    if any(role in parent for role in words()["roles"]):
        return tuple(dict.fromkeys(joined))
    return tuple(dict.fromkeys((*joined, *own)))


def key_of(heading: str) -> str:
    """Return the text under which a heading is remembered; its levels are parted by `>`."""
    return _texts(Heading(0, tuple(part.strip() for part in heading.split(">") if part.strip())))[0]


def _by_words(text: str, vocabulary_: Vocabulary) -> Candidates:
    found: Candidates = {}
    for meaning, word in vocabulary_.exact.get(text, ()):
        found[meaning] = (CONFIDENCE[word.basis], REASONS[word.basis].format(source=word.source))
    if found:
        return found
    if LATIN.match(text):
        for table, sure, what in ((vocabulary_.spelled, 0.88, "拼音"), (vocabulary_.initials, 0.85, "拼音缩写")):
            if meanings := table.get(text):
                confidence = sure if len(meanings) == 1 else 0.6
                return {m: (confidence, f"{what}与“{title(vocabulary_.context, m)}”相符") for m in meanings}
        return {}
    return _alike(text, vocabulary_)


def _alike(text: str, vocabulary_: Vocabulary) -> Candidates:
    """Compare with all words: the same end (老人联系电话), unless a role stands before it (子女联系电话), or likeness."""
    found: Candidates = {}
    roles: Sequence[str] = words()["roles"]
    own: Sequence[str] = words()["own"][vocabulary_.context]
    for meaning, texts in vocabulary_.words.items():
        for word in texts:
            confidence, reason = 0.0, ""
            before = text.removesuffix(word)
            if before != text and len(word) >= 2:
                stranger = any(role in before for role in roles) or len(before) > 6
                confidence = 0.3 if stranger else 0.7 + min(len(word), 8) / 50
                confidence = 0.9 if before in own else confidence
                reason = f"末尾与“{word}”相同"
            elif len(text) > 2 and (likeness := fuzz.ratio(text, word)) >= 70:
                different = any((role in text) != (role in word) for role in roles)
                confidence, reason = likeness / 100 * (0.4 if different else 0.85), f"与“{word}”相近"
            if confidence > found.get(meaning, (0, ""))[0]:
                found[meaning] = (confidence, reason)
    return {m: c for m, c in found.items() if c[0] > 0.25}


def _weighed(heading: Heading, context: EntityType, candidates: Candidates) -> Candidates:
    """Let the column's content and choices speak for or against each candidate, or propose one by themselves."""
    weighed: Candidates = {}
    for meaning, (confidence, reason) in candidates.items():
        fit = None if meaning.startswith("@") else _fit(heading, context, meaning)
        if fit is not None and fit >= 0.8:
            weighed[meaning] = (min(confidence + 0.06, 0.99), f"{reason}，内容相符")
        elif fit is not None and fit < 0.3:
            weighed[meaning] = (confidence - 0.35, f"{reason}，但内容不符")
        else:
            weighed[meaning] = (confidence, reason)
    if not weighed and heading.samples:
        for name, kind in (("id_number", "id_number"), ("uscc", "uscc"), ("phone", "phone")):
            if _has(context, name) and _valid(kind, heading.samples, ValueOptions()) >= 0.8:
                weighed[name] = (0.7, f"内容像{field_of(context, name).cn}")
    return weighed


def _has(context: EntityType, name: str) -> bool:
    from schemas.entities import ENTITIES

    return name in ENTITIES[context].names


def _fit(heading: Heading, context: EntityType, meaning: str) -> float | None:
    """Return which share of the column's content and choices the field could hold; None when they say nothing."""
    field = field_of(context, meaning)
    if field.kind in {"code", "boolean"} and heading.options:
        known = code_set(field.code_set or "boolean")
        return sum(known.resolve(o) is not None for o in heading.options) / len(heading.options)
    if not heading.samples or field.kind not in TELLING | {"code", "boolean"}:
        return None
    return _valid(field.kind, heading.samples, ValueOptions(code_set=field.code_set, scale=field.scale))


def _valid(kind: str, samples: Sequence[str], options: ValueOptions) -> float:
    values = normalise(kind, pa.array(samples, pa.string()), options)["value"]
    return (pc.sum(pc.is_valid(values)).as_py() or 0) / len(samples)


def _one_each(matches: Sequence[Match]) -> list[Match]:
    """Leave each meaning to the column that says it most clearly; the others are asked about."""
    best: dict[str, list[int]] = defaultdict(list)
    for i, m in enumerate(matches):
        if m.meaning:
            best[m.meaning].append(i)
    result = list(matches)
    for meaning, places in best.items():
        first, *rest = sorted(places, key=lambda i: (-matches[i].confidence, i))
        for i in rest:
            if matches[i].reason.startswith("人工"):
                continue
            other = matches[first].heading.text
            result[i] = replace(
                matches[i],
                confidence=min(matches[i].confidence, 0.45),
                meaning=None,
                others=(meaning,),
                reason=f"与“{other}”一栏重复",
            )
    return [_left_over(m, set(best)) for m in result]


def _left_over(m: Match, taken: set[str]) -> Match:
    """An abbreviation with several readings is clear when all but one of them have a column of their own."""
    if m.meaning and "拼音" in m.reason and m.others and set(m.others) <= taken - {m.meaning}:
        return replace(m, confidence=max(m.confidence, 0.82), reason=f"{m.reason}，其余读法已有栏目", others=())
    return m
