"""Excel in bulk and any department's form (批量导入、一表通): what was uploaded, and what people said a heading means."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.append_only import closed_once, never_changed
from warehouse.tables.metadata import METADATA

BULK_UPLOAD = sa.Table(
    "bulk_upload",
    METADATA,
    sa.Column("upload_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("refused", sa.Boolean, nullable=False, comment="the whole file, for its share of bad rows"),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("rows", "created", "updated", "unchanged", "repeated", "bad", "facts", "tickets")
    ),
    comment="批量导入登记: each upload and what became of its rows, every row counted once; it holds no values",
)
never_changed(BULK_UPLOAD)

FORM_HEADING = sa.Table(
    "form_heading",
    METADATA,
    sa.Column("line_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("heading", sa.String(200), nullable=False, comment="folded, as schemas and punctuation leave it"),
    sa.Column("context", sa.String(20), nullable=False, comment="what a row of the form is: person, house, organisation"),
    sa.Column("meaning", sa.String(120), nullable=False, comment="path to the field, e.g. head.phone; '' = none of ours"),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.String(60)),
    sa.Index(
        "form_heading_open", "heading", "context", unique=True, postgresql_where=sa.text("ended_at IS NULL")
    ),
    comment="表头释义: what people said a heading means; it outranks every guess; lines are added and closed once",
)  # fmt: skip
closed_once(FORM_HEADING, closing=("ended_at", "ended_by"))

FORM_FILLED = sa.Table(
    "form_filled",
    METADATA,
    sa.Column("filled_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False, comment="of the empty form"),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("grid", sa.String(20), nullable=False),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("rows", "cells", "filled", "missing", "withheld")),
    comment="一表通登记: each form filled, with the cells that nobody had to be asked for; it holds no values",
)
never_changed(FORM_FILLED)

FORM_TASK = sa.Table(
    "form_task",
    METADATA,
    sa.Column("task_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("filled_id", sa.BigInteger, nullable=False, comment="the form that asked first"),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("grid", sa.String(20), nullable=False, index=True),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("closed_by", sa.String(60), comment="known: the master has it by now; or a person"),
    sa.Index(
        "form_task_open",
        "entity_type",
        "master_id",
        "field",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
    comment="待补: what forms ask for and no system knows; closed when the master has it; it holds no values",
)
closed_once(FORM_TASK, closing=("closed_at", "closed_by"))
