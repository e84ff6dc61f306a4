"""What goes out (回写): the outbox, every step of it, the targets' state, and the shadow of what was written.

Triggers keep the outbox honest: a step that `warehouse.tables.steps` does not allow is refused, and each step becomes one
row of `delivery`, which can be added to only. So every outcome is counted exactly once, whichever program made it.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from warehouse.append_only import never_changed
from warehouse.tables.metadata import METADATA
from warehouse.tables.steps import TRANSITIONS

WAKE = "onefact_outbox"
"""Channel on which PostgreSQL tells waiting pushers that changes were planned."""

UNDER_WAY = "state IN ('planned', 'pending', 'no_answer', 'sent', 'awaiting_person')"
"""What the outbox's partial indexes hold; a query is answered by them where it says the same."""

UNSETTLED = ("planned", "pending", "no_answer", "awaiting_person", "rejected", "conflict")
"""States that are somebody's task."""

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
    sa.Column("withheld", JSONB(none_as_null=True), comment="names of fields that the law kept back when it was sent"),
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
    sa.Column("next_try_at", sa.DateTime(timezone=True), comment="not before; NULL: at once"),
    sa.Column("lease_until", sa.DateTime(timezone=True), comment="until when the row is in a pusher's hands"),
    sa.Column("leased_by", sa.String(60), comment="which pusher holds it"),
    sa.Column("due_at", sa.DateTime(timezone=True), comment="when a later answer is expected; overdue after it"),
    sa.Column("answer_sha256", sa.String(64), comment="the target's answer as received, kept as a file by this hash"),
    sa.Column("actor", sa.String(60), comment="who made the last step where it was a person"),
    sa.Index("outbox_open", "system_id", "state"),
    sa.Index("outbox_record", "system_id", "record_key"),
    sa.Index("outbox_master", "master_id"),
    # What is under way is little beside what was settled in all the years: looking for work must not read that.
    sa.Index("outbox_under_way", "system_id", "change_id", postgresql_where=sa.text(UNDER_WAY)),
    sa.Index("outbox_under_way_of", "record_key", postgresql_where=sa.text(UNDER_WAY)),
    # A worker's list asks for what is open of the records in a few grids.
    sa.Index(
        "outbox_unsettled", "master_id", postgresql_where=sa.text(f"state IN ({', '.join(map(repr, UNSETTLED))})")
    ),
    comment="发件箱: what each system lacks, written in the transaction of the golden change",
)

DELIVERY = sa.Table(
    "delivery",
    METADATA,
    sa.Column("delivery_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("change_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("before", sa.String(20), comment="state before the step; NULL: planned for the first time"),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("code", sa.String(40)),
    sa.Column("message", sa.Text),
    sa.Column("receipt", sa.Text),
    sa.Column("answer_sha256", sa.String(64)),
    sa.Column("run_id", sa.String(60), comment="the run or the pusher"),
    sa.Column("actor", sa.String(60), comment="the person, where one decided"),
    comment="投递流水: every step of every change; rows are added and never changed",
)
never_changed(DELIVERY)

TARGET = sa.Table(
    "target",
    METADATA,
    sa.Column("holder", sa.String(60), primary_key=True, comment="the system"),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="failures in a row"),
    sa.Column("until", sa.DateTime(timezone=True), comment="when the breaker lets a trial through"),
    sa.Column("reason", sa.Text),
    sa.Column("allowed", sa.Integer, comment="changes a person let through after a guard asked"),
    sa.Column("actor", sa.String(60), comment="who released it"),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("state IN ('closed', 'open', 'held')", name="target_state"),
    comment="熔断与暂停: whether a system may be written now",
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
    sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), comment="NULL: from before it was kept"),
    comment="影子: the value we last wrote to each field of each record, to know an echo from news",
)


def _steps() -> str:
    pairs = ", ".join(f"('{before}', '{after}')" for before, follow in TRANSITIONS.items() for after in follow)
    return f"VALUES {pairs}"


_STEP = "attempt, before, state, code, message, receipt, answer_sha256, run_id, actor"
_VALUES = (
    "f.state, f.code, f.message, f.receipt, f.answer_sha256, coalesce(nullif(current_setting('onefact.run', true), ''), f.run_id), "
    "nullif(current_setting('onefact.actor', true), '')"
)

_ADD = f"INSERT INTO delivery (change_id, {_STEP}) SELECT f.change_id, f.attempts"

TELL_PLANNED = f"""
CREATE OR REPLACE FUNCTION onefact_outbox_planned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_ADD}, NULL, {_VALUES} FROM fresh f ORDER BY f.change_id;
    RETURN NULL;
END $$
"""

TELL_STEPPED = f"""
CREATE OR REPLACE FUNCTION onefact_outbox_stepped() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE wrong record;
BEGIN
    SELECT w.change_id, w.state AS old, f.state AS new INTO wrong FROM was w JOIN fresh f USING (change_id)
    WHERE w.state <> f.state AND (w.state, f.state) NOT IN ({_steps()}) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'change % may not go from % to %', wrong.change_id, wrong.old, wrong.new
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    {_ADD}, w.state, {_VALUES} FROM was w JOIN fresh f USING (change_id)
    WHERE w.state <> f.state OR w.code IS DISTINCT FROM f.code ORDER BY f.change_id;
    RETURN NULL;
END $$
"""
"""Functions of the triggers; statement by statement, so that a plan of many rows costs one statement more.

PostgreSQL plans a trigger's statements once in a connection, by the number of rows of the first time: after a step of one
row it would compare each of 500 old rows with each of 500 new ones. Without nested loops they are hashed.
"""

_STEPPED = (
    "REFERENCING OLD TABLE AS was NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION onefact_outbox_stepped()"
)
_PLANNED = "REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION onefact_outbox_planned()"

TRIGGERS = (
    f"CREATE OR REPLACE TRIGGER outbox_planned AFTER INSERT ON outbox {_PLANNED}",
    f"CREATE OR REPLACE TRIGGER outbox_stepped AFTER UPDATE ON outbox {_STEPPED}",
)


TOLD = hashlib.sha256("\n".join((TELL_PLANNED, TELL_STEPPED, *TRIGGERS)).encode()).hexdigest()[:16]
"""Of which version the triggers are; it stands as the comment of a function, so that an older master gets the new ones."""


def keep_honest(connection: sa.Connection) -> None:
    """Make the triggers of the outbox; they are made anew where the table is older than they are."""
    for statement in (
        TELL_PLANNED,
        TELL_STEPPED,
        *TRIGGERS,
        f"COMMENT ON FUNCTION onefact_outbox_stepped() IS '{TOLD}'",
    ):
        connection.exec_driver_sql(statement.replace("%", "%%"))
