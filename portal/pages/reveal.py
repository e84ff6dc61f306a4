"""Showing one hidden value (显示原文): with a reason, written into the sealed log first, and not often.

The page keeps it for half a minute. A value of a record that the account may not see is never asked for: the gate stands
before. The counter is the sealed log itself, so that it holds for every browser and every process.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from portal.access import Current, Database, Refused, Unknown, logged, settings_of
from portal.security.accounts import Account
from portal.settings import Settings
from portal.view import page
from portal.view.values import RESTRICTED, worded
from schemas.entities import ENTITIES
from schemas.model import Field, UnknownField
from warehouse.tables import METADATA, SEALED_LOG

router = APIRouter(include_in_schema=False)

REASONS: Final = ("入户核对", "电话联系", "处理冲突或重复", "核查数据质量", "答复本人查询", "审计取证")
"""Reasons to choose from; each is a duty for which the law lets the value be seen."""

WHOLE: Final = "whole"
"""Key in the log's detail that tells a reveal from other readings."""

SECONDS: Final = 30
"""How long the page keeps the value."""


@router.get("/reveal/{entity_type}/{master_id}/{field}", name="reveal.ask")
def ask(request: Request, entity_type: str, master_id: str, field: str) -> Response:
    """Ask for the reason."""
    declared = _field(entity_type, field)
    return page(
        request, "reveal/ask.html", entity_type=entity_type, master_id=master_id, field=declared, reasons=REASONS
    )


@router.post("/reveal/{entity_type}/{master_id}/{field}", name="reveal.show")
def show(
    request: Request, account: Current, connection: Database, settings: Annotated[Settings, Depends(settings_of)],
    entity_type: str, master_id: str, field: str, reason: Annotated[str, Form(max_length=40)] = "",
) -> Response:  # fmt: skip
    """Show the value, once the log has the reading."""
    declared = _field(entity_type, field)
    if reason not in REASONS:
        raise Refused("请选择查看原因。")
    table = METADATA.tables[entity_type]
    value = connection.execute(sa.select(table.c[field]).where(table.c.master_id == master_id)).scalar()
    if value is None:
        raise Unknown
    connection.execute(sa.text("RESET ROLE"))  # the counter is in the log, which pages cannot read
    told = {"field": field, WHOLE: True}
    logged(connection, account, "read", entity_type, [master_id], purpose=reason, detail=told, at_once=True)
    if _within_an_hour(request, connection, account) > settings.reveals_per_hour:
        raise Refused("一小时内查看原文的次数已达上限。")  # the transaction is undone, and nothing is shown
    return page(request, "reveal/value.html", value=worded(declared, str(value)), field=declared, seconds=SECONDS)


def _field(entity_type: str, name: str) -> Field:
    """The declaration of a field that may be asked for; restricted facts are not shown to anybody."""
    if entity_type not in ENTITIES:
        raise Unknown
    try:
        field = ENTITIES[entity_type].field(name)
    except UnknownField as unknown:
        raise Unknown from unknown
    if field.sensitivity >= RESTRICTED:
        raise Refused("这一项受限，任何人都不能在这里查看。")
    return field


def _within_an_hour(request: Request, connection: sa.Connection, account: Account) -> int:
    since = request.app.state.home.now().astimezone(UTC) - timedelta(hours=1)
    c = SEALED_LOG.c
    mine = sa.and_(c.actor == account.login, c.act == "read", c.at >= f"{since:%Y-%m-%dT%H:%M:%S.%f}Z")
    whole = sa.cast(c.body, sa.dialects.postgresql.JSONB)["detail"][WHOLE].as_boolean()
    return int(connection.execute(sa.select(sa.func.count()).select_from(SEALED_LOG).where(mine, whole)).scalar_one())
