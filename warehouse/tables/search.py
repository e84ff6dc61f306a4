"""What the portal finds and asks by (查找与录入): keys of golden records, values that lost, acts of workers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from warehouse.tables.metadata import METADATA

SEARCH_KEY = sa.Table(
    "search_key",
    METADATA,
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column(
        "kind", sa.String(10), nullable=False, comment="name, pinyin, initials, id, phone, address, code, contact"
    ),
    sa.Column("key", sa.Text(collation="C"), nullable=False, comment="folded: capitals, half width, no spaces"),
    sa.Column("grid", sa.String(20), comment="a row for each grid that the record is in; NULL: in none"),
    # Prefixes are looked up as ranges in the C collation: comparisons are leakproof, so row-level security leaves them the
    # index. The grid stands in the index, so that a question costs what the asker's grids hold and not what the city holds.
    sa.Index("search_key_begin", "entity_type", "key"),
    sa.Index("search_key_grid", "grid", "key"),
    sa.Index("search_key_master", "master_id"),
    comment="查找键: by which beginnings of words a golden record is found; written for touched records only",
)

CANDIDATE = sa.Table(
    "candidate",
    METADATA,
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False, comment="the newest record that says so: system|key|role|observed_at"),
    sa.Column("systems", sa.Integer, nullable=False, comment="how many systems say so"),
    sa.Index("candidate_master", "master_id", "field"),
    comment="候选值: what other systems say of a field that a worker may decide, where it differs from the golden value",
)

ACT = sa.Table(
    "act",
    METADATA,
    sa.Column(
        "act_id", UUID(as_uuid=False), primary_key=True, comment="made by the device: a repeated one is no second act"
    ),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column(
        "body_sha256",
        sa.String(64),
        nullable=False,
        comment="of what was sent: the same id with another body is refused",
    ),
    sa.Column("created", JSONB, nullable=False, server_default="{}", comment="name in the act -> the new entity's id"),
    sa.Column("undoes", UUID(as_uuid=False), unique=True, comment="the act that this one takes back"),
    sa.Index("act_actor", "actor", "at"),
    comment="录入动作: several facts that are entered together; it holds no values",
)
