"""The gate for new forms (新表准入): how much of a form is known already, by whom, and how completely.

A department that wants a new form reads here which of its columns it need not ask for: 已有 (known for nearly everybody),
部分 (known for some), 新增 (nobody knows), 不得收集 (the law keeps it where it is).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from onefact import grids as places
from onefact.forms import law
from onefact.forms.heading import Heading
from onefact.forms.match import Match, Matched, match
from onefact.forms.memory import remembered
from onefact.forms.subjects import BEHIND
from onefact.forms.vocabulary import title
from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.model import EntityType

Verdict = Literal["已有", "部分", "新增", "不得收集", "待确认", "自填"]

KNOWN = 0.9
"""Share of the entities from which on a field counts as known."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column at the gate.

    Attributes:
        known_by: departments whose systems show the field, its authority first.
        coverage: share of the entities whose golden record has it; None where it has no field.
        why: the reason of a verdict that is not about coverage.
    """

    match: Match
    verdict: Verdict
    coverage: float | None
    known_by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Gated:
    """A form at the gate.

    Attributes:
        entities: how many golden records were looked at.
        known: share of the form's fact columns that are known; cells: share of its cells.
    """

    matched: Matched
    columns: tuple[Column, ...]
    entities: int
    known: float
    cells: float

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> number of columns."""
        found: dict[str, int] = {}
        for column in self.columns:
            found[column.verdict] = found.get(column.verdict, 0) + 1
        return found


def gate(
    home: Home,
    headings: Sequence[Heading],
    *,
    form_title: str = "",
    grids: Sequence[str] | None = None,
    system: str | None = None,
    context: EntityType | None = None,
) -> Gated:
    """Judge every column of a form.

    Args:
        home: the installation.
        headings: the columns, from a file or pasted.
        form_title: its title.
        grids: over whose entities coverage is counted; over all when None.
        system: id of the system whose department wants the form.
        context: what a row is, where a person has said so.
    """
    receives = law.receiver(home, system)
    with home.engine.begin() as connection:
        matched = match(
            headings, home.manifests.values(), remembered=remembered(connection), form_title=form_title, context=context
        )
        entities, filled = _coverage(connection, matched.context, grids)
    columns = tuple(_column(home, m, matched.context, receives, entities, filled) for m in matched.columns)
    facts = [c for c in columns if c.verdict != "自填" and c.match.meaning != "@number"]
    known = sum(c.verdict == "已有" for c in facts) / len(facts) if facts else 0.0
    cells = sum(c.coverage or 0 for c in facts if c.verdict in {"已有", "部分"}) / len(facts) if facts else 0.0
    return Gated(matched, columns, entities, known, cells)


def _coverage(
    connection: sa.Connection, context: EntityType, wanted: Sequence[str] | None
) -> tuple[int, dict[str, int]]:
    """Return how many golden records there are, and for each field how many have it."""
    counts = ", ".join(f'count("{f.name}")' for f in ENTITIES[context].fields)
    where, given = "", {}
    if wanted is not None:
        where = (
            f"WHERE master_id IN (SELECT w.master_id FROM ({places.place_of(context)}) w WHERE w.grid = ANY(:grids))"
        )
        given = {"grids": list(wanted)}
    row = connection.execute(sa.text(f"SELECT count(*), {counts} FROM {context} {where}"), given).one()
    return int(row[0]), dict(zip(ENTITIES[context].names, map(int, row[1:]), strict=True))


def _column(
    home: Home, m: Match, context: EntityType, receives: law.Receiver, entities: int, filled: Mapping[str, int]
) -> Column:
    if m.free:
        return Column(m, "自填", None, (), m.reason)
    if m.meaning is None:
        return Column(m, "待确认" if m.others else "新增", None, (), m.reason)
    if not m.sure:
        return Column(m, "待确认", None, (), f"可能是“{title(context, m.meaning)}”，请确认")
    if why := receives.forbids(context, m.meaning):
        return Column(m, "不得收集", None, (), why)
    behind = BEHIND.get(m.meaning, {}).get(context, m.meaning)
    if behind.startswith("@"):
        return Column(m, "已有", 1.0, (), "由系统自动得出")
    coverage = filled[behind] / entities if entities else 0.0
    known_by = _known_by(home, context, behind)
    verdict: Verdict = "已有" if coverage >= KNOWN else "部分" if coverage > 0 else "新增"
    return Column(m, verdict, coverage, known_by, title(context, m.meaning))


def _known_by(home: Home, context: EntityType, name: str) -> tuple[str, ...]:
    """Return the departments whose systems show a field, the authority first."""
    field = ENTITIES[context].field(name)
    found = {}
    for manifest in home.manifests.values():
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                shown = entity.fields.get(name) if entity.type == context else None
                if shown is not None and shown.readable:
                    found[manifest.department] = manifest.id == field.authority
    return tuple(sorted(found, key=lambda d: (not found[d], d)))
