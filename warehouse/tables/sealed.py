"""The sealed log (密封日志): every act and every reading of personal data, chained by hash, added to only."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from warehouse.append_only import never_changed
from warehouse.tables.metadata import METADATA


def _of_body(name: str, cut: int) -> sa.Column[str]:
    """A column that PostgreSQL itself takes out of the body: nobody can write it, so it cannot say something else."""
    return sa.Column(name, sa.String(cut), sa.Computed(f"left(body::jsonb ->> '{name}', {cut})", persisted=True))


SEALED_LOG = sa.Table(
    "sealed_log",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … without a gap"),
    sa.Column("algorithm", sa.String(8), nullable=False, comment="sha256 or sm3"),
    sa.Column("prev", sa.LargeBinary, nullable=False, comment="hash of the row before; 32 zero bytes before the first"),
    sa.Column("hash", sa.LargeBinary, nullable=False, comment="hash of prev and body"),
    sa.Column("body", sa.Text, nullable=False, comment="the act as canonical JSON (RFC 8785)"),
    _of_body("at", 32),
    _of_body("actor", 60),
    _of_body("act", 30),
    _of_body("subject_type", 30),
    sa.Column("subjects", JSONB, sa.Computed("body::jsonb -> 'subjects'", persisted=True)),
    sa.Index("sealed_log_at", "at"),
    sa.Index("sealed_log_actor", "actor", "seq"),
    sa.Index("sealed_log_subjects", "subjects", postgresql_using="gin", postgresql_ops={"subjects": "jsonb_path_ops"}),
    comment="密封日志: who did or read what, for which purpose, how many; rows are added and never changed",
)
never_changed(SEALED_LOG)

ENTRY_SEAL = sa.Table(
    "entry_seal",
    METADATA,
    sa.Column("entry_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("mark", UUID(as_uuid=False), nullable=False, index=True, comment="the log's row that seals it names it"),
    sa.Column("key", sa.String(16), nullable=False, comment="which HMAC key: the beginning of its SHA-256"),
    sa.Column("mac", sa.LargeBinary, nullable=False, comment="HMAC-SHA256 of the entry as canonical JSON"),
    comment="录入密封: each entry as it was typed, by a keyed hash from which nothing can be guessed",
)
never_changed(ENTRY_SEAL)

ENTRY_EXPIRED = sa.Table(
    "entry_expired",
    METADATA,
    sa.Column("entry_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, index=True, comment="the log's row that proves the deletion"),
    comment="到期录入: sealed entries that retention deleted; their seals stay",
)
never_changed(ENTRY_EXPIRED)
