"""Filling a form (一表通填表): the form comes back filled for a grid, with what is missing on a sheet of its own.

Nothing that stands in the form is overwritten. A form that names its people already gets only their rows; an empty one
gets a row for everybody of the grid whom its title asks for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import openpyxl
import sqlalchemy as sa
from openpyxl.worksheet.worksheet import Worksheet

from onefact.bulk.settings import Limits, load_limits
from onefact.forms import law
from onefact.forms.layout import make_room, put
from onefact.forms.match import Match, Matched, match
from onefact.forms.memory import remembered
from onefact.forms.notes import write_notes
from onefact.forms.spelling import NoWord, spell
from onefact.forms.subjects import ALL, BEHIND, Selection, Subject, selection, subjects
from onefact.forms.tasks import open_tasks
from onefact.forms.workbook import Form, open_form, read_form, rows_of
from onefact.home import Home
from schemas.model import EntityType
from schemas.values import ValueOptions, normalise
from warehouse.tables import FORM_FILLED

UNKNOWN, NO_WORD, DIFFERS, NOT_SURE, NOT_OURS, NOT_HERE = (
    "主数据中没有", "主数据中有，但表中选项没有对应的写法", "表中已填的与主数据不同，请核对", "栏目含义待确认", "主数据没有这一项", "本网格没有找到这个对象",
)  # fmt: skip
"""Why a cell is empty, or to be looked at."""

NAMING: tuple[str, ...] = ("id_number", "uscc", "house_code", "name", "address")
"""The columns by which a form names its entities, the surest first."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One cell that a person has to fill or look at.

    Attributes:
        row: in the filled sheet.
        master_id: whom it is about; None where the form names somebody whom the grid does not have.
        meaning: what is asked for; None where the column is not understood.
        why: in Chinese, without the value.
        fact: the field that somebody has to find out; None where the master has what it would be read from.
    """

    row: int
    master_id: str | None
    heading: str
    meaning: str | None
    why: str
    fact: str | None = None


@dataclass(frozen=True)
class Filled:
    """A filled form.

    Attributes:
        book: the workbook, to be saved.
        cells: cells of the form's rows that ask for a fact; filled: of these, filled without asking anyone.
        missing: what a person has to fill or look at; columns that are not understood count as one each.
        withheld: heading -> why the column stays empty by law; omitted: why -> number of entities not listed.
        sources: system id -> number of cells that its values fill.
        listed: ids of the entities that stand in the form, for the sealed log.
        tasks: new tasks for the worker.
    """

    book: openpyxl.Workbook = field(repr=False)
    form: Form = field(repr=False)
    matched: Matched = field(repr=False)
    selection: Selection
    grids: tuple[str, ...]
    receiver: str
    rows: int
    cells: int
    filled: int
    missing: tuple[Missing, ...] = field(repr=False)
    withheld: Mapping[str, str]
    omitted: Mapping[str, int]
    sources: Mapping[str, int]
    listed: tuple[str, ...] = field(default=(), repr=False)
    tasks: int = 0

    @property
    def share(self) -> float:
        """Share of the cells that nobody had to be asked for."""
        return self.filled / self.cells if self.cells else 0.0


def fill(
    home: Home,
    data: bytes,
    grids: Sequence[str],
    actor: str,
    *,
    system: str | None = None,
    who: str | None = None,
    sheet: str | None = None,
    context: EntityType | None = None,
    limits: Limits | None = None,
    keep: bool = True,
) -> Filled:
    """Fill a form for some grids.

    Args:
        home: the installation.
        data: the form.
        grids: whose people, houses or organisations are listed.
        actor: who asks; kept in the register of filled forms.
        system: id of the system whose department receives the form; decides what may stand in it.
        who: which entities are listed (`all`, `elder80` ...); by the form's title when None.
        sheet: of the workbook; the first with headings when None.
        context: what a row is, where a person has said so.
        limits: of uploads.
        keep: register the filling and open tasks for what is missing.

    Raises:
        UploadRefused: the file cannot be taken.
        NoSuchSelection, NoSuchReceiver: a name that there is not.
    """
    book = open_form(data, limits or load_limits(home))
    form = read_form(book, sheet)
    receives = law.receiver(home, system)
    with home.engine.begin() as connection:
        matched = match(
            form.headings,
            home.manifests.values(),
            remembered=remembered(connection),
            form_title=form.title,
            context=context,
        )
        listed = _named(book[form.sheet], form, matched)
        chosen = ALL if listed else selection(matched.context, who, form.title)
        found = subjects(connection, matched.context, grids, chosen, receives.today)
    work = _Work(book[form.sheet], form, matched, receives)
    if listed:
        work.complete(listed, found)
    else:
        work.list(found)
    done = work.result(book, chosen, tuple(grids))
    if keep:
        done = _keep(home, done, data, actor)
    write_notes(done)
    return done


def _named(page: Worksheet, form: Form, matched: Matched) -> list[tuple[int, dict[str, str]]]:
    """Return the rows in which the form names somebody, with what names them, in canonical form."""
    keys = [m for m in NAMING if m in matched.by_meaning]
    columns = {matched.by_meaning[m].heading.column: m for m in keys}
    named = []
    for row, texts in rows_of(page, form, list(columns)):
        told = {columns[c]: t for c, t in texts.items() if t}
        if told:
            named.append((row, {m: _canonical(m, t) for m, t in told.items()}))
    return named


def _canonical(meaning: str, text: str) -> str:
    kind = {"id_number": "id_number", "uscc": "uscc", "name": "text", "address": "address"}.get(meaning, "text")
    value = normalise(kind, [text], ValueOptions())["value"][0].as_py()
    return str(value) if value is not None else text


class _Work:
    """The filling of one sheet: puts values in and keeps count."""

    def __init__(self, page: Worksheet, form: Form, matched: Matched, receives: law.Receiver) -> None:
        self.page, self.form, self.matched, self.receives = page, form, matched, receives
        self.rows = self.cells = self.filled = 0
        self.missing: list[Missing] = []
        self.listed: list[str] = []
        self.sources: Counter[str] = Counter()
        self.omitted: Counter[str] = Counter()
        self.withheld = {
            m.heading.text: why
            for m in matched.columns
            if m.sure and m.meaning and (why := receives.forbids(matched.context, m.meaning))
        }
        self.asked = [m for m in matched.columns if not m.free and m.meaning != "@number"]
        self.unsure = [m for m in self.asked if not m.sure]

    def list(self, found: Sequence[Subject]) -> None:
        """Give everybody a row."""
        shown = [s for s in found if not self._omits(s)]
        make_room(self.page, self.form, len(shown))
        for number, subject in enumerate(shown, start=1):
            self._row(self.form.first + number - 1, number, subject)

    def complete(self, named: Sequence[tuple[int, Mapping[str, str]]], found: Sequence[Subject]) -> None:
        """Fill the rows of those whom the form names."""
        for number, (row, told) in enumerate(named, start=1):
            subject = _one(told, found)
            if subject is None or self._omits(subject):
                self.rows += 1
                self.cells += len(self.asked)
                self.missing.append(Missing(row, None, "整行", None, NOT_HERE))
                continue
            self._row(row, number, subject)

    def _omits(self, subject: Subject) -> bool:
        why = self.receives.omits(self.matched.context, subject.values)
        if why:
            self.omitted[why] += 1
        return bool(why)

    def _row(self, row: int, number: int, subject: Subject) -> None:
        self.rows += 1
        self.listed.append(subject.master_id)
        for m in self.matched.columns:
            cell = self.page.cell(row, m.heading.column)
            if m.meaning == "@number" and m.sure:
                if cell.value is None:
                    cell.value = number
            elif not m.free:
                self.cells += 1
                if m.sure:
                    self._cell(row, m, subject)

    def _cell(self, row: int, m: Match, subject: Subject) -> None:
        meaning = m.meaning or ""
        if m.heading.text in self.withheld:
            return
        value = subject.values.get(meaning)
        if value is None:
            fact = _behind(self.matched.context, meaning)
            open_ = None if fact.startswith("@") or fact in subject.values else fact
            self.missing.append(Missing(row, subject.master_id, m.heading.text, meaning, UNKNOWN, open_))
            return
        try:
            text = spell(self.matched.context, meaning, value, m.heading)
        except NoWord:
            self.missing.append(Missing(row, subject.master_id, m.heading.text, meaning, NO_WORD))
            return
        if not put(self.page.cell(row, m.heading.column), text, self.matched.context, meaning):
            self.missing.append(Missing(row, subject.master_id, m.heading.text, meaning, DIFFERS))
            return
        self.filled += 1
        self.sources[
            subject.sources.get(meaning) or subject.sources.get(_behind(self.matched.context, meaning), "")
        ] += 1

    def result(self, book: openpyxl.Workbook, chosen: Selection, grids: tuple[str, ...]) -> Filled:
        """Return what was done; columns that are not understood are one line each."""
        first = self.form.first
        for m in self.unsure:
            self.missing.append(
                Missing(first, None, m.heading.text, m.meaning, NOT_SURE if m.meaning or m.others else NOT_OURS)
            )
        return Filled(
            book, self.form, self.matched, chosen, grids, self.receives.name, self.rows, self.cells, self.filled,
            tuple(self.missing), self.withheld, dict(self.omitted), dict(self.sources.most_common()), tuple(self.listed),
        )  # fmt: skip


def _behind(context: EntityType, meaning: str) -> str:
    return BEHIND.get(meaning, {}).get(context, meaning)


def _one(told: Mapping[str, str], found: Sequence[Subject]) -> Subject | None:
    """Return whom the form means: the only one whose number, or else whose name or address, is the same."""
    for meaning in NAMING:
        if meaning in told:
            same = [s for s in found if s.values.get(meaning) == told[meaning]]
            if len(same) == 1:
                return same[0]
            if meaning in {"id_number", "uscc", "house_code"}:
                return None
    return None


def _keep(home: Home, done: Filled, data: bytes, actor: str) -> Filled:
    """Register the filling and open tasks for the facts that nobody has."""
    context, now = done.matched.context, home.now().astimezone()
    lacking = {(m.master_id, m.fact) for m in done.missing if m.master_id and m.fact}
    with home.engine.begin() as connection:
        filled_id = connection.execute(
            sa.insert(FORM_FILLED)
            .values(
                sha256=hashlib.sha256(data).hexdigest(), title=done.form.title[:200], grid=",".join(done.grids)[:20], actor=actor,
                at=now, rows=done.rows, cells=done.cells, filled=done.filled, missing=len(done.missing), withheld=len(done.withheld),
            )
            .returning(FORM_FILLED.c.filled_id)
        ).scalar_one()  # fmt: skip
        tasks = open_tasks(
            connection, int(filled_id), context, sorted(lacking), done.grids[0] if done.grids else "", now
        )
    return replace(done, tasks=tasks)
