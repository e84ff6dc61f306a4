"""The authorisation register (授权登记): system x field x purpose x receiver, with document and expiry, revocable at run time.

The manifests say what is asked for; the register says what holds. A line of a manifest enters once; when a person revokes
it, it stays revoked, whatever the manifest says, until a person grants it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa

from connectors.manifest import Manifest
from onefact.acting import noted
from onefact.home import Home
from onefact.law.rules import forbids_field, forbids_reading
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import standardised_table
from warehouse.tables import AUTHORISATION, REFUSAL

Line = tuple[str, EntityType, str, str]
"""(system, entity, field, direction)."""

Authorised = Callable[[str, EntityType, str], bool]
"""(system, entity, field) -> whether it may flow."""

MANIFEST = "manifest"
"""Who granted a line that a manifest asked for."""


class NoSuchLine(Exception):
    """The register has no such line."""

    def __init__(self, system: str, field: str, direction: str) -> None:
        super().__init__(
            f"授权登记中没有 {system} 的 {field}（{'写入' if direction == 'out' else '读取'}）。"
            f"用 onefact law list {system} 查看。"
        )


@dataclass(frozen=True, slots=True)
class Register:
    """The lines that hold now: line -> the day on which it runs out."""

    lines: Mapping[Line, date]

    def holds(self, line: Line, today: date) -> bool:
        """Tell whether a flow is authorised on a day."""
        expires = self.lines.get(line)
        return expires is not None and expires >= today

    def may(self, direction: Literal["in", "out"], today: date) -> Authorised:
        """Return the question whether a field of a system may be read (`in`) or written (`out`) on a day."""
        return lambda system, entity_type, field: self.holds((system, entity_type, field, direction), today)


def load(home: Home) -> Register:
    """Return the register, after the manifests' new lines have entered."""
    sync(home)
    return read(home)


def read(home: Home) -> Register:
    """Return the register as it stands."""
    with home.engine.connect() as connection:
        return read_in(connection)


def read_in(connection: sa.Connection, fields: Collection[str] | None = None) -> Register:
    """Return the register as a connection sees it; of these fields only where they are named."""
    c = AUTHORISATION.c
    query = sa.select(c.system_id, c.entity_type, c.field, c.direction, c.expires).where(c.ended_at.is_(None))
    if fields is not None:
        query = query.where(c.field.in_(fields))
    return Register({(row[0], row[1], row[2], row[3]): row[4] for row in connection.execute(query)})


def sync(home: Home) -> int:
    """Let lines that manifests ask for and nobody has revoked enter; return how many were new or changed.

    A document or an expiry that changed closes the old line and opens a new one. What the law forbids enters nowhere: it
    is told once as a refusal.
    """
    wanted = {_line(row): row for m in home.manifests.values() for row in _lines(m)}
    with home.engine.begin() as connection:
        _alone(connection)
        newest = _newest(connection)
        fresh = [row for line, row in wanted.items() if _differs(newest.get(line), row)]
        gone = [
            line
            for line, row in newest.items()
            if row["ended_at"] is None and row["granted_by"] == MANIFEST and line not in wanted
        ]
        replaced = [_line(row) for row in fresh if newest.get(_line(row), {}).get("ended_at", 0) is None]
        _end(connection, [*replaced, *gone], MANIFEST, "the manifest changed")
        if fresh:
            connection.execute(sa.insert(AUTHORISATION), fresh)
        _tell_forbidden(connection, home.manifests.values())
    return len(fresh) + len(gone)


def revoke(home: Home, system: str, field: str, direction: str, actor: str, why: str) -> int:
    """End a line (`entity.field`, or `*` for all of a system); return how many ended. Raises `NoSuchLine`."""
    lines = [
        line
        for line in load(home).lines
        if line[0] == system and line[3] == direction and field in {"*", f"{line[1]}.{line[2]}"}
    ]
    if not lines:
        raise NoSuchLine(system, field, direction)
    with home.engine.begin() as connection:
        _alone(connection)
        _end(connection, lines, actor, why)
        noted(
            connection,
            home,
            "revoke",
            "system",
            [system],
            count=len(lines),
            actor=actor,
            field=field,
            direction=direction,
        )
    return len(lines)


def grant(home: Home, system: str, field: str, direction: str, actor: str, document: str, expires: date) -> int:
    """Open lines that were revoked or ran out, by a document; what no manifest maps or the law forbids stays closed.

    The next consolidation plans what the system lacked meanwhile.
    """
    [manifest] = home.chosen([system])
    wanted = [
        {**row, "granted_by": actor, "document": document, "expires": expires}
        for row in _lines(manifest)
        if row["direction"] == direction and field in {"*", f"{row['entity_type']}.{row['field']}"}
    ]
    if not wanted:
        raise NoSuchLine(system, field, direction)
    with home.engine.begin() as connection:
        _alone(connection)
        _end(connection, [_line(row) for row in wanted], actor, "replaced")
        connection.execute(sa.insert(AUTHORISATION), wanted)
        noted(
            connection, home, "grant", "system", [system], count=len(wanted), actor=actor, field=field, direction=direction,
            document=document, expires=expires.isoformat(),
        )  # fmt: skip
    if direction == "out":
        _plan_again(home, manifest)
    return len(wanted)


