"""Subscriptions (订阅): who is told of changes, where; the key that signs is kept sealed and shown once."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from onefact.home import Home
from portal.api.changes import now_place
from portal.api.settings import ApiSettings, load
from portal.security import vault
from portal.security.accounts import Account
from schemas.model import EntityType
from warehouse.tables import WEBHOOK, WEBHOOK_DELIVERY

MOST: Final = 10
"""Subscriptions of one account."""


class SubscriptionRefused(Exception):
    """A subscription cannot be made as asked; the sentence is for the program's developer."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription."""

    id: str
    account_id: str
    url: str
    entity_types: tuple[EntityType, ...]
    created_at: datetime
    paused_at: datetime | None
    failures: int


def checked(url: str, settings: ApiSettings) -> str:
    """Return a URL that may be called; raises `SubscriptionRefused`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise SubscriptionRefused("网址无效。") from problem
    named = {host, f"{host}:{port}"} if port else {host}
    if parts.username or parts.password or parts.fragment or not host:
        raise SubscriptionRefused("网址里不能带账号、口令或 # 片段。")
    if not named & set(settings.webhook_hosts) and not named & set(settings.webhook_plain):
        raise SubscriptionRefused("这个主机不在允许名单内，请系统管理员加入 api.yaml 的 webhook_hosts。")
    if parts.scheme != "https" and not named & set(settings.webhook_plain):
        raise SubscriptionRefused("只能用 https。")
    return url


def subscribe(home: Home, account: Account, url: str, entity_types: Sequence[EntityType]) -> tuple[Subscription, str]:
    """Make a subscription to what changes from now on; returns it with its key.

    Raises:
        SubscriptionRefused: the host is not on the list, or there are too many.
    """
    checked(url, load(home))
    now, webhook_id, secret = home.now().astimezone(), str(uuid.uuid4()), secrets.token_urlsafe(32)
    sealed = vault.seal(vault.key(home.path), secret.encode(), f"webhook:{webhook_id}")
    with home.engine.begin() as connection:
        mine = sa.and_(WEBHOOK.c.account_id == account.id, WEBHOOK.c.ended_at.is_(None))
        held = connection.execute(sa.select(sa.func.count()).select_from(WEBHOOK).where(mine)).scalar_one()
        if held >= MOST:
            raise SubscriptionRefused(f"一个账号最多 {MOST} 个订阅。")
        connection.execute(
            WEBHOOK.insert().values(
                webhook_id=webhook_id, account_id=account.id, url=url, secret=sealed, entity_types=sorted(set(entity_types)),
                cursor=now_place(connection), created_at=now,
            )
        )  # fmt: skip
    return Subscription(webhook_id, account.id, url, tuple(sorted(set(entity_types))), now, None, 0), secret


def subscriptions(connection: sa.Connection, account_id: str | None = None) -> list[Subscription]:
    """Return the running subscriptions of an account, or all."""
    c = WEBHOOK.c
    query = sa.select(c.webhook_id, c.account_id, c.url, c.entity_types, c.created_at, c.paused_at, c.failures)
    query = query.where(c.ended_at.is_(None)).order_by(c.created_at, c.webhook_id)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    return [Subscription(r[0], r[1], r[2], tuple(r[3]), *r[4:]) for r in connection.execute(query)]


def unsubscribe(home: Home, account: Account, webhook_id: str) -> bool:
    """End a subscription of the account; what was still to be told is dropped."""
    mine = sa.and_(
        sa.cast(WEBHOOK.c.webhook_id, sa.Text) == webhook_id,
        WEBHOOK.c.account_id == account.id,
        WEBHOOK.c.ended_at.is_(None),
    )
    now = home.now().astimezone()
    with home.engine.begin() as connection:
        if not connection.execute(WEBHOOK.update().where(mine).values(ended_at=now)).rowcount:
            return False
        open_ = sa.and_(WEBHOOK_DELIVERY.c.webhook_id == webhook_id, WEBHOOK_DELIVERY.c.state == "planned")
        connection.execute(WEBHOOK_DELIVERY.update().where(open_).values(state="dead", code="ended", settled_at=now))
    return True


def resume(home: Home, account: Account, webhook_id: str) -> bool:
    """Let a paused subscription of the account go on from where it stood."""
    mine = sa.and_(
        sa.cast(WEBHOOK.c.webhook_id, sa.Text) == webhook_id,
        WEBHOOK.c.account_id == account.id,
        WEBHOOK.c.paused_at.isnot(None),
    )
    now = home.now().astimezone()
    with home.engine.begin() as connection:
        if not connection.execute(WEBHOOK.update().where(mine).values(paused_at=None, failures=0)).rowcount:
            return False
        open_ = sa.and_(WEBHOOK_DELIVERY.c.webhook_id == webhook_id, WEBHOOK_DELIVERY.c.state == "planned")
        connection.execute(WEBHOOK_DELIVERY.update().where(open_).values(next_try_at=now, attempts=0))
    return True
