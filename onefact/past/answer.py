"""Trace on a past day (某日溯源): for any golden value, what it was, why, by which record or entry, who saw it, who received it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from onefact import policies, policy
from onefact.enter import find, is_uuid
from onefact.home import Home
from onefact.past.claims import Claimed, Recomputed, moment_of, recompute
from onefact.past.landed import Raw
from onefact.trace import Claim, rule_of
from onefact.whois import Held, NobodyThen, held_by, moment
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse import golden_history, sealed
from warehouse.golden_history import Spell
from warehouse.tables import CROSSWALK, CROSSWALK_HISTORY, ENTRY, REDIRECT

SEEN = 1000
"""Readings that are told at most, the newest."""

SAME, DIFFERENT, UNSURE = "一致", "不一致", "无法重算"


@dataclass(frozen=True, slots=True)
class Entered:
    """A value that somebody typed: who, when, in which act (its id is made by the device; None = typed at the command line), on what."""

    entry_id: str
    actor: str
    entered_at: str
    act_id: str | None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class PastClaim:
    """A candidate of that day: the claim, and the landed row or the entry that it was read from (None = no longer there)."""

    claim: Claim
    raw: Raw | None
    entry: Entered | None


@dataclass(frozen=True, slots=True)
class Received:
    """What had become of a value's way to a system by that day."""

    system_id: str
    record_key: str | None
    value: str | None
    state: str
    code: str | None
    receipt: str | None
    at: datetime
    answer_sha256: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A reading of the person or thing that the sealed log knows."""

    at: str
    actor: str
    act: str
    purpose: str


@dataclass(frozen=True, slots=True)
class PastField:
    """One field on that day.

    Attributes:
        value: the golden value, as it was written down then.
        rule: why it was chosen, in words.
        source: provenance: `system|record key|role|observed at` of the winner.
        spell: since when and until when it held, and by which runs.
        claims: the candidates, the winner first.
        check: whether the value computed anew is the one written down; `why` where it is not, or cannot be.
        received: where the field had been sent by then.
        order: which systems counted for the field, with their ranks, the greatest first, by the policy of that day.
    """

    field: str
    cn: str
    value: str | None
    rule: str
    source: str | None
    spell: Spell
    claims: tuple[PastClaim, ...]
    check: str
    why: str
    received: tuple[Received, ...]
    order: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DecidedBy:
    """The version of the policy that a day was judged by.

    Attributes:
        sha256: its number; None: none was kept then, today's rules are shown.
        since: when it was first used.
        changed: what is not the same today: `catalogue`, `ranks`, `manifest/<file>`.
    """

    sha256: str | None = None
    since: datetime | None = None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastTrace:
    """A golden record on a day.

    Attributes:
        at: the moment asked about.
        run_id: the consolidation whose result stood then.
        records: the records that were its own.
        missing: batches whose files have been deleted since, so that their rows cannot be shown.
        seen: who had read it by then, as the sealed log has it.
        policy: by which version of catalogue, ranks and manifests the consolidation had decided.
    """

    entity_type: EntityType
    master_id: str
    at: datetime
    run_id: str | None
    records: tuple[Held, ...]
    fields: tuple[PastField, ...]
    missing: tuple[str, ...]
    seen: tuple[Seen, ...]
    policy: DecidedBy = DecidedBy()


def trace_on(home: Home, wanted: str, on: str, field_name: str | None = None) -> PastTrace:
    """Answer what a golden record was on a day.

    Args:
        home: the installation.
        wanted: a master id (also one that has been merged since), or what `onefact.enter.find` finds today.
        on: a day (its last moment counts) or a time.
        field_name: one field; every field that had a value when None.

    Raises:
        NobodyThen: there is or was no such golden record, or `on` is no date.
        schemas.model.UnknownField: the entity has no such field.
    """
    at = moment(home, on)
    members, life = _members(home, wanted, at)
    entity_type, master_id = members[0].entity_type, members[0].master_id
    entity = ENTITIES[entity_type]
    names = [entity.field(field_name).name] if field_name else list(entity.names)
    with home.engine.connect() as connection:
        when = moment_of(connection, at)
        began = _began(life, at)
        spells = {n: _spell(connection, entity_type, master_id, n, began, at) for n in names}
        received = _received(connection, master_id, at)
        entries = _entries(connection, members)
        seen = _seen(connection, entity_type, master_id, at)
    wanted_fields = [n for n in names if field_name or spells[n].value is not None]
    judged_by = policies.as_it_was(home, when.run_id)
    again = recompute(home, members, wanted_fields, when, judged_by)
    fields = tuple(
        _field(entity_type, n, spells[n], again, entries, tuple(received.get(n, ())), judged_by.order(entity_type, n))
        for n in wanted_fields
    )
    by = DecidedBy(judged_by.sha256, judged_by.since, judged_by.changed)
    return PastTrace(entity_type, master_id, at, when.run_id, tuple(members), fields, again.missing, seen, by)


def _members(home: Home, wanted: str, at: datetime) -> tuple[list[Held], list[Held]]:
    """Return the records that were the entity's at a moment, and all that it ever had."""
    with home.engine.connect() as connection:
        ids = [wanted] if is_uuid(wanted) else []
        ids += [f.master_id for f in find(home, wanted)]
        for master_id in dict.fromkeys(ids):
            life = held_by(
                connection, (CROSSWALK.c.master_id == master_id,), (CROSSWALK_HISTORY.c.master_id == master_id,)
            )
            if members := [h for h in life if h.at(at)]:
                return members, life
    if not ids:
        raise NobodyThen(
            "没有主数据有此编号、号码、姓名或电话。可用当时的主数据编号，或先用 onefact whois 系统 记录号 --on 日期 查编号。"
        )
    raise NobodyThen(
        f"这一主数据在 {at:%Y-%m-%d %H:%M} 没有来源记录：当时还未建立，或已并入其他编号。"
        "用 onefact whois 系统 记录号 --on 日期 查当时的编号。"
    )