def _plan_again(home: Home, manifest: Manifest) -> None:
    """Let the next consolidation look at all records of a system: what it lacked meanwhile is planned then."""
    with home.warehouse() as con:
        for entity_type in {e.type for d in manifest.datasets for e in d.entities}:
            con.execute(
                f"INSERT INTO touched_record SELECT DISTINCT system_id, record_key, sid FROM {standardised_table(entity_type)} "
                "WHERE system_id = ? AND sid NOT IN (SELECT sid FROM touched_record)",
                [manifest.id],
            )


def lines(home: Home, systems: Sequence[str], *, all_: bool = False) -> list[dict[str, Any]]:
    """Return the lines of systems, closed ones too when `all_`."""
    sync(home)
    query = sa.select(AUTHORISATION).where(AUTHORISATION.c.system_id.in_(systems)).order_by(AUTHORISATION.c.line_id)
    if not all_:
        query = query.where(AUTHORISATION.c.ended_at.is_(None))
    with home.engine.connect() as connection:
        return [dict(r) for r in connection.execute(query).mappings()]


def _lines(manifest: Manifest) -> Iterator[dict[str, object]]:
    """The lines that a manifest asks for and the law does not forbid."""
    seen: set[Line] = set()
    for dataset in manifest.datasets:
        for entity in dataset.entities:
            for name, mapped in entity.fields.items():
                field = ENTITIES[entity.type].field(name)
                for direction, asked in (("in", mapped.readable), ("out", mapped.writable)):
                    line = (manifest.id, entity.type, name, direction)
                    forbidden = (
                        forbids_field(manifest, entity.type, field) if direction == "out" else forbids_reading(manifest)
                    )
                    if asked and not forbidden and line not in seen:
                        seen.add(line)
                        yield {
                            "system_id": manifest.id, "entity_type": entity.type, "field": name, "direction": direction,
                            "receiver": manifest.department, "purpose": manifest.purpose,
                            "legal_basis": manifest.legal_basis, "document": manifest.authorisation.document,
                            "expires": manifest.authorisation.expires, "granted_by": MANIFEST,
                        }  # fmt: skip


def _alone(connection: sa.Connection) -> None:
    """One change of the register at a time: a push that enters a manifest's lines must not bring back a revoked one."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("onefact authorisation"))))


def _line(row: Mapping[str, object]) -> Line:
    return (row["system_id"], row["entity_type"], row["field"], row["direction"])  # type: ignore[return-value]


def _newest(connection: sa.Connection) -> dict[Line, Mapping[str, object]]:
    rows = connection.execute(sa.select(AUTHORISATION).order_by(AUTHORISATION.c.line_id)).mappings()
    return {_line(row): row for row in map(dict, rows)}


def _differs(held: Mapping[str, object] | None, row: Mapping[str, object]) -> bool:
    """A line enters when it is new, or when the manifest's own line changed; a person's decision stands."""
    if held is None:
        return True
    if held["ended_at"] is not None:
        return held["ended_by"] == MANIFEST
    return held["granted_by"] == MANIFEST and any(
        held[n] != row[n] for n in ("document", "expires", "purpose", "receiver")
    )


def _end(connection: sa.Connection, ended: Sequence[Line], actor: str, why: str) -> None:
    for system, entity_type, field, direction in ended:
        connection.execute(
            sa.update(AUTHORISATION)
            .where(
                AUTHORISATION.c.system_id == system, AUTHORISATION.c.entity_type == entity_type,
                AUTHORISATION.c.field == field, AUTHORISATION.c.direction == direction, AUTHORISATION.c.ended_at.is_(None),
            )
            .values(ended_at=sa.func.now(), ended_by=actor, ended_why=why)
        )  # fmt: skip


def _tell_forbidden(connection: sa.Connection, manifests: Iterable[Manifest]) -> None:
    """Write down, once, which flows that manifests ask for are forbidden by a rule."""
    told = connection.execute(
        sa.select(REFUSAL.c.system_id, REFUSAL.c.entity_type, REFUSAL.c.field, REFUSAL.c.rule).where(
            REFUSAL.c.stage == MANIFEST
        )
    )
    known = {tuple(r) for r in told}
    rows = [
        {
            "run_id": MANIFEST, "system_id": m.id, "entity_type": entity.type, "field": name, "rule": forbidden.id,
            "purpose": m.purpose, "stage": MANIFEST,
        }
        for m in manifests
        for dataset in m.datasets
        for entity in dataset.entities
        for name, mapped in entity.fields.items()
        if mapped.writable and (forbidden := forbids_field(m, entity.type, ENTITIES[entity.type].field(name)))
    ]  # fmt: skip
    named = ("system_id", "entity_type", "field", "rule")
    fresh = {tuple(r[n] for n in named): r for r in rows}
    missing = [row for key, row in fresh.items() if key not in known]
    if missing:
        connection.execute(sa.insert(REFUSAL), missing)
