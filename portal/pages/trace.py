"""Trace (溯源): from a golden value to the record and system it came from, who entered it, and which systems received it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from onefact.enter import TITLES, find
from onefact.household import split
from onefact.masking import mask_key
from onefact.whois import RULES
from portal.access import Current, Database, OfHome, Unknown, area, logged
from portal.view import page
from portal.view.values import shown
from schemas.entities import ENTITIES
from warehouse import sealed
from warehouse.tables import CANDIDATE, CROSSWALK, CROSSWALK_HISTORY, ENTRY, METADATA, OUTBOX, TICKET

router = APIRouter(include_in_schema=False)


@router.get("/trace", name="trace")
def ask(request: Request) -> Response:
    """Ask whom to trace."""
    return page(request, "trace/ask.html", found=None, problem=None)


@router.post("/trace", name="trace.find")
def found(
    request: Request,
    home: OfHome,
    account: Current,
    connection: Database,
    wanted: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Find golden records by number, name or phone; what was typed stays out of the address."""
    matches = find(home, wanted.strip()) if wanted.strip() else []
    matches = [m for m in matches if area.may_see(connection, account, m.entity_type, m.master_id)]
    rows = [
        (
            m,
            ENTITIES[m.entity_type].cn,
            shown(account, ENTITIES[m.entity_type].field(TITLES[m.entity_type]), m.name, in_list=True),
        )
        for m in matches
    ]
    ids = [m.master_id for m in matches]
    problem = None if rows else "没有找到。请输入完整的证件号、电话、姓名、代码或主数据编号。"
    answer = page(request, "trace/ask.html", found=rows, problem=problem)
    logged(connection, account, "read", "search", ids, purpose="溯源查找", count=len(ids))
    return answer


@router.get("/trace/{entity_type}/{master_id}", name="trace.show")
def show(
    request: Request, home: OfHome, account: Current, connection: Database, entity_type: str, master_id: str
) -> Response:
    """Show one golden record, field by field."""
    entity = next((e for e in ENTITIES.values() if e.name == entity_type), None)
    if entity is None:
        raise Unknown
    table = METADATA.tables[entity_type]
    golden = connection.execute(sa.select(table).where(table.c.master_id == master_id)).mappings().first()
    if golden is None:
        raise Unknown
    deliveries = _deliveries(connection, master_id)
    others = defaultdict[str, list[dict[str, Any]]](list)
    for other in _all(connection, CANDIDATE, entity_type, master_id, "field"):
        others[other["field"]].append(other)
    fields = [
        (
            f,
            shown(account, f, golden[f.name]),
            _source(home, golden["provenance"].get(f.name)),
            deliveries.get(f.name, []),
            [
                (shown(account, f, o["value"], in_list=True), _source(home, o["ref"]), o["systems"])
                for o in others[f.name]
            ],
        )
        for f in entity.fields
        if golden[f.name] is not None
    ]
    context: dict[str, Any] = {
        "records": _all(connection, CROSSWALK, entity_type, master_id, "system_id"),
        "earlier": _all(connection, CROSSWALK_HISTORY, entity_type, master_id, "until"),
        "entries": _all(connection, ENTRY, entity_type, master_id, "entered_at"),
        "tickets": _all(connection, TICKET, entity_type, master_id, "opened_at"),
    }
    with home.engine.connect() as owner:  # pages cannot read the log in their own role
        readers = sealed.seen_by(owner, entity_type, [master_id], 20) if account.role == "auditor" else []
    answer = page(
        request, "trace/show.html", entity=entity, golden=golden, fields=fields, mask_key=mask_key, manifests=home.manifests,
        readers=readers, acts=sealed.ACTS, rules=RULES, **context,
    )  # fmt: skip
    logged(connection, account, "read", entity_type, [master_id], purpose="溯源")
    return answer


def _source(home: OfHome, reference: str | None) -> Mapping[str, str]:
    """Take a provenance apart: system, record key, role, when it was observed."""
    system, key, _, observed = split(reference)
    if system == "entry":
        return {"system": "网格录入", "key": "", "observed": observed}
    name = home.manifests[system].name if system in home.manifests else system or "推导"
    return {"system": name, "key": mask_key(key), "observed": observed}


def _all(
    connection: sa.Connection, table: sa.Table, entity_type: str, master_id: str, order: str
) -> list[dict[str, Any]]:
    query = sa.select(table).where(table.c.entity_type == entity_type, table.c.master_id == master_id)
    return [dict(r) for r in connection.execute(query.order_by(table.c[order]).limit(200)).mappings()]


def _deliveries(connection: sa.Connection, master_id: str) -> dict[str, list[dict[str, Any]]]:
    query = sa.select(OUTBOX).where(OUTBOX.c.master_id == master_id).order_by(OUTBOX.c.change_id.desc()).limit(500)
    by_field: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query).mappings():
        for change in row["changes"]:
            by_field.setdefault(change["field"], []).append(dict(row))
    return by_field