def _spell(
    connection: sa.Connection, entity_type: EntityType, master_id: str, name: str, began: tuple[datetime | None, str | None], at: datetime
) -> Spell:  # fmt: skip
    """Return the value that held; it cannot have begun before the entity stood (again)."""
    found = golden_history.spell_at(golden_history.spells(connection, entity_type, master_id, name), at)
    if found is None:
        return Spell(None, None, began[0], None, began[1], None)
    stood, run = began
    if found.since is None or (stood is not None and found.since < stood):
        return replace(found, since=stood, began_by=run)
    return found


def _began(life: Sequence[Held], at: datetime) -> tuple[datetime | None, str | None]:
    """Return since when the entity had stood without a break, and the run that made it stand; (None, None): always."""
    moment, run = at, None
    while True:
        covering = [h for h in life if h.since is None or h.since < moment]
        covering = [h for h in covering if h.until is None or h.until >= moment]
        if not covering:
            return (moment, run) if run else (None, None)
        first = min(covering, key=lambda h: h.since.timestamp() if h.since else 0.0)
        if first.since is None:
            return None, None
        moment, run = first.since, first.run_id


def _field(
    entity_type: EntityType, name: str, spell: Spell, again: Recomputed, entries: Mapping[str, Entered],
    received: tuple[Received, ...], order: tuple[tuple[str, int], ...],
) -> PastField:  # fmt: skip
    claims = tuple(_claim(c, spell.ref, again, entries) for c in again.claims.get(name, ()))
    told = tuple(sorted(claims, key=lambda c: (not c.claim.wins, -c.claim.rank)))
    check, why = _check(name, spell, again)
    return PastField(
        name, ENTITIES[entity_type].field(name).cn, spell.value, rule_of(tuple(c.claim for c in told)), spell.ref, spell, told,
        check, why, received, order,
    )  # fmt: skip


def _claim(claimed: Claimed, winner: str | None, again: Recomputed, entries: Mapping[str, Entered]) -> PastClaim:
    c = claimed
    entry = entries.get(c.place.removeprefix("entry ")) if c.system_id == policy.ENTRY else None
    claim = Claim(
        c.system_id,
        c.record_key,
        c.role,
        c.value,
        c.observed_at,
        0 if c.echo else c.rank,
        c.place,
        c.batch_id,
        c.ref == winner,
        c.echo,
    )
    return PastClaim(claim, again.raws.get((c.system_id, c.record_key, c.batch_id)), entry)


def _check(name: str, spell: Spell, again: Recomputed) -> tuple[str, str]:
    """Compare what was written down with what the claims give today."""
    value = again.values.get(name)
    if value == spell.value:
        return SAME, ""
    if again.missing:
        return UNSURE, f"{len(again.missing)} 个批次的着陆文件已按期限删除，只有当时写下的取值为据"
    return DIFFERENT, "清单、规则、授权或链接在那之后有变，或当时某字段被认定为他人的；以当时写下的取值为准"


def _entries(connection: sa.Connection, members: Sequence[Held]) -> dict[str, Entered]:
    """Return the entries behind the entity's records of the system `entry`; an act that came from a device names it by its id."""
    keys = [h.record.record_key for h in members if h.record.system_id == policy.ENTRY]
    query = sa.select(ENTRY).where(
        sa.or_(
            ENTRY.c.record_key.in_(keys), sa.cast(ENTRY.c.master_id, sa.Text).in_({k.partition("/")[0] for k in keys})
        )
    )
    return {
        str(r["entry_id"]): Entered(
            str(r["entry_id"]), r["actor"], r["entered_at"], r["act_id"] and str(r["act_id"]), r["device"]
        )
        for r in connection.execute(query).mappings()
    }


RECEIVED = """
SELECT DISTINCT ON (o.change_id, c ->> 'field') o.system_id, o.record_key, c ->> 'field' AS field, c ->> 'new' AS value, d.state, d.code,
    d.receipt, d.at, d.answer_sha256
FROM outbox o JOIN delivery d USING (change_id), jsonb_array_elements(o.changes) c
WHERE o.master_id = :id AND d.at <= :at ORDER BY o.change_id, c ->> 'field', d.delivery_id DESC
"""
"""Each change of an entity with the last step that it had taken by a moment."""


def _received(connection: sa.Connection, master_id: str, at: datetime) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for r in connection.execute(sa.text(RECEIVED), {"id": master_id, "at": at}):
        if (r.state, r.code) != ("dead", "superseded"):
            told = Received(r.system_id, r.record_key, r.value, r.state, r.code, r.receipt, r.at, r.answer_sha256)
            found.setdefault(r.field, []).append(told)
    return found


def _seen(connection: sa.Connection, entity_type: EntityType, master_id: str, at: datetime) -> tuple[Seen, ...]:
    """Return who had read the entity by a moment, oldest first: also under the ids that were merged into it."""
    merged = connection.execute(sa.select(REDIRECT.c.old_id).where(REDIRECT.c.new_id == master_id)).scalars()
    rows = sealed.seen_by(connection, entity_type, [master_id, *map(str, merged)], limit=SEEN)
    return tuple(Seen(r.at, r.actor, r.act, r.purpose) for r in reversed(rows) if datetime.fromisoformat(r.at) <= at)
