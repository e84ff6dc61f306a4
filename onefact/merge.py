"""Merge and unmerge (合并、撤销合并): what a person knows about two entities, recorded as judgements on their records.

Nothing is patched: a judgement is recorded, and the next consolidation works out clusters, ids and golden records from
all records again. So an unmerge gives back what was there before the merge, and what has come since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from onefact.acting import noted
from onefact.enter import current_id, is_uuid
from onefact.home import Home
from onefact.policy import ENTRY
from onefact.rehearsal import deciding
from onefact.sides import JudgementRefused, Side, between, cn, entity_of, judged
from schemas.model import EntityType
from warehouse.judgements import By, Pair, Record, judge, withdraw
from warehouse.tables import CROSSWALK, CROSSWALK_HISTORY, METADATA, REDIRECT


@dataclass(frozen=True, slots=True)
class Judged:
    """What was recorded.

    Attributes:
        entity_type: of both sides.
        left, right: master ids of the two sides; the right one of a split has none of its own yet.
        recorded: judgements recorded.
        withdrawn: judgements taken back.
        two_numbers: both sides hold a valid identifier, and not the same.
    """

    entity_type: EntityType
    left: str
    right: str | None
    recorded: int
    withdrawn: int
    two_numbers: bool = False


def merge(home: Home, one: str, other: str, *, actor: str, reason: str | None, dry_run: bool = False) -> Judged:
    """Judge that two master entities are one; judgements that keep their records apart are withdrawn.

    Raises:
        JudgementRefused: an id is unknown, both are one already, or they are of different types.
    """
    by = By(actor, reason, home.now())
    with deciding(home.engine, dry_run) as connection:
        a, b = entity_of(connection, one), entity_of(connection, other)
        if a.entity_type != b.entity_type:
            raise JudgementRefused(
                f"{one} 是{cn(a.entity_type)}，{other} 是{cn(b.entity_type)}，不同类对象不能合并。请核对编号。"
            )
        if a.master_id == b.master_id:
            raise JudgementRefused(f"{one} 与 {other} 已是同一主数据（{a.master_id}），无需合并。")
        withdrawn = withdraw(connection, judged(between(connection, a, b), "negative"), by)
        pair = Pair.of(a.entity_type, a.representative(), b.representative())
        recorded = judge(connection, [pair], "positive", by)
        done = Judged(a.entity_type, a.master_id, b.master_id, recorded, withdrawn, _two_numbers(connection, a, b))
        return _noted(connection, home, "merge", done, actor)


def _two_numbers(connection: sa.Connection, a: Side, b: Side) -> bool:
    column = {"person": "id_number", "organisation": "uscc"}.get(a.entity_type)
    if column is None:
        return False
    table = METADATA.tables[a.entity_type]
    query = sa.select(table.c[column]).where(
        table.c.master_id.in_([a.master_id, b.master_id]), table.c[column].is_not(None)
    )
    return len(set(connection.execute(query).scalars())) > 1


def unmerge(home: Home, master_id: str, *, actor: str, reason: str | None, dry_run: bool = False) -> Judged:
    """Undo the merge that ended a master id: `master_id` is the id that was redirected.

    Where a person had joined the two sides, that judgement is withdrawn. Where the model had, the pairs that join the two
    sides are judged negative, and one pair of representatives with them, so that each side keeps together.

    Raises:
        JudgementRefused: the id is unknown or still stands, or none of its records is left in its heir.
    """
    by = By(actor, reason, home.now())
    with deciding(home.engine, dry_run) as connection:
        heir, former = _former(connection, master_id)
        here, rest = heir.part(former), heir.part(set(heir.rules) - former)
        if not here.rules or not rest.rules:
            raise JudgementRefused(
                f"{master_id} 并入 {heir.master_id} 后，其来源记录已变动，无法按原样撤销。"
                f"请用 onefact unmerge {heir.master_id} --records 系统/记录号,… 指明要拆出的记录。"
            )
        joined = judged(between(connection, here, rest), "positive")
        if joined:
            done = Judged(heir.entity_type, heir.master_id, master_id, 0, withdraw(connection, joined, by))
        else:
            done = Judged(heir.entity_type, heir.master_id, master_id, _part(connection, here, rest, by), 0)
        return _noted(connection, home, "unmerge", done, actor)


def _noted(connection: sa.Connection, home: Home, act: str, done: Judged, actor: str) -> Judged:
    ids = [i for i in (done.left, done.right) if i]
    counts = {"recorded": done.recorded, "withdrawn": done.withdrawn}
    noted(connection, home, act, done.entity_type, ids, actor=actor, judgements=counts)
    return done


def _former(connection: sa.Connection, master_id: str) -> tuple[Side, set[Record]]:
    """Return the heir of a redirected id, and the records for which that id stood when it ended."""
    if not is_uuid(master_id):
        raise JudgementRefused(f"“{master_id}”不是主数据编号。用 onefact trace 可查到编号。")
    heir = connection.execute(sa.select(REDIRECT.c.new_id).where(REDIRECT.c.old_id == master_id)).first()
    if heir is None:
        entity_of(connection, master_id)  # says so when the id is unknown
        raise JudgementRefused(
            f"{master_id} 没有并入其他编号，无合并可撤销。若其中混入了他人的记录，请用 "
            f"onefact unmerge {master_id} --records 系统/记录号,… 指明要拆出的记录。"
        )
    history = CROSSWALK_HISTORY
    mine = history.c.master_id == master_id
    last = sa.select(sa.func.max(history.c.until)).where(mine).scalar_subquery()
    rows = connection.execute(sa.select(history).where(mine, history.c.until == last)).mappings()
    former = {Record(r["system_id"], r["record_key"], r["role"]) for r in rows}
    return entity_of(connection, current_id(connection, master_id)), former


def split(
    home: Home, master_id: str, records: Sequence[str], *, actor: str, reason: str | None, dry_run: bool = False
) -> Judged:
    """Split records off an entity: the named ones (`system/key`) are not the one that the others are.

    Raises:
        JudgementRefused: the id is unknown, a record is not one of its records, or nothing would be left.
    """
    by = By(actor, reason, home.now())
    with deciding(home.engine, dry_run) as connection:
        whole = entity_of(connection, master_id)
        named = _named(whole, records)
        off, rest = whole.part(named), whole.part(set(whole.rules) - named)
        if not rest.rules:
            raise JudgementRefused(f"指明的记录就是 {whole.master_id} 的全部记录，没有可拆开的。请只写要拆出的那些。")
        done = Judged(whole.entity_type, whole.master_id, None, _part(connection, off, rest, by), 0)
        return _noted(connection, home, "split", done, actor)


def _named(whole: Side, records: Iterable[str]) -> set[Record]:
    found: set[Record] = set()
    for text in records:
        system, slash, key = text.strip().partition("/")
        if not slash:
            raise JudgementRefused(f"“{text}”应写成 系统/记录号，例如 ybss/1024；多条用逗号分开。")
        if system == ENTRY:
            raise JudgementRefused("录入的事实随主数据编号走，不能单独拆出；如有误，请用 onefact enter 重新录入。")
        here = {r for r in whole.rules if (r.system_id, r.record_key) == (system, key)}
        if not here:
            raise JudgementRefused(
                f"记录 {text} 不在主数据 {whole.master_id} 之下。用 onefact whois {system} {key} 查它现在属于谁。"
            )
        found |= here
    return found


def _part(connection: sa.Connection, one: Side, other: Side, by: By) -> int:
    """Judge that two sides are not one, on every pair that joins them and on a pair of representatives.

    Records with the same valid number are joined without an edge: each of one side is kept apart from each of the other.
    """
    crossing = between(connection, one, other)
    apart = [p for p, found in crossing.items() if "negative" not in found]
    apart.append(Pair.of(one.entity_type, one.representative(), other.representative()))
    apart += [Pair.of(one.entity_type, a, b) for a in one.numbered() for b in other.numbered()]
    return judge(connection, apart, "negative", by)


def stands(home: Home, master_id: str) -> bool:
    """Tell whether records stand under an id, so that it is not ended or redirected."""
    query = sa.select(CROSSWALK.c.master_id).where(CROSSWALK.c.master_id == master_id).limit(1)
    with home.engine.connect() as connection:
        return connection.execute(query).first() is not None
