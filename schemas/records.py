"""What passes between the rooms: Arrow tables of these shapes and a few frozen dataclasses.

`connectors`, `linkage` and `warehouse` never import each other; they meet here. All values are text in canonical form
(ISO dates, GB codes, plain decimals), `None` where absent, so that every comparison in the system is plain equality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.model import EntityType

PLACE = "_place"
"""Column of a landed row: where it came from (`名单.xlsx!Sheet1!7`, `/api/persons?page=3#12`), for messages."""

REJECT_SCHEMA = pa.schema(
    [
        ("system_id", pa.string()),
        ("dataset", pa.string()),
        ("record_key", pa.string()),
        ("entity_type", pa.string()),
        ("role", pa.string()),
        ("field", pa.string()),
        ("column", pa.string()),
        ("place", pa.string()),
        ("level", pa.string()),
        ("rule", pa.string()),
        ("reason", pa.string()),
    ]
)
"""A rejected value (level `value`: nulled, the record goes on), record (`record`: not taken) or `warning` (kept).

The value itself is not repeated here: it may be personal; `place` and `column` point at it in the landing file.
"""

HINT_SCHEMA = pa.schema(
    [
        ("system_id", pa.string()),
        ("record_key", pa.string()),
        ("entity_type", pa.string()),
        ("role", pa.string()),
        ("field", pa.string()),
        ("kind", pa.string()),
        ("value", pa.string()),
    ]
)
"""What a text that is no usable value still says: weak evidence for linkage, never a claim.

kind is one of `schemas.values.hints.KINDS`; value is a pattern in canonical form with `*` for unknown characters. Hints
are personal data like the records; they go into no golden record, outbox, report or log.
"""

RECORD_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("system_id", pa.string()),
    ("record_key", pa.string()),
    ("role", pa.string()),
    ("dataset", pa.string()),
    ("observed_at", pa.string()),
    ("deleted", pa.bool_()),
    ("place", pa.string()),
)
"""Columns in front of the master fields in a standardised table.

(system_id, record_key, role) identifies a standardised record of one entity type. observed_at is the source's own
updated-at (ISO, local time of the source), NULL when the source has none (then the pull time counts).
"""


def standardised_schema(entity_type: EntityType) -> pa.Schema:
    """Return the Arrow schema of the standardised records of an entity: `RECORD_COLUMNS` + its master fields as text."""
    fields = [pa.field(name, kind) for name, kind in RECORD_COLUMNS]
    return pa.schema([*fields, *(pa.field(f.name, pa.string()) for f in ENTITIES[entity_type].fields)])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of raw rows as a connector read them.

    Attributes:
        dataset: name of the dataset in the manifest.
        rows: raw columns as text (NULL where absent), plus `_place`; only columns that the manifest maps or lists.
        cursor: opaque position after this page; to be stored with the landed rows in one step.
        rejects: what could not be read (`REJECT_SCHEMA`), e.g. a numeric ID cell in Excel or a broken line.
        snapshot: True on the last page of a complete reading: records absent from it are gone at the source.
        duplicates: rows of this page that the channel delivered again and the connector already dropped.
    """

    dataset: str
    rows: pa.Table
    cursor: str | None = None
    rejects: pa.Table = field(default_factory=REJECT_SCHEMA.empty_table)
    snapshot: bool = False
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that a system lacks: its value there (`old`), the golden value (`new`), both canonical.

    Attributes:
        pushed: the value that we ourselves wrote there last (the shadow, 影子), None when we never did. A record may show
            it before the next pull tells: then it is no foreign edit.
    """

    field: str
    old: str | None
    new: str | None
    pushed: str | None = None

    def foreign(self, held: str | None) -> bool:
        """Return whether a value found at the target was put there by somebody else since we last knew it."""
        return held not in {self.old, self.new} and (self.pushed is None or held != self.pushed)


@dataclass(frozen=True, slots=True)
class Change:
    """One record of one system to be changed: what an outbox row asks a connector to do.

    Attributes:
        change_id: id of the outbox row.
        operation: `update` an existing record, `create` a new one, or `delete` one that was created by mistake.
        record_key: the record in the system; None for `create`.
        key: the whole idempotency key `target:record:payload hash:base version`.
        base_version: hash of the target's row as last seen (the shadow), None for `create`.
        current: all golden values of the entity that the system may hold (a form or a template needs whole rows).
    """

    change_id: str
    system_id: str
    dataset: str
    entity_type: EntityType
    role: str
    operation: Literal["update", "create", "delete"]
    record_key: str | None
    changes: tuple[FieldChange, ...]
    key: str
    base_version: str | None = None
    current: Mapping[str, str] = field(default_factory=dict)


OutcomeState = Literal[
    "planned", "verified", "sent", "awaiting_person", "rejected", "conflict", "no_answer", "dead"
]  # fmt: skip
"""planned = nothing was sent (the system is in trouble), it waits for the next push; verified = read back equal; sent = accepted, the receipt or read-back is still due;
awaiting_person = 待人工录入; dead = given up for good (no connector says this)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change, reported exactly once.

    Attributes:
        code: stable code (`ok`, `http_422`, `staging_error` ...), message: a plain sentence without personal data.
        receipt: the target's own receipt number where it gives one.
        record_key: the key that the target gave to a created record.
        detail: for assisted entry: the prefilled values in the form's own order and wording.
        held: for a conflict: field -> canonical value that the target holds now, for the merge by authority.
        near: fields that the target re-wrote (trimmed, padded, re-formatted) so that only the canonical values are equal.
        raw: the target's own answer as received, kept apart from the outcome under its hash as evidence.
        due: when an answer that comes later is expected (ISO, with offset); after it the change is overdue.
        retry_after: seconds for which the target asked not to be tried again (Retry-After).
    """

    change_id: str
    state: OutcomeState
    code: str = "ok"
    message: str = ""
    receipt: str | None = None
    record_key: str | None = None
    detail: Sequence[tuple[str, str]] = ()
    held: Mapping[str, str | None] = field(default_factory=dict)
    near: Sequence[str] = ()
    raw: bytes | None = None
    due: str | None = None
    retry_after: float | None = None
