"""Bulk entry (批量导入): check a filled template, or take its good rows in; every row is counted exactly once.

A dry run does everything that the real one does and rolls the transaction back, so what it says is what would happen.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from onefact.acting import NOWHERE, Origin, acted, entered
from onefact.bulk import compare, write
from onefact.bulk.guard import UploadRefused
from onefact.bulk.ids import uuid7
from onefact.bulk.judge import Judged, Problem, judge, why
from onefact.bulk.settings import Limits, load_limits
from onefact.bulk.sheet import Sheet, read
from onefact.grids import PLACES
from onefact.home import Home
from schemas.model import EntityType
from warehouse.tables import BULK_UPLOAD

ENTERING = 420197
"""Number of the advisory lock under which files are taken in: two uploads of one file must not both find nobody."""


class TooManyErrors(UploadRefused):
    """The share of bad rows is so high that the file is refused whole.

    Attributes:
        done: what the check found, so that the bad rows can be sent back.
    """

    def __init__(self, done: BulkDone, limit: float) -> None:
        self.done = done
        super().__init__(
            f"{done.counts['bad']} / {done.rows} 行有错误，超过 {limit:.0%}，整个文件没有导入。请按错误原因改正后再上传。"
        )


@dataclass(frozen=True, slots=True)
class BulkDone:
    """What became of a file.

    Attributes:
        counts: created, updated, unchanged, repeated, bad: their sum is `rows`.
        facts: entries written (or that would be).
        tickets: correction tickets opened (or that would be).
        problems: what is wrong, by row.
        sheet: the file as read, for sending bad rows back.
        earlier: number of an earlier upload of the very same file.
    """

    entity_type: EntityType
    rows: int
    counts: Mapping[str, int]
    facts: int
    tickets: int
    problems: tuple[Problem, ...]
    sheet: Sheet = field(repr=False)
    dry_run: bool = False
    earlier: int | None = None

    @property
    def by_reason(self) -> list[tuple[str, int]]:
        """Every reason with the number of cells or rows it was found in, the most frequent first."""
        return Counter(p.why for p in self.problems).most_common()


OUTCOMES = ("created", "updated", "unchanged", "repeated", "bad")


def bulk(
    home: Home,
    data: bytes,
    actor: str,
    *,
    entity_type: str | None = None,
    within: Sequence[str] | None = None,
    dry_run: bool = False,
    limits: Limits | None = None,
    origin: Origin = NOWHERE,
) -> BulkDone:
    """Take the good rows of a filled template in.

    Args:
        home: the installation.
        data: the workbook.
        actor: who enters; kept with every entry.
        entity_type: which template; asked of the file when None.
        within: the grids the actor may enter for; everywhere when None.
        dry_run: check only; nothing is kept.
        limits: the installation's own when None.
        origin: from where; its device is kept with every entry.

    Raises:
        UploadRefused: the file is not taken in at all.
        TooManyErrors: because of the share of bad rows; has what was found.
    """
    limits = limits or load_limits(home)
    sheet = read(data, limits, entity_type)
    judged = judge(sheet, home.now().date())
    digest = hashlib.sha256(data).hexdigest()
    with home.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ENTERING)))
        earlier = connection.execute(
            sa.select(sa.func.max(BULK_UPLOAD.c.upload_id)).where(
                BULK_UPLOAD.c.sha256 == digest, BULK_UPLOAD.c.refused.is_(False)
            )
        ).scalar()
        done = _taken(connection, home, sheet, judged, actor, within, dry_run, earlier, origin)
        refused = done.counts["bad"] > max(limits.few, limits.errors * done.rows)
        if dry_run or refused:
            transaction.rollback()
        else:
            told: dict[str, Any] = {**done.counts, "file": digest[:12], "facts": done.facts, "tickets": done.tickets}
            entered(connection, home, "enter", done.entity_type, count=done.rows, actor=actor, origin=origin, **told)
    if not dry_run:
        _register(home, done, digest, actor, refused)
        if refused:
            said: dict[str, Any] = dict(done.counts)
            acted(
                home, "enter", done.entity_type, count=done.rows, actor=actor, origin=origin, outcome="refused", **said
            )
            raise TooManyErrors(done, limits.errors)
    return done


def _taken(
    connection: sa.Connection,
    home: Home,
    sheet: Sheet,
    judged: Judged,
    actor: str,
    within: Sequence[str] | None,
    dry_run: bool,
    earlier: int | None,
    origin: Origin,
) -> BulkDone:
    layout = sheet.layout
    columns = {**judged.values, **{f"derived_{n}": c for n, c in judged.derived.items()}}
    compare.load(connection, columns, sheet.rows)
    matches = compare.find(connection, layout, list(judged.values))
    problems = [*judged.problems, *_about_rows(sheet, judged, matches)]
    if within is not None:
        place = PLACES[layout.entity_type][0]
        rows = compare.outside(connection, layout.entity_type, place if place in judged.values else None, within)
        problems += [Problem(row, None, "bulk.outside", why("bulk.outside")) for row in sorted(rows)]
    bad = {p.row for p in problems}
    groups, mixed = _same_rows(judged, layout.found_by, matches, sheet.rows, bad)
    problems += mixed
    bad |= {p.row for p in mixed}
    take = [row for row, first in groups.items() if row == first and row not in bad]
    created = {row for row in take if row not in matches}
    minted = {row: uuid7(home.now()) for row in created}
    compare.settle(connection, _take_table(take, matches, minted))
    compare.facts(connection, layout.entity_type, list(judged.values), list(judged.derived))
    compare.sealed(connection, layout.entity_type)
    write.write_entries(connection, layout.entity_type, actor, home.now(), origin.device)
    tickets = write.write_tickets(connection, home, layout.entity_type, actor)
    said = {n for (n,) in connection.exec_driver_sql("SELECT DISTINCT n FROM bulk_fact")}
    facts = int(connection.exec_driver_sql("SELECT count(*) FROM bulk_fact").scalar_one())
    counts = dict.fromkeys(OUTCOMES, 0)
    counts["bad"], counts["created"] = len(bad), len(created)
    counts["repeated"] = sum(row != first and row not in bad for row, first in groups.items())
    counts["updated"] = len(said - created)
    counts["unchanged"] = len(take) - len(created) - counts["updated"]
    ordered = tuple(sorted(problems, key=lambda p: (p.row, p.field or "")))
    return BulkDone(
        layout.entity_type, sheet.rows, counts, facts, tickets, ordered, sheet, dry_run=dry_run, earlier=earlier
    )


def _about_rows(sheet: Sheet, judged: Judged, matches: Mapping[int, compare.Match]) -> Iterable[Problem]:
    """Yield what is wrong with rows as wholes: no key, several entities, an empty cell that a new entity needs."""
    keyed = _keyed(judged, sheet.layout.found_by, sheet.rows)
    needed = [c.field.name for c in sheet.layout.columns if c.needed]
    empty = {name: _empty(judged, name, sheet.rows) for name in needed}
    keys = {f for key in sheet.layout.found_by for f in key}
    unknown = {p.row for p in judged.problems if p.field in keys}  # whom they are about can only be said when mended
    broken = {(p.row, p.field) for p in judged.problems}
    for row in range(sheet.rows):
        match = matches.get(row)
        if match is not None and match.hits > 1:
            yield Problem(row, None, "bulk.several", why("bulk.several"))
        elif match is None and row not in unknown:
            missing = [n for n in needed if empty[n][row] and (row, n) not in broken]
            yield from (Problem(row, name, "bulk.needed", why("bulk.needed")) for name in missing)
            if not missing and not keyed[row]:
                yield Problem(row, None, "bulk.no_key", why("bulk.no_key"))


def _empty(judged: Judged, name: str, rows: int) -> Sequence[bool]:
    column = judged.values.get(name)
    return [True] * rows if column is None else column.is_null().to_pylist()


def _keyed(judged: Judged, keys: Sequence[Sequence[str]], rows: int) -> list[bool]:
    """Return which rows have all fields of some key."""
    given = [False] * rows
    for key in keys:
        if all(f in judged.values for f in key):
            parts = [judged.values[f].is_valid().to_pylist() for f in key]
            given = [g or all(p[i] for p in parts) for i, g in enumerate(given)]
    return given


def _same_rows(
    judged: Judged,
    keys: Sequence[Sequence[str]],
    matches: Mapping[int, compare.Match],
    rows: int,
    bad: set[int],
) -> tuple[dict[int, int], list[Problem]]:
    """Return row -> first row about the same entity, of the good rows; and rows that say different things of one entity."""
    lists = {name: column.to_pylist() for name, column in judged.values.items()}
    contents = list(zip(*lists.values(), strict=True))
    first: dict[Any, int] = {}
    groups: dict[int, int] = {}
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(rows):
        if row in bad:
            continue
        name = matches[row].master_id if row in matches else _name(lists, keys, row)
        groups[row] = first.setdefault(name, row)
        members[groups[row]].append(row)
    mixed = [
        Problem(row, None, "bulk.same_row", why("bulk.same_row"))
        for head, rest in members.items()
        if len({contents[r] for r in rest}) > 1
        for row in rest
    ]
    return groups, mixed


def _name(lists: Mapping[str, Sequence[str | None]], keys: Sequence[Sequence[str]], row: int) -> Any:
    """Return what a new entity is told apart by: the strongest key that the row has."""
    for key in keys:
        values = tuple(lists[f][row] if f in lists else None for f in key)
        if all(values):
            return (key[0], *values)
    return row


def _take_table(take: Sequence[int], matches: Mapping[int, compare.Match], minted: Mapping[int, str]) -> pa.Table:
    ids = [minted.get(row) or matches[row].master_id for row in take]
    created = [row in minted for row in take]
    return pa.table(
        {
            "n": pa.array(take, pa.int32()),
            "master_id": pa.array(ids, pa.string()),
            "created": pa.array(created, pa.bool_()),
        }
    )


def _register(home: Home, done: BulkDone, digest: str, actor: str, refused: bool) -> None:
    with home.engine.begin() as connection:
        connection.execute(
            sa.insert(BULK_UPLOAD).values(
                sha256=digest, entity_type=done.entity_type, actor=actor, at=home.now().astimezone(), refused=refused,
                rows=done.rows, **done.counts, facts=0 if refused else done.facts, tickets=0 if refused else done.tickets,
            )
        )  # fmt: skip
