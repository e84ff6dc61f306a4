"""Sealing what was typed (录入密封): each entry bound by a keyed hash, so that a value changed afterwards is found by name.

The log tells who entered which field of whom, never the value; so a value changed in the table would not show in the chain. A
bare hash of a mobile number can be guessed in an hour, so the seal is an HMAC (RFC 2104) with the key of the log, and the log's
row of the act carries one hash over its seals: neither an entry nor its seal can change, come or go alone.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from warehouse.sealed.canonical import canonical
from warehouse.sealed.chain import hold_end
from warehouse.tables.intake import ENTRY
from warehouse.tables.sealed import ENTRY_EXPIRED, ENTRY_SEAL, SEALED_LOG

SEALED = ("entity_type", "master_id", "field", "value", "actor", "entered_at", "act_id", "record_key", "device")
"""What is sealed of an entry: all but who took it up, and the transaction's number."""

AT_ONCE = 5000

Kind = Literal["altered", "inserted", "missing", "unlogged", "other_key"]

WORDS: Mapping[Kind, str] = {
    "altered": "录入内容与密封时不符", "inserted": "录入没有密封，不是经系统写入的", "missing": "录入已不在，密封还在",
    "unlogged": "这一次录入的密封与日志所记不符", "other_key": "密封所用的密钥不是本机的，无法核验",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntryFinding:
    """What is wrong with an entry (`entry_id`), or with all entries of one act (`seq` of its row in the log)."""

    kind: Kind
    entry_id: str = ""
    seq: int = 0

    def __str__(self) -> str:
        return f"{f'录入 {self.entry_id}' if self.entry_id else f'日志第 {self.seq} 条'}：{WORDS[self.kind]}"


def mac_of(naming: bytes, row: Mapping[str, Any] | sa.RowMapping) -> bytes:
    """Return the seal of an entry: HMAC-SHA256 of its columns `SEALED` as canonical JSON; NULL is not the empty text."""
    told = {c: None if row[c] is None else str(row[c]) for c in SEALED}
    return hmac.digest(naming, canonical({"entry_id": str(row["entry_id"]), **told}), "sha256")


def key_name(naming: bytes) -> str:
    """Return the name of a key: the beginning of its SHA-256, from which it cannot be had."""
    return hashlib.sha256(naming).hexdigest()[:16]


def seal_entries(connection: sa.Connection, naming: bytes) -> dict[str, Any]:
    """Seal what this transaction has entered; return what the log's row of the act says of it (no key, no value).

    Entries of before there were seals are sealed with the first ones: from then on an entry without a seal is a finding.

    Args:
        connection: of the transaction that enters; call it right before the act is noted.
        naming: the HMAC key of the log.
    """
    hold_end(connection)  # two first acts at once must not both seal what was there before
    mine = ENTRY.c.tx == sa.func.pg_current_xact_id()
    sealed_already = sa.exists().where(ENTRY_SEAL.c.entry_id == ENTRY.c.entry_id)
    if connection.execute(sa.select(sa.exists(sa.select(ENTRY_SEAL.c.entry_id)))).scalar():
        query = _entries().where(mine, ~sealed_already)
    else:
        query = _entries()
    mark, key = str(uuid.uuid4()), key_name(naming)
    macs: list[bytes] = []
    for rows in connection.execute(query.order_by(ENTRY.c.entry_id)).mappings().partitions(AT_ONCE):
        found = [{"entry_id": r["entry_id"], "mark": mark, "key": key, "mac": mac_of(naming, r)} for r in rows]
        connection.execute(sa.insert(ENTRY_SEAL), found)
        macs += [r["mac"] for r in found]
    return {"mark": mark, "entries": len(macs), "seal": _over(macs)} if macs else {}


def expire_entries(connection: sa.Connection, entry_ids: Iterable[str], seq: int) -> None:
    """Note entries that retention deletes, under the log's row `seq` that proves it; its detail has `over_ids` as `expired`."""
    connection.execute(sa.insert(ENTRY_EXPIRED), [{"entry_id": str(i), "seq": seq} for i in entry_ids])


def over_ids(entry_ids: Iterable[str]) -> str:
    """Return one hash over the ids of deleted entries, in their order."""
    return hashlib.sha256("\n".join(sorted(map(str, entry_ids))).encode()).hexdigest()


def _expired(connection: sa.Connection) -> set[str]:
    """Return the entries whose deletion the log proves; what was deleted before the log was cut is taken as it stands."""
    gone: dict[int, list[str]] = {}
    for entry_id, seq in connection.execute(sa.select(ENTRY_EXPIRED.c.entry_id, ENTRY_EXPIRED.c.seq)):
        gone.setdefault(seq, []).append(str(entry_id))
    proof = sa.cast(SEALED_LOG.c.body, sa.JSON)["detail"]["expired"].as_string()
    query = sa.select(SEALED_LOG.c.seq, proof).where(SEALED_LOG.c.seq.in_(list(gone)), SEALED_LOG.c.act == "expire")
    proven = {int(seq): str(told) for seq, told in connection.execute(query)}
    begins = _begins(connection)
    return {i for seq, ids in gone.items() if seq < begins or proven.get(seq) == over_ids(ids) for i in ids}


def _begins(connection: sa.Connection) -> int:
    """The first row that the log still has: 1, unless it was cut lawfully."""
    return int(connection.execute(sa.select(sa.func.min(SEALED_LOG.c.seq))).scalar() or 1)


def differing_entries(connection: sa.Connection, naming: bytes) -> list[EntryFinding]:
    """Return the entries that are not as they were typed, those that were put in or taken away, and acts whose seals changed."""
    key = key_name(naming)
    joined = _entries().add_columns(
        ENTRY_SEAL.c.entry_id.label("sealed_id"), ENTRY_SEAL.c.mark, ENTRY_SEAL.c.mac, ENTRY_SEAL.c.key
    )
    query = joined.select_from(
        ENTRY.outerjoin(ENTRY_SEAL, ENTRY_SEAL.c.entry_id == ENTRY.c.entry_id, full=True)
    ).order_by(sa.func.coalesce(ENTRY.c.entry_id, ENTRY_SEAL.c.entry_id))
    found: list[EntryFinding] = []
    expired = _expired(connection)
    seals: dict[str, list[bytes]] = {}
    for r in connection.execute(query.execution_options(yield_per=AT_ONCE)).mappings():
        if r["sealed_id"] is None:
            found.append(EntryFinding("inserted", str(r["entry_id"])))
            continue
        seals.setdefault(str(r["mark"]), []).append(bytes(r["mac"]))
        if r["entry_id"] is None:
            if str(r["sealed_id"]) in expired:
                continue
            found.append(EntryFinding("missing", str(r["sealed_id"])))
        elif r["key"] != key:
            found.append(EntryFinding("other_key", str(r["entry_id"])))
        elif not hmac.compare_digest(bytes(r["mac"]), mac_of(naming, r)):
            found.append(EntryFinding("altered", str(r["entry_id"])))
    if not seals:  # nothing was entered since there are seals, or all of them were taken away: the log knows
        found = []
    return found + _unlogged(connection, seals)


def _unlogged(connection: sa.Connection, seals: Mapping[str, list[bytes]]) -> list[EntryFinding]:
    """Hold the seals of each act to what its row of the log says."""
    detail = sa.cast(SEALED_LOG.c.body, sa.JSON)["detail"]
    query = (
        sa.select(SEALED_LOG.c.seq, detail["mark"].as_string(), detail["seal"].as_string())
        .where(SEALED_LOG.c.act.in_(("enter", "undo")), detail["mark"].as_string().is_not(None))
        .order_by(SEALED_LOG.c.seq)
    )
    wrong, seen = [], set()
    for seq, mark, told in connection.execute(query):
        seen.add(mark)
        if _over(seals.get(mark, [])) != told:
            wrong.append(EntryFinding("unlogged", seq=seq))
    # Acts of before the log was cut are in it no more; their entries are still sealed one by one.
    unknown = sorted(set(seals) - seen) if _begins(connection) == 1 else []
    return wrong + [EntryFinding("unlogged", seq=0) for _ in unknown]


def _over(macs: Iterable[bytes]) -> str:
    """One hash over the seals of an act, in the order of the entries' numbers."""
    return hashlib.sha256(b"".join(macs)).hexdigest()


def _entries() -> sa.Select[Any]:
    return sa.select(ENTRY.c.entry_id, *(ENTRY.c[c] for c in SEALED))
