"""Undoing an act (撤销): a new act with the values that had been entered before it; nothing is deleted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import sha256

import sqlalchemy as sa

from onefact.acting import NOWHERE, Origin, entered
from onefact.acts import ActRefused, Problem, Taken, alone, find
from onefact.home import Home
from onefact.law.tickets import open_ticket
from schemas.entities import ENTITIES
from warehouse.seals import seals_of
from warehouse.tables import ACT, ENTRY_WAKE
from warehouse.tables import ENTRY as ENTRIES


def undo(home: Home, act_id: str, new_id: str, actor: str, origin: Origin = NOWHERE) -> Taken:
    """Take an act back by a new one with the values that had been entered before it.

    Raises:
        ActRefused: it is not the actor's, is an undo itself, was undone already, or newer entries stand on it.
    """
    with home.engine.begin() as connection:
        alone(connection, new_id, 0)
        try:
            for master_id in sorted({line.master_id for line in find(connection, act_id).lines}):
                alone(connection, master_id, 1)
            done = find(connection, act_id)  # again, now that nobody else can take it back or enter anything upon it
        except KeyError:
            raise ActRefused([Problem("", "", "没有这次录入。")]) from None
        if done.actor != actor:
            raise ActRefused([Problem("", "", "只能撤销自己的录入。")])
        if connection.execute(sa.select(ACT.c.act_id).where(ACT.c.act_id == new_id)).first():
            if done.undone_by == new_id:
                return find(connection, new_id, repeated=True)
            raise ActRefused([Problem("", "", "这个录入编号已用于另一次录入，请刷新页面后重新保存。")])
        if done.undone_by or done.undoes:
            raise ActRefused(
                [Problem("", "", "这次录入已经撤销过了。" if done.undone_by else "撤销本身不能再撤销，请重新录入。")]
            )
        rows = connection.execute(sa.select(ENTRIES).where(ENTRIES.c.act_id == act_id)).mappings().all()
        _nothing_newer(connection, rows)
        connection.execute(
            ACT.insert().values(
                act_id=new_id, kind="undo", actor=actor, at=home.now().astimezone(), body_sha256=sha256(act_id.encode()).hexdigest(),
                created={}, undoes=act_id,
            )
        )  # fmt: skip
        at = home.now().isoformat(timespec="microseconds")
        for r in rows:
            value = _before(connection, r)
            again = {k: r[k] for k in ("entity_type", "master_id", "field", "record_key")}
            sealed = seals_of(connection).value(r["entity_type"], r["field"], str(r["master_id"]), value)
            connection.execute(
                sa.insert(ENTRIES).values(
                    **again,
                    entry_id=str(uuid.uuid4()),
                    value=sealed,
                    actor=actor,
                    entered_at=at,
                    act_id=new_id,
                    device=origin.device[:80] or None,
                )
            )
            entity_field = ENTITIES[r["entity_type"]].field(r["field"])
            open_ticket(connection, home, r["entity_type"], str(r["master_id"]), entity_field, value, actor)
        connection.execute(sa.select(sa.func.pg_notify(ENTRY_WAKE, "")))
        types = {r["entity_type"] for r in rows}
        entered(
            connection, home, "undo", types.pop() if len(types) == 1 else "act", [str(r["master_id"]) for r in rows],
            count=len(rows), actor=actor, origin=origin, act_id=new_id, undoes=act_id,
            fields=sorted({r["field"] for r in rows}), device=origin.device or None,
        )  # fmt: skip
        return find(connection, new_id)


def _same_field(row: sa.RowMapping) -> sa.ColumnElement[bool]:
    return sa.and_(
        ENTRIES.c.entity_type == row["entity_type"], ENTRIES.c.master_id == row["master_id"], ENTRIES.c.field == row["field"],
        ENTRIES.c.record_key.is_not_distinct_from(row["record_key"]),
    )  # fmt: skip


def _nothing_newer(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> None:
    for r in rows:
        newer = sa.select(ENTRIES.c.entry_id).where(_same_field(r), ENTRIES.c.entered_at > r["entered_at"])
        if connection.execute(newer.limit(1)).first():
            cn = ENTITIES[r["entity_type"]].field(r["field"]).cn
            raise ActRefused(
                [
                    Problem(
                        str(r["master_id"]), r["field"], f"{cn}之后又有新的录入，不能撤销这一次；请直接录入正确的值。"
                    )
                ]
            )


def _before(connection: sa.Connection, row: sa.RowMapping) -> str | None:
    earlier = (
        sa.select(ENTRIES.c.value)
        .where(_same_field(row), ENTRIES.c.entered_at < row["entered_at"])
        .order_by(ENTRIES.c.entered_at.desc(), ENTRIES.c.entry_id.desc())
        .limit(1)
    )
    value: str | None = connection.execute(earlier).scalar()
    return value
