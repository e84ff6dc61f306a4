"""Other programs (接口): their tokens, and the webhooks by which they are told of changes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from warehouse.tables.metadata import METADATA

API_TOKEN = sa.Table(
    "api_token",
    METADATA,
    sa.Column("token_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("account_id", UUID(as_uuid=False), nullable=False, index=True, comment="whose role and grids it has"),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True, comment="the table alone opens nothing"),
    sa.Column("name", sa.String(60), nullable=False, comment="the program"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("created_by", sa.String(60), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True)),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.String(60)),
    comment="接口令牌",
)

WEBHOOK = sa.Table(
    "webhook",
    METADATA,
    sa.Column("webhook_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("account_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False, comment="signing key, sealed with the home's key"),
    sa.Column("entity_types", ARRAY(sa.Text), nullable=False),
    sa.Column("cursor", sa.Text, comment="up to where changes were planned"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="failures in a row"),
    sa.Column("paused_at", sa.DateTime(timezone=True), comment="after too many failures; resumed by a person"),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    comment="变更订阅",
)

WEBHOOK_DELIVERY = sa.Table(
    "webhook_delivery",
    METADATA,
    sa.Column("delivery_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("webhook_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("events", JSONB, nullable=False, comment="ids and versions, never values"),
    sa.Column("state", sa.String(10), nullable=False, server_default="planned", comment="planned, sent, dead"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("code", sa.String(40), comment="HTTP status, or what went wrong"),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
    sa.Index("webhook_delivery_open", "next_try_at", postgresql_where=sa.text("state = 'planned'")),
    comment="变更通知",
)
