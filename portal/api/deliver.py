"""Telling of changes (变更通知): planned from the runs, signed, sent in order, tried again with growing pauses.

What is told is which records changed, never what they say: the subscriber reads that with its own token and rights. A
receiver checks `Onefact-Signature`: HMAC-SHA256 with the subscription's key over `<timestamp>.<body>`, and refuses old
timestamps; `Onefact-Delivery` is the same when a call is repeated.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx
import sqlalchemy as sa

from onefact.home import Home
from portal.access import rows
from portal.api.changes import changes
from portal.api.settings import ApiSettings, load
from portal.api.subscriptions import SubscriptionRefused, checked
from portal.api.v1 import event
from portal.security import accounts, vault
from portal.security.vault import KeyLost
from warehouse.tables import WEBHOOK, WEBHOOK_DELIVERY

logger = logging.getLogger("portal")

LOOKS_SECONDS: Final = 5.0
"""How often the follower looks for something new or due."""

MOST: Final = 200
"""Calls of one round."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a round did."""

    planned: int
    sent: int
    failed: int


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a call."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def plan(home: Home) -> int:
    """Plan calls for what changed since each subscription's cursor; return how many calls."""
    planned = 0
    with home.engine.connect() as connection:
        c = WEBHOOK.c
        running = connection.execute(
            sa.select(c.webhook_id, c.account_id).where(c.ended_at.is_(None), c.paused_at.is_(None))
        ).all()
    for webhook_id, account_id in running:
        planned += _plan_one(home, webhook_id, account_id)
    return planned


def _plan_one(home: Home, webhook_id: str, account_id: str) -> int:
    """Plan the calls of one subscription in one transaction with its cursor, reading with the account's rights."""
    planned = 0
    with home.engine.begin() as connection:
        account = accounts.in_use(connection, account_id, home.now())
        row = connection.execute(
            sa.select(WEBHOOK.c.cursor, WEBHOOK.c.entity_types)
            .where(WEBHOOK.c.webhook_id == webhook_id)
            .with_for_update()
        ).one()
        if account is None:
            return 0
        cursor, more = row.cursor or "", True
        while more:
            rows.enter(connection, account)
            found, cursor, more = changes(connection, cursor, row.entity_types)
            connection.execute(sa.text("RESET ROLE"))
            if found:
                events = [event(c).model_dump(mode="json") for c in found]
                moment = home.now().astimezone()
                connection.execute(
                    WEBHOOK_DELIVERY.insert().values(webhook_id=webhook_id, events=events, next_try_at=moment)
                )
                planned += 1
        connection.execute(WEBHOOK.update().where(WEBHOOK.c.webhook_id == webhook_id).values(cursor=cursor))
    return planned


def deliver(home: Home, client: httpx.Client | None = None) -> Told:
    """Plan what is new and make the calls that are due, in order for each subscription."""
    planned, settings = plan(home), load(home)
    sent = failed = 0
    own = client or httpx.Client(timeout=settings.timeout_seconds, follow_redirects=False, trust_env=False)
    try:
        for delivery_id in _due(home):
            outcome = _call(home, own, settings, delivery_id)
            sent += outcome is True
            failed += outcome is False
    finally:
        if client is None:
            own.close()
    return Told(planned, sent, failed)


def _due(home: Home) -> Sequence[int]:
    """Return the oldest waiting call of each subscription if it is due, then those behind it."""
    d, w = WEBHOOK_DELIVERY.c, WEBHOOK.c
    waiting = sa.and_(d.state == "planned", w.ended_at.is_(None), w.paused_at.is_(None))
    first = sa.func.first_value(d.next_try_at).over(partition_by=d.webhook_id, order_by=d.delivery_id).label("first")
    ordered = sa.select(d.delivery_id, first).join(WEBHOOK, w.webhook_id == d.webhook_id).where(waiting).subquery()
    due = sa.select(ordered.c.delivery_id).where(ordered.c.first <= home.now().astimezone())
    with home.engine.connect() as connection:
        return list(connection.execute(due.order_by(ordered.c.delivery_id).limit(MOST)).scalars())


