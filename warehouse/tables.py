"""The PostgreSQL master: golden and link tables (derived), crosswalk, edges, reviews, batches, outbox, entries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, UUID

from schemas.derive.sql import master_metadata
from warehouse.append_only import closed_once, never_changed

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
    """Create the tables and columns that are missing; of several first commands at once the others wait."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
        METADATA.create_all(connection)
        _add_columns(connection)


def _add_columns(connection: sa.Connection) -> None:
    """Add columns that a table of an older onefact lacks; its rows hold NULL there, new ones the default.

    Only missing ones are altered: ALTER TABLE waits for every reader, even where it has nothing to do.
    """
    query = sa.text(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    )
    present = {(table, column) for table, column in connection.execute(query)}
    for table in METADATA.tables.values():
        for column in table.columns:
            if (table.name, column.name) in present:
                continue
            kind, named = column.type.compile(dialect=connection.dialect), f'"{column.name}"'
            connection.execute(sa.text(f'ALTER TABLE "{table.name}" ADD COLUMN IF NOT EXISTS {named} {kind}'))
            connection.execute(
                sa.text(f'ALTER TABLE "{table.name}" ALTER COLUMN {named} SET DEFAULT {default_of(column)}')
            )


def default_of(column: sa.Column[Any]) -> str:
    """Return the SQL of a column's declared default, NULL when it has none."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return (
        dialect.ddl_compiler(dialect, sa.schema.CreateTable(column.table)).get_column_default_string(column) or "NULL"
    )
