"""Subscriptions over the API (订阅接口)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from portal.access import Current, OfHome, Unknown, logged
from portal.api.models import Problem, WebhookIn, WebhookOut, WebhooksOut
from portal.api.subscriptions import Subscription, SubscriptionRefused, resume, subscribe, subscriptions, unsubscribe
from portal.api.v1 import ERRORS, PREFIX

router = APIRouter(prefix=f"{PREFIX}/webhooks", tags=["v1"], responses=ERRORS)

Id = Annotated[str, Path(max_length=60)]


@router.get("", name="api.webhooks")
def list_(account: Current, home: OfHome) -> WebhooksOut:
    """List the account's subscriptions."""
    with home.engine.connect() as connection:
        return WebhooksOut(webhooks=[_out(s) for s in subscriptions(connection, account.id)])


@router.post("", name="api.webhooks.add", status_code=201, response_model=WebhookOut)
def add(account: Current, home: OfHome, wanted: WebhookIn) -> Response:
    """Subscribe to what changes from now on; the answer holds the key that signs, this once."""
    try:
        made, secret = subscribe(home, account, wanted.url, wanted.entity_types)
    except SubscriptionRefused as refused:
        return JSONResponse(Problem(error=str(refused)).model_dump(mode="json"), status_code=422)
    with home.engine.begin() as connection:
        logged(connection, account, "token", "webhook", [made.id], purpose="订阅变更")
    return JSONResponse(_out(made, secret).model_dump(mode="json"), status_code=201)


@router.delete("/{webhook_id}", name="api.webhooks.end", status_code=204)
def end(account: Current, home: OfHome, webhook_id: Id) -> None:
    """End a subscription."""
    if not unsubscribe(home, account, webhook_id):
        raise Unknown
    with home.engine.begin() as connection:
        logged(connection, account, "token", "webhook", [webhook_id], purpose="取消订阅")


@router.post("/{webhook_id}/resume", name="api.webhooks.resume", status_code=204)
def go_on(account: Current, home: OfHome, webhook_id: Id) -> None:
    """Let a paused subscription go on; nothing was lost meanwhile."""
    if not resume(home, account, webhook_id):
        raise Unknown


def _out(s: Subscription, secret: str | None = None) -> WebhookOut:
    return WebhookOut(
        id=s.id, url=s.url, entity_types=list(s.entity_types), created_at=s.created_at, paused_at=s.paused_at, failures=s.failures,
        secret=secret,
    )  # fmt: skip