def _call(home: Home, client: httpx.Client, settings: ApiSettings, delivery_id: int) -> bool | None:
    """Make one call; None when another process has it, or one before it has failed meanwhile."""
    d = WEBHOOK_DELIVERY.c
    with home.engine.begin() as connection:
        mine = sa.select(WEBHOOK_DELIVERY).where(d.delivery_id == delivery_id, d.state == "planned")
        row = connection.execute(mine.with_for_update(skip_locked=True)).mappings().first()
        if row is None:
            return None
        before = sa.select(d.delivery_id).where(
            d.webhook_id == row["webhook_id"], d.state == "planned", d.delivery_id < delivery_id
        )
        if connection.execute(before.limit(1)).first() is not None:
            return None
        hook = connection.execute(sa.select(WEBHOOK).where(WEBHOOK.c.webhook_id == row["webhook_id"])).mappings().one()
        if hook["ended_at"] is not None or hook["paused_at"] is not None:
            return None
        now = home.now().astimezone()
        code = _post(home, client, settings, hook, row, now)
        if code.startswith("2"):
            connection.execute(
                WEBHOOK_DELIVERY.update().where(d.delivery_id == delivery_id)
                .values(state="sent", attempts=row["attempts"] + 1, code=code, settled_at=now)
            )  # fmt: skip
            connection.execute(WEBHOOK.update().where(WEBHOOK.c.webhook_id == row["webhook_id"]).values(failures=0))
            return True
        _again(connection, settings, row, code, now)
        return False


def _post(
    home: Home, client: httpx.Client, settings: ApiSettings, hook: sa.RowMapping, row: sa.RowMapping, now: datetime
) -> str:
    """Call; return the status, or one word for what went wrong."""
    body = json.dumps({"delivery": row["delivery_id"], "events": row["events"]}, separators=(",", ":")).encode()
    try:
        secret = vault.unseal(vault.key(home.path), bytes(hook["secret"]), f"webhook:{hook['webhook_id']}").decode()
    except KeyLost:
        return "key_lost"  # this subscription waits for a person; the others go on
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json", "Onefact-Delivery": str(row["delivery_id"]), "Onefact-Timestamp": timestamp,
        "Onefact-Signature": signature(secret, timestamp, body),
    }  # fmt: skip
    try:
        return str(client.post(checked(hook["url"], settings), content=body, headers=headers).status_code)
    except SubscriptionRefused:
        return "not_allowed"  # the host was taken off the list
    except httpx.TimeoutException:
        return "timeout"
    except httpx.HTTPError:
        return "unreachable"


def _again(connection: sa.Connection, settings: ApiSettings, row: sa.RowMapping, code: str, now: datetime) -> None:
    """Note a failure; after the last pause the subscription waits for a person, and nothing is lost."""
    attempts, pauses = row["attempts"] + 1, settings.retry_minutes
    over = attempts > len(pauses)
    pause = timedelta(minutes=0 if over else pauses[attempts - 1])
    mine = WEBHOOK_DELIVERY.c.delivery_id == row["delivery_id"]
    connection.execute(
        WEBHOOK_DELIVERY.update().where(mine).values(attempts=attempts, code=code, next_try_at=now + pause)
    )
    values: dict[str, object] = {"failures": WEBHOOK.c.failures + 1}
    if over:
        values["paused_at"] = now
        logger.warning("a subscription is paused after %d failures: %s", attempts, code)
    connection.execute(WEBHOOK.update().where(WEBHOOK.c.webhook_id == row["webhook_id"]).values(**values))


def follow(home: Home, stop: threading.Event) -> None:
    """Tell of changes as they come, until told to stop."""
    while not stop.is_set():
        try:
            deliver(home)
        except Exception as error:  # noqa: BLE001 - the follower goes on; a message may quote a record
            logger.error("telling of changes failed: %s", type(error).__name__)  # noqa: TRY400
        stop.wait(LOOKS_SECONDS)
