"""What golden values were (主数据历史): values that a publication replaced, written in its transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.append_only import never_changed
from warehouse.tables.metadata import METADATA

GOLDEN_HISTORY = sa.Table(
    "golden_history",
    METADATA,
    sa.Column("history_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("field", sa.String(60), nullable=False, comment="'' = the whole record ended"),
    sa.Column("value", sa.Text, comment="canonical text; NULL: the field had no value"),
    sa.Column("ref", sa.Text, comment="system|record key|role|observed at of the claim that had won"),
    sa.Column("run_id", sa.String(40), nullable=False, comment="the run that had last written the record"),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_by", sa.String(60), nullable=False, comment="the run that replaced it"),
    sa.Index("golden_history_value", "master_id", "field", "until"),
    comment="主数据历史: values that were golden; rows are added and never changed",
)
never_changed(GOLDEN_HISTORY)
