"""What goes out (回写): the outbox and the shadow of what was written."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from warehouse.tables.metadata import METADATA

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("change_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("dataset", sa.String(60), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("record_key", sa.String(200)),
    sa.Column("operation", sa.String(10), nullable=False),
    sa.Column("changes", JSONB, nullable=False, comment="[{field, old, new}] in canonical values"),
    sa.Column("base_version", sa.String(40)),
    sa.Column("idempotency_key", sa.String(400), nullable=False, unique=True),
    sa.Column("state", sa.String(20), nullable=False, server_default="planned"),
    sa.Column("code", sa.String(40)),
    sa.Column("message", sa.Text),
    sa.Column("receipt", sa.Text),
    sa.Column("detail", JSONB),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
    sa.Index("outbox_open", "system_id", "state"),
    sa.Index("outbox_master", "master_id"),
    comment="发件箱: what each system lacks, written in the transaction of the golden change",
)

PUSHED = sa.Table(
    "pushed",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("record_key", sa.String(200), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("value", sa.Text),
    comment="影子: the value we last wrote to each field of each record, to know an echo from news",
)
