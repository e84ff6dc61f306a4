"""The policy of each day (政策版本): catalogue, ranks of the systems and manifests, kept by their content and never changed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.append_only import never_changed
from warehouse.tables.metadata import METADATA

POLICY_PART = sa.Table(
    "policy_part",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("content", sa.Text, nullable=False, comment="a manifest (YAML), the catalogue or the ranks (JSON)"),
    comment="政策内容: each text once, however many versions hold it",
)
never_changed(POLICY_PART)

POLICY = sa.Table(
    "policy",
    METADATA,
    sa.Column("sha256", sa.String(64), primary_key=True, comment="of the parts; `run.summary` names it"),
    sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("run_id", sa.String(40), nullable=False, comment="the first consolidation under it"),
    sa.Column("parts", JSONB, nullable=False, comment="name of a part -> its SHA-256"),
    comment="政策版本: what a consolidation decided by",
)
never_changed(POLICY)
