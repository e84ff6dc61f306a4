"""The PostgreSQL master: golden and link tables (derived), crosswalk, batches, outbox, entries."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from schemas.derive.sql import master_metadata

METADATA = master_metadata()
"""Every table of the master; `create_all` makes what is missing."""

CROSSWALK = sa.Table(
    "crosswalk",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("record_key", sa.String(200), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column("rule", sa.String(40), nullable=False, comment="the key that linked the record, e.g. anchor, name_phone"),
    comment="对照表: which source record is which master entity",
)

ADDRESS_NODE = sa.Table(
    "address_node",
    METADATA,
    sa.Column("node_id", UUID(as_uuid=False), primary_key=True, comment="derived from the path"),
    sa.Column("parent_id", UUID(as_uuid=False), index=True),
    sa.Column("level", sa.String(10), nullable=False, comment="GA/T 2000.32, or plate, building, unit, floor, room"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("full_text", sa.Text, nullable=False, index=True),
    sa.Column("master_id", UUID(as_uuid=False), comment="the golden address that is this node"),
    comment="标准地址树: one row for each element on the way to a place that somebody is at",
)

ADDRESS_POINT = sa.Table(
    "address_point",
    METADATA,
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("node_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column(
        "exact", sa.Boolean, nullable=False, comment="false: somewhere below this node, the address does not say where"
    ),
    comment="地址落点: where each golden person, house, organisation and address is in the tree",
)

REDIRECT = sa.Table(
    "redirect",
    METADATA,
    sa.Column("old_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("new_id", UUID(as_uuid=False), comment="NULL when the entity has no records left"),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("run_id", sa.String(40), nullable=False),
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
    comment="录入: each entry is a record of the system `entry`, a fact typed once",
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("change_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("system_id", sa.String(60), nullable=False),
    sa.Column("dataset", sa.String(60), nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False),
    sa.Column("role", sa.String(40), nullable=False),
    sa.Column("master_id", UUID(as_uuid=False), nullable=False),
    sa.Column("record_key", sa.String(200)),
    sa.Column("operation", sa.String(10), nullable=False),
    sa.Column("changes", JSONB, nullable=False, comment="[{field, old, new}] in canonical values"),
    sa.Column("base_version", sa.String(40)),
    sa.Column("idempotency_key", sa.String(400), nullable=False, unique=True),
    sa.Column("state", sa.String(20), nullable=False, server_default="planned"),
    sa.Column("code", sa.String(40)),
    sa.Column("message", sa.Text),
    sa.Column("receipt", sa.Text),
    sa.Column("detail", JSONB),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
    sa.Index("outbox_open", "system_id", "state"),
    sa.Index("outbox_master", "master_id"),
    comment="发件箱: what each system lacks, written in the transaction of the golden change",
)

PUSHED = sa.Table(
    "pushed",
    METADATA,
    sa.Column("system_id", sa.String(60), primary_key=True),
    sa.Column("record_key", sa.String(200), primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("role", sa.String(40), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("value", sa.Text),
    comment="影子: the value we last wrote to each field of each record, to know an echo from news",
)


CREATING = 420199
"""Number of the advisory lock under which tables are created."""


def create_all(engine: sa.Engine) -> None:
    """Create the tables that are missing; of several first commands at once the others wait."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
        METADATA.create_all(connection)
