"""What persons judged about pairs of records (人工判定): rows of the edge ledger that outrank the model.

A judgement is about two source records, not about master ids: ids come and go with the clusters, the records stay, so a
judgement survives re-runs, retraining and merges. One judgement of a pair stands at a time; a newer one closes it. To
withdraw one leaves a row of its own, so that it can be seen later who took it back and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

import duckdb
import sqlalchemy as sa

from schemas.model import EntityType
from warehouse.duck import SOURCE_ID
from warehouse.ledger import FORMER, NAMED
from warehouse.reading import MasterReader
from warehouse.tables import EDGE, ENTRY_WAKE

Judgement = Literal["positive", "negative", "unsure"]
"""Is one (同一), is not one (不是同一), cannot be told (无法判断)."""

CURRENT = f"SELECT {', '.join(NAMED)}, judgement FROM edge WHERE ended_at IS NULL AND judgement <> 'auto'"
"""The judgements that stand."""


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """A source record in a role, as crosswalk and edges name it."""

    system_id: str
    record_key: str
    role: str


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two records of one entity type, the smaller left; make one with `Pair.of`."""

    entity_type: EntityType
    left: Record
    right: Record

    @classmethod
    def of(cls, entity_type: EntityType, one: Record, other: Record) -> Self:
        """Return the pair of two different records, in whichever order they come.

        Raises:
            ValueError: a record was paired with itself.
        """
        if one == other:
            raise ValueError(f"a record is no pair: {one}")
        return cls(entity_type, min(one, other), max(one, other))

    def columns(self) -> dict[str, str]:
        """Return the pair as columns of `edge` and `review`."""
        return {
            "entity_type": self.entity_type,
            "left_system": self.left.system_id, "left_key": self.left.record_key, "left_role": self.left.role,
            "right_system": self.right.system_id, "right_key": self.right.record_key, "right_role": self.right.role,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class By:
    """Who judges, why and when."""

    actor: str
    reason: str | None
    at: datetime


def judge(connection: sa.Connection, pairs: Iterable[Pair], judgement: Judgement, by: By) -> int:
    """Record a judgement on each pair, closing the one that stood; return how many changed.

    A pair that is judged so already is left alone.
    """
    changed = 0
    for pair in sorted(set(pairs)):
        stands = connection.execute(sa.select(EDGE.c.judgement).where(*_standing(pair)).with_for_update()).scalar()
        if stands == judgement:
            continue
        _close(connection, pair, by)
        connection.execute(_row(pair, judgement, by))
        changed += 1
    _tell(connection, changed)
    return changed


def withdraw(connection: sa.Connection, pairs: Iterable[Pair], by: By) -> int:
    """Take back the judgements that stand on the pairs; return how many there were."""
    taken = 0
    for pair in sorted(set(pairs)):
        if _close(connection, pair, by):
            # Born closed: it records the act, and never stands.
            connection.execute(_row(pair, "withdrawn", by).values(ended_at=by.at.astimezone(), ended_by=by.actor))
            taken += 1
    _tell(connection, taken)
    return taken


def _tell(connection: sa.Connection, changed: int) -> None:
    """Wake whoever carries on, when the transaction commits."""
    if changed:
        connection.execute(sa.select(sa.func.pg_notify(ENTRY_WAKE, "")))


def _standing(pair: Pair) -> list[sa.ColumnElement[bool]]:
    named = [EDGE.c[name] == value for name, value in pair.columns().items()]
    return [*named, EDGE.c.judgement != "auto", EDGE.c.ended_at.is_(None)]


def _close(connection: sa.Connection, pair: Pair, by: By) -> int:
    close = sa.update(EDGE).where(*_standing(pair)).values(ended_at=by.at.astimezone(), ended_by=by.actor)
    return connection.execute(close).rowcount


def _row(pair: Pair, judgement: str, by: By) -> sa.Insert:
    return sa.insert(EDGE).values(
        **pair.columns(), judgement=judgement, actor=by.actor, reason=by.reason, created_at=by.at.astimezone()
    )


def load(con: duckdb.DuckDBPyConnection, master: MasterReader) -> int:
    """Load what persons judged and who records were before; return how many records a new judgement touches.

    Creates temporary `judgement_now` (entity_type, left triple, right triple, judgement) and `former_now` (system_id,
    record_key, entity_type, role, master_id), and adds the records of pairs that were judged otherwise when this copy
    last followed the master to `touched_record`. Comparing the judgements themselves, not times, none is missed that came
    while a run was going on.
    """
    for name, query in (("judgement_now", CURRENT), ("former_now", FORMER)):
        con.register("_master", master.fetch(query))
        typed = " REPLACE (master_id::UUID AS master_id)" if name == "former_now" else ""
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT *{typed} FROM _master")
        con.unregister("_master")
    changed = (
        "(SELECT * FROM judgement_now EXCEPT SELECT * FROM judgement_applied) UNION "
        "(SELECT * FROM judgement_applied EXCEPT SELECT * FROM judgement_now)"
    )
    ends = " UNION ".join(
        f"SELECT {s}_system AS system_id, {s}_key AS record_key FROM changed" for s in ("left", "right")
    )
    row = con.execute(
        f"INSERT INTO touched_record WITH changed AS ({changed}) SELECT system_id, record_key, {SOURCE_ID} FROM ({ends}) "
        "ANTI JOIN touched_record USING (system_id, record_key)"
    ).fetchone()
    return int(row[0]) if row else 0


def applied(con: duckdb.DuckDBPyConnection) -> None:
    """Remember that the working copy follows `judgement_now`; call it after `working_copy.commit`.

    If it does not come to that, the next run works the judged records once more, to the same result.
    """
    con.execute("DELETE FROM judgement_applied")
    con.execute("INSERT INTO judgement_applied SELECT * FROM judgement_now")
