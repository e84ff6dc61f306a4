"""Assisted entry (辅助录入): what a person types into a system that has only a form, and the confirmation afterwards.

The connector has prepared the values in the form's own order and wording. Who says `done` is recorded; where the system
can be read, the reading decides, not the word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Connector, ConnectorError, Context
from connectors.manifest import Manifest
from connectors.readback import compare
from connectors.registry import connect
from onefact.acting import NOWHERE, Origin, acted
from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.records import Change, Outcome
from warehouse import outbox
from warehouse.outbox import Row

Connect = Callable[[Manifest, Context], Connector]

EVERY = 1_000_000


class NoSuchTask(Exception):
    """There is no open assisted entry of this number."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"没有编号为 {number} 的待录入任务。清单：onefact task list")


class NotSeen(Exception):
    """The system does not show what was confirmed; the task stays open. `what` says in words what it shows instead."""

    def __init__(self, number: int, fields: Sequence[str], *, there: bool = False) -> None:
        self.number, self.fields = number, tuple(fields)
        self.what = f"这些项与应录入的值不同：{'、'.join(fields)}" if fields else "对方系统里还没有这条记录"
        if there:
            self.what = "对方系统里仍有这条记录，尚未注销"
        super().__init__(
            f"任务 {number} 尚未完成，{self.what}。请核对后再确认；若页面确已保存、稍后才显示：onefact task done {number} --unread"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One assisted entry.

    Attributes:
        link: address of the form; empty where the system has none.
        lines: (label, value) in the order and wording of the form.
    """

    number: int
    system_id: str
    system: str
    operation: str
    record_key: str | None
    link: str
    lines: tuple[tuple[str, str], ...]
    created_at: datetime

    @property
    def copy_lines(self) -> str:
        """The values alone, one a line, in the form's order: to be copied one after the other."""
        return "\n".join(value for _, value in self.lines)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of a confirmed task: `verified` (read back) or `sent` with code `typed_by_person` (nobody can read it)."""

    number: int
    state: str
    code: str
    actor: str


def tasks(home: Home, systems: Sequence[str] | None = None) -> list[Task]:
    """Return the open tasks, oldest first."""
    named = [m.id for m in home.chosen(systems)] if systems else None
    rows = outbox.rows(home.engine, named, ("awaiting_person",), limit=EVERY)
    return [_task(home, row) for row in sorted(rows, key=lambda r: (r.system_id, r.change_id))]


def task(home: Home, number: int) -> Task:
    """Return an open task; raises `NoSuchTask`."""
    return _task(home, _open(home, number))


def done(
    home: Home, number: int, actor: str, *, unread: bool = False, dry_run: bool = False, connect: Connect = connect,
    origin: Origin = NOWHERE,
) -> Confirmed:  # fmt: skip
    """Confirm that a person has typed a task in; the system is read where that is possible.

    Args:
        home: the installation.
        number: of the task.
        actor: who typed it.
        unread: confirm without reading (a site that shows the new value only tomorrow).
        dry_run: read and compare, record nothing.
        connect: makes the connector.
        origin: from where it is confirmed.

    Raises:
        NoSuchTask: it is not open.
        NotSeen: the system shows other values.
        connectors.base.ConnectorError: the system cannot be reached now.
    """
    row = _open(home, number)
    manifest = home.manifests[row.system_id]
    waiting = (w.change for w in outbox.in_state(home.engine, row.system_id, "awaiting_person"))
    change = next((c for c in waiting if c.change_id == str(number)), None)
    if change is None:
        raise NoSuchTask(number)
    outcome = Outcome(change.change_id, "sent", "typed_by_person", "人工录入，未经回读", record_key=row.record_key)
    if not unread and row.record_key is not None and manifest.capabilities.read != "none":
        outcome = _read(home, manifest, change, connect)
    if not dry_run and not outbox.settle(home.engine, [change], [outcome], actor=actor).recorded:
        raise NoSuchTask(number)  # a newer plan has replaced it meanwhile
    if not dry_run:
        acted(home, "typed", "change", [number], actor=actor, origin=origin, system=row.system_id, code=outcome.code)
    return Confirmed(number, outcome.state, outcome.code, actor)


def skip(home: Home, number: int, actor: str, reason: str, *, dry_run: bool = False) -> None:
    """Call a task off; the next plan of a changed record may ask again."""
    _open(home, number)
    if not dry_run:
        outbox.cancel(home.engine, [number], actor, reason)


def _read(home: Home, manifest: Manifest, change: Change, connect: Connect) -> Outcome:
    connector = connect(manifest, home.context(manifest))
    try:
        rows = connector.read_back(change.dataset, [change.record_key or ""])
    finally:
        connector.close()
    if change.operation == "delete":
        if len(rows):
            raise NotSeen(int(change.change_id), (), there=True)
        return Outcome(
            change.change_id, "verified", "typed_and_read", "人工注销，回读已无此记录", record_key=change.record_key
        )
    equal, differing = compare(manifest, change.dataset, change.role, [change], rows)[change.change_id]
    if not equal:
        raise NotSeen(int(change.change_id), [ENTITIES[change.entity_type].field(f).cn for f in differing])
    return Outcome(change.change_id, "verified", "typed_and_read", "人工录入，回读一致", record_key=change.record_key)


def _open(home: Home, number: int) -> Row:
    row = outbox.find(home.engine, number)
    if row is None or row.state != "awaiting_person":
        raise NoSuchTask(number)
    return row


def _task(home: Home, row: Row) -> Task:
    manifest = home.manifests.get(row.system_id)
    return Task(
        row.change_id, row.system_id, manifest.name if manifest else row.system_id, row.operation, row.record_key,
        _link(home, manifest, row.message or "") if manifest else "", row.detail or _to_delete(row), row.created_at,
    )  # fmt: skip


def _to_delete(row: Row) -> tuple[tuple[str, str], ...]:
    """What the record holds that is to be deleted, so that the right one is found."""
    if row.operation != "delete":
        return ()
    entity = ENTITIES[row.entity_type]
    return tuple((entity.field(c["field"] or "").cn, c["old"] or "") for c in row.changes if c["old"])


def _link(home: Home, manifest: Manifest, path: str) -> str:
    """The address of the form: the site's and the page's that the connector prepared."""
    try:
        connection = home.context(manifest).variables.resolve(manifest, manifest.connection)
    except ConnectorError:
        return path  # the site's address is not set on this machine
    base = connection.get("base_url") if isinstance(connection, dict) else None
    return f"{str(base).rstrip('/')}{path}" if base and path.startswith("/") else path
