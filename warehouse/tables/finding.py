"""What a comparison with the systems found (核对发现): opened when first seen, closed when it is gone, never changed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.append_only import closed_once
from warehouse.tables.metadata import METADATA

FINDING = sa.Table(
    "finding",
    METADATA,
    sa.Column("finding_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run_id", sa.String(40), nullable=False, comment="the reconciliation that saw it first"),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("dataset", sa.String(60), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("record_key", sa.String(200), nullable=False),
    sa.Column("field", sa.String(60), nullable=False, comment="'' where the whole record is meant"),
    sa.Column("kind", sa.String(20), nullable=False, comment="ghost, stale, silent_loss, near_miss"),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False)),
    sa.Column("change_id", sa.BigInteger, comment="the change that explains it, or whose value was lost"),
    sa.Column("found_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("closed_by", sa.String(40), comment="the reconciliation that saw it no more"),
    sa.Index("finding_open", "system_id", postgresql_where=sa.text("closed_at IS NULL")),
    comment="核对发现: where systems and master differ; it holds no values",
)
closed_once(FINDING, ("closed_at", "closed_by"))
