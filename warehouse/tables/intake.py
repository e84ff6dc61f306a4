"""What came in (归集): runs, batches, cursors, portal entries."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.types import UserDefinedType

from warehouse.tables.metadata import METADATA


class Xid8(UserDefinedType[str]):
    """PostgreSQL's number of a transaction, which never comes again in a cluster."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type in DDL."""
        return "xid8"


RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("run_id", sa.String(40), primary_key=True),
    sa.Column("verb", sa.String(20), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("summary", JSONB, nullable=False, server_default="{}"),
    comment="运行记录",
)

BATCH = sa.Table(
    "batch",
    METADATA,
    sa.Column("batch_id", sa.String(60), primary_key=True),
    sa.Column("system_id", sa.String(60), nullable=False, index=True),
    sa.Column("pulled_at", sa.String(30), nullable=False),
    sa.Column("folder", sa.Text, comment="landing folder below the home, NULL when nothing was received"),
    sa.Column("sha256", sa.String(64)),
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default="0")
        for name in (
            "received", "taken", "unchanged", "rejected", "duplicates", "removed", "withheld_removals", "rejected_values",
        )
    ),
    sa.Column("landed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), comment="by the database's clock, as `pushed.at`"),
    sa.Column("error", sa.Text, comment="plain sentence when the system could not be read"),
    sa.Column("snapshots", JSONB, nullable=False, server_default="[]", comment="datasets that were read completely"),
    comment="批次登记",
)  # fmt: skip

CURSOR = sa.Table(
    "source_cursor",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("dataset", sa.String(60), primary_key=True),
    sa.Column("cursor", sa.Text),
    sa.Column("batch_id", sa.String(60), nullable=False),
    comment="增量游标: stored only after the batch is landed and merged",
)

ENTRY_WAKE = "onefact_entry"
"""Channel on which PostgreSQL tells that something was entered."""

ENTRY = sa.Table(
    "entry",
    METADATA,
    sa.Column("entry_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("field", sa.String(60), nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("entered_at", sa.String(30), nullable=False),
    sa.Column(
        "tx",
        Xid8,
        server_default=sa.text("pg_current_xact_id()"),
        index=True,
        comment="what was added since is told by it, not by clocks",
    ),
    sa.Column("act_id", UUID(as_uuid=False), index=True, comment="the act of which it is part"),
    sa.Column(
        "record_key", sa.String(200), comment="NULL: <master_id>/<field>; the id alone for what a new entity began with"
    ),
    sa.Column(
        "device", sa.String(80), comment="on what it was typed: kind and id of the device, NULL where none is known"
    ),
    sa.Column("taken_by", sa.String(40), comment="the consolidation that took it first"),
    sa.Index("entry_master", "master_id", "field"),
    sa.Index("entry_record", "record_key", postgresql_where=sa.text("record_key IS NOT NULL")),
    sa.Index("entry_untaken", "entry_id", postgresql_where=sa.text("taken_by IS NULL")),
    comment="录入: each entry is a record of the system `entry`, a fact typed once",
)
