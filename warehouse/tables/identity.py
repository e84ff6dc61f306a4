"""Who is whom (归属): crosswalk, edges, review questions, redirects, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from warehouse.append_only import closed_once, never_changed
from warehouse.tables.metadata import METADATA

CROSSWALK = sa.Table(
    "crosswalk",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("record_key", sa.String(200), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("rule", sa.String(40), nullable=False, comment="the key that linked the record, e.g. anchor, name_phone"),
    sa.Column(
        "since",
        sa.DateTime(timezone=True),
        server_default=sa.func.now(),
        comment="NULL: from before history was kept",
    ),
    sa.Column("run_id", sa.String(40), comment="the run that wrote the row"),
    comment="对照表: which source record is which master entity",
)

CROSSWALK_HISTORY = sa.Table(
    "crosswalk_history",
    METADATA,
    sa.Column("history_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("record_key", sa.String(200), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("rule", sa.String(40), nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), comment="NULL: from before history was kept"),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("run_id", sa.String(40), comment="the run that wrote the row"),
    sa.Column("ended_by", sa.String(60), nullable=False, comment="the run that replaced or removed it"),
    sa.Index("crosswalk_history_record", "system_id", "record_key"),
    comment="对照表历史: who a record was before; rows are added and never changed",
)
never_changed(CROSSWALK_HISTORY)


def _pair() -> tuple[sa.Column[str], ...]:
    """The two records of a pair, the smaller triple left, so that a pair has one name."""
    sizes = {"system": 60, "key": 200, "role": 40}
    return tuple(
        sa.Column(f"{s}_{n}", sa.String(z), nullable=False) for s in ("left", "right") for n, z in sizes.items()
    )


PAIR = ("left_system", "left_key", "left_role", "right_system", "right_key", "right_role")
"""Columns that name a pair of records."""

_ORDER = " < ".join(
    "({})".format(", ".join(f'{c} COLLATE "C"' for c in PAIR if c.startswith(s))) for s in ("left", "right")
)

EDGE = sa.Table(
    "edge",
    METADATA,
    sa.Column("edge_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    *_pair(),
    sa.Column("weight", sa.Double, comment="match weight in bits; NULL for a judgement"),
    sa.Column("rule", sa.String(40), comment="the blocking rule that proposed the pair"),
    sa.Column("model", sa.String(60), comment="version of the model that weighed it"),
    sa.Column("judgement", sa.String(10), nullable=False, server_default="auto"),
    sa.Column("actor", sa.String(60), comment="who judged; NULL for the model"),
    sa.Column("reason", sa.Text),
    sa.Column("run_id", sa.String(40)),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.String(60), comment="run or person"),
    sa.CheckConstraint("judgement IN ('auto', 'positive', 'negative', 'unsure', 'withdrawn')", name="edge_judgement"),
    sa.CheckConstraint(_ORDER, name="edge_order"),
    sa.CheckConstraint("judgement <> 'withdrawn' OR ended_at IS NOT NULL", name="edge_withdrawn"),
    sa.Index(
        "edge_open", "entity_type", *PAIR, sa.text("(judgement = 'auto')"), unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    sa.Index("edge_left", "left_key", "left_system"),
    sa.Index("edge_right", "right_key", "right_system"),
    sa.Index("edge_judged", "judgement", postgresql_where=sa.text("judgement <> 'auto'")),
    comment="证据账: evidence that two records are one, and what persons judged; rows are added and closed once",
)  # fmt: skip
closed_once(EDGE, closing=("ended_at", "ended_by"))

REVIEW = sa.Table(
    "review",
    METADATA,
    sa.Column("review_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    *_pair(),
    sa.Column("weight", sa.Double, comment="match weight in bits"),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("left_master", UUID(as_uuid=False), index=True),
    sa.Column("right_master", UUID(as_uuid=False), index=True),
    sa.Column("gain", sa.Double, comment="how much a decision would change; the greatest is asked first"),
    sa.Column("model", sa.String(60)),
    sa.Column("compared", JSONB, comment="level of each comparison: how the weight comes about; no value of a record"),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("state", sa.String(10), nullable=False, server_default="open"),
    sa.Column("decided_by", sa.String(60), comment="person; for a closed question the run"),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("decided_why", sa.Text),
    sa.CheckConstraint("reason IN ('uncertain', 'bridge', 'ambiguous', 'two_numbers')", name="review_reason"),
    sa.CheckConstraint("state IN ('open', 'accepted', 'rejected', 'undecided', 'closed')", name="review_state"),
    sa.Index("review_open", "entity_type", *PAIR, unique=True, postgresql_where=sa.text("state = 'open'")),
    comment="复核: pairs that wait for a person, and what became of them",
)

REDIRECT = sa.Table(
    "redirect",
    METADATA,
    sa.Column("old_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("new_id", UUID(as_uuid=False), comment="NULL when the entity has no records left"),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Index("redirect_run", "run_id", "old_id"),
    comment="合并去向: ids are never reused, a merged id points at its heir",
)

DECISION = sa.Table(
    "decision",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("record_key", sa.String(200), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("reason", sa.String(40), nullable=False, comment="entry, created"),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    comment="指定归属: links that are known, not computed (a portal entry, a record we created); they outrank the rules",
)
