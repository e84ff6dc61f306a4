"""Quality over time (质量历史): runs, what became of each rule, scores, agreement, and the work orders for failing rows."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.append_only import closed_once, never_changed
from warehouse.tables.metadata import METADATA

QUALITY_RUN = sa.Table(
    "quality_run",
    METADATA,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("catalogue", sa.String(12), nullable=False, comment="version of the rule catalogue"),
    sa.Column("consolidated", sa.String(40), comment="the consolidation whose result was looked at"),
    sa.Column("failing", sa.BigInteger, nullable=False, comment="failing rows"),
    sa.Column("folder", sa.Text, nullable=False, comment="snapshot below the home"),
    comment="质量检查: rows are added and never changed",
)
never_changed(QUALITY_RUN)

QUALITY_RULE = sa.Table(
    "quality_rule",
    METADATA,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("rule_id", sa.String(80), primary_key=True),
    sa.Column("state", sa.String(15), nullable=False),
    sa.Column("evaluated", sa.BigInteger, nullable=False, comment="rows that the rule is about"),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, comment="why it did not run"),
    sa.CheckConstraint("state IN ('passed', 'failed', 'not_evaluated', 'did_not_run')", name="quality_rule_state"),
    comment="规则结果: rows are added and never changed",
)
never_changed(QUALITY_RULE)

QUALITY_SCORE = sa.Table(
    "quality_score",
    METADATA,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("level", sa.String(12), primary_key=True, comment="all, system, department, street, grid, field"),
    sa.Column("unit", sa.String(120), primary_key=True),
    sa.Column("dimension", sa.String(2), primary_key=True, comment="01 to 06 of GB/T 36344, 00 the total"),
    sa.Column("score", sa.Double, comment="0 to 1, NULL = 未评价"),
    sa.Column("evaluated", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Index("quality_score_unit", "level", "unit"),
    comment="质量评分: rows are added and never changed",
)
never_changed(QUALITY_SCORE)

QUALITY_AGREEMENT = sa.Table(
    "quality_agreement",
    METADATA,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("compared", sa.BigInteger, nullable=False),
    sa.Column("agreeing", sa.BigInteger, nullable=False),
    sa.Column("lagging", sa.BigInteger, nullable=False),
    sa.Column("lag_days_median", sa.Double),
    sa.Column("lag_days_most", sa.BigInteger),
    comment="跨系统一致性: rows are added and never changed",
)
never_changed(QUALITY_AGREEMENT)

WORK_ORDER = sa.Table(
    "work_order",
    METADATA,
    sa.Column("order_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("rule_id", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False, comment="grid: the worker looks; authority: it corrects"),
    sa.Column("relation", sa.String(10), nullable=False),
    sa.Column("entity_type", sa.String(20)),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("record_key", sa.String(200), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False)),
    sa.Column("department", sa.String(100), nullable=False),
    sa.Column("street", sa.String(60)),
    sa.Column("grid", sa.String(20)),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("opened_by", sa.String(40), nullable=False, comment="the quality run that saw it first"),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("closed_by", sa.String(60), comment="the quality run that saw it right, or a person"),
    sa.Column("closing", sa.String(10), comment="right, ended (the rule), dismissed (by a person)"),
    sa.Column("words", sa.Text, comment="why a person dismissed it"),
    sa.Index(
        "work_order_open", "rule_id", "system_id", "record_key", "role", unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
    sa.Index("work_order_master", "master_id", postgresql_where=sa.text("closed_at IS NULL")),
    comment="质量工单: opened for a failing row, closed by itself when it is right; it holds no values",
)  # fmt: skip
closed_once(WORK_ORDER, ("closed_at", "closed_by", "closing", "words"))
