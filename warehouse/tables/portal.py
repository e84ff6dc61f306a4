"""Who works with the portal (门户账号): accounts, their grids, sessions, reveals; and which grid each entity is in."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.tables.metadata import METADATA

ROLES = ("worker", "steward", "auditor", "sysadmin", "secadmin")
"""网格员, 数据管理员, 审计员, 系统管理员, 安全管理员; the last three are separate persons (三员分立)."""

ACCOUNT = sa.Table(
    "account",
    METADATA,
    sa.Column("account_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("login", sa.String(60), nullable=False, unique=True),
    sa.Column("name", sa.String(60), nullable=False, comment="the person's name as colleagues know it"),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password", sa.Text, comment="argon2id; NULL: signs in through the identity provider only"),
    sa.Column("password_set_at", sa.DateTime(timezone=True)),
    sa.Column("must_change", sa.Boolean, nullable=False, server_default="false", comment="the password was given"),
    sa.Column("subject", sa.Text, unique=True, comment="issuer|subject at the identity provider (OIDC)"),
    sa.Column("totp", sa.LargeBinary, comment="second factor's secret, sealed with the home's key"),
    sa.Column("totp_step", sa.BigInteger, comment="the last time step whose code was used: a code counts once"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="wrong passwords or codes in a row"),
    sa.Column("locked_until", sa.DateTime(timezone=True)),
    sa.Column("closed_at", sa.DateTime(timezone=True), comment="an account is closed, never removed"),
    sa.Column(
        "compartments", sa.Text, server_default="base", comment="whose facts it may see, with commas; NULL: base only"
    ),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("created_by", sa.String(60), nullable=False),
    sa.CheckConstraint(f"role IN ({', '.join(repr(r) for r in ROLES)})", name="account_role"),
    comment="账号",
)

ACCOUNT_GRID = sa.Table(
    "account_grid",
    METADATA,
    sa.Column("account_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("grid", sa.String(20), primary_key=True, comment="grid code as the standard addresses carry it"),
    comment="账号的网格: a worker sees what is in these",
)

SESSION = sa.Table(
    "portal_session",
    METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True, comment="of the cookie: the table alone opens nothing"),
    sa.Column("account_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("stage", sa.String(10), nullable=False, comment="password (a code is still due), full"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_why", sa.String(20), comment="logout, idle, age, revoked"),
    comment="会话: kept on the server, so that one can be ended",
)

ENTITY_GRID = sa.Table(
    "entity_grid",
    METADATA,
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True, comment="the address field that says so"),
    sa.Column("grid", sa.String(20), nullable=False),
    sa.Index("entity_grid_grid", "grid", "entity_type"),
    sa.Index("entity_grid_master", "master_id"),
    comment="所在网格: where each entity is, read from the tree of addresses; what a worker may see is decided by it",
)

EXPORT_REQUEST = sa.Table(
    "export_request",
    METADATA,
    sa.Column("request_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("account_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("login", sa.String(60), nullable=False),
    sa.Column("what", sa.String(200), nullable=False, comment="which file, in the words of the page"),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("place", sa.String(300), nullable=False, comment="path at which it is taken; no personal data"),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("purpose", sa.String(200), nullable=False),
    sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("decision", sa.String(10), comment="approved, refused"),
    sa.Column("decided_by", sa.String(60)),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("used_at", sa.DateTime(timezone=True), comment="a yes counts once"),
    comment="导出申请: files too large for one account alone; it holds no values",
)
