"""What may flow and what was refused (授权登记), and the tickets to authorities (纠错工单)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.append_only import closed_once, never_changed
from warehouse.tables.metadata import METADATA

AUTHORISATION = sa.Table(
    "authorisation",
    METADATA,
    sa.Column("line_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("direction", sa.String(3), nullable=False, comment="in: read from the system; out: written to it"),
    sa.Column("receiver", sa.String(100), nullable=False, comment="the department"),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False, comment="number of the document that allows it"),
    sa.Column("expires", sa.Date, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("granted_by", sa.String(60), nullable=False, comment="manifest, or a person"),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.String(60)),
    sa.Column("ended_why", sa.Text),
    sa.CheckConstraint("direction IN ('in', 'out')", name="authorisation_direction"),
    sa.Index(
        "authorisation_open", "system_id", "entity_type", "field", "direction", unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    comment="授权登记: system x field x purpose x receiver; lines are added and closed once",
)  # fmt: skip
closed_once(AUTHORISATION, closing=("ended_at", "ended_by", "ended_why"))

REFUSAL = sa.Table(
    "refusal",
    METADATA,
    sa.Column("refusal_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
    sa.Column("run_id", sa.String(60), nullable=False),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("rule", sa.String(40), nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("stage", sa.String(10), nullable=False, comment="manifest: never planned; send: stopped on its way"),
    sa.Column("master_id", UUID(as_uuid=False), comment="whom it was about, for a flow stopped on its way"),
    comment="拒绝流动记录: every refused flow with its rule, without values; rows are added and never changed",
)
never_changed(REFUSAL)

TICKET = sa.Table(
    "ticket",
    METADATA,
    sa.Column("ticket_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("value", sa.Text, nullable=False, comment="what the worker saw"),
    sa.Column("entered_by", sa.String(60), nullable=False),
    sa.Column("authority", sa.String(60), nullable=False, comment="the system that is right for the field"),
    sa.Column("department", sa.String(100), nullable=False),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("remind_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("state", sa.String(10), nullable=False, server_default="open"),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("closed_by", sa.String(60), comment="a person, or the run in which the authority showed the value"),
    sa.Column("answer", sa.Text),
    sa.CheckConstraint("state IN ('open', 'accepted', 'refused', 'withdrawn')", name="ticket_state"),
    sa.Index(
        "ticket_open", "entity_type", "master_id", "field", unique=True, postgresql_where=sa.text("state = 'open'")
    ),
    comment="纠错工单: a worker's value for a field that is not theirs, on its way to the authority",
)

TICKET_EVENT = sa.Table(
    "ticket_event",
    METADATA,
    sa.Column("event_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("ticket_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("what", sa.String(20), nullable=False, comment="opened, reminded, accepted, refused, withdrawn, note"),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("words", sa.Text),
    comment="工单流水: rows are added and never changed",
)
never_changed(TICKET_EVENT)
