"""What a phone needs to work without a network (离线): the shell, its service worker, a key for this session, the own doors.

The key exists in memory only: the server derives it for the signed-in session, the page asks for it after signing in, and
what lies on the device is nothing without it. Signing out ends the session, and with it the way to the key.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from onefact import guided
from onefact.home import Home
from onefact.household import household
from portal.access import Current, Database, OfHome, home_of, logged
from portal.pages.work import grids_of
from portal.security import vault
from portal.view import page, static
from portal.view.cards import options, rows
from portal.view.guides import spec
from portal.view.render import STATIC
from schemas.entities import ENTITIES

router = APIRouter(include_in_schema=False)

SHELL: Final = (
    "portal.css", "worker.css", "picture.css", "portal.js", "worker.js", "offline.js", "store.js", "citizen_id.js", "guides.js", "icon.svg",
    "vendor/htmx.min.js",
)  # fmt: skip
"""Static files that the shell needs."""

DOORS: Final = 1500
"""Doors that are packed for a device; a grid has a few hundred."""


@router.get("/sw.js", name="device.worker")
def service_worker(request: Request) -> Response:
    """Give the service worker with the list of what it keeps: the shell and static files, no page and no data."""
    names = [static(n) for n in SHELL if (STATIC / n).exists()]
    shell = request.app.url_path_for("device.shell")
    version = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]
    head = f"const VERSION = {json.dumps(version)};\nconst SHELL = {json.dumps(shell)};\nconst FILES = {json.dumps([shell, *names])};\n"
    body = head + (Path(STATIC) / "sw.js").read_text(encoding="utf-8")
    return Response(
        body, media_type="text/javascript", headers={"Cache-Control": "no-cache", "Service-Worker-Allowed": "/"}
    )


@router.get("/offline", name="device.shell")
def shell(request: Request) -> Response:
    """Show the page that works without a network; it holds no data and nobody's name."""
    request.state.session = None
    return page(request, "device/shell.html")


@router.get("/device/key", name="device.key")
def key(request: Request, account: Current, home: Annotated[Home, Depends(home_of)]) -> Response:
    """Give the key of this account's device store: derived, never stored, the same for the next sign-in."""
    derived = store_key(home, account.id)
    return JSONResponse(
        {"key": base64.b64encode(derived).decode(), "account": account.id, "csrf": request.state.session.csrf}
    )


def store_key(home: Home, account_id: str) -> bytes:
    """Return the key with which an account's devices encrypt what lies on them (AES-256-GCM)."""
    made = HKDF(hashes.SHA256(), 32, None, f"onefact device store {account_id}".encode())
    return made.derive(vault.key(home.path))


@router.get("/device/pack", name="device.pack")
def pack(account: Current, connection: Database, home: OfHome) -> Response:
    """Give the own grids' doors for the device: names, masked values, stamps; encrypted there before it is kept."""
    grids = grids_of(account) or ()
    query = sa.text(
        "SELECT DISTINCT p.node_id::text FROM address_point p JOIN entity_grid g ON g.entity_type = p.entity_type AND g.master_id = p.master_id "
        "AND g.field = p.field "  # whoever is only registered in the grid lives behind another's door
        "WHERE g.grid = ANY(:grids) AND (p.entity_type, p.field) IN (('house', 'address'), ('person', 'residence_address'), "
        "('organisation', 'address')) LIMIT :most"
    )
    nodes = connection.execute(query, {"grids": list(grids), "most": DOORS}).scalars().all()
    doors = []
    carried: dict[str, list[str]] = {}
    for node in nodes:
        found = household(connection, home, node)
        if found is None:
            continue
        for c in found.cards:
            carried.setdefault(c.entity_type, []).append(c.master_id)
        doors.append(
            {
                "node": node, "address": found.full_text,
                "cards": [
                    {
                        "type": c.entity_type, "id": c.master_id, "title": "房屋" if c.entity_type == "house" else c.title,
                        "fields": [
                            {"name": r.field.name, "cn": r.field.cn, "shown": r.text.text, "why": r.why, "stamp": r.known.stamp, "kind": r.field.kind,
                             "options": options(r.field) if r.field.kind == "code" else []}
                            for r in rows(account, c) if r.known.worker and r.field.name != "visited_on"
                        ],
                    }
                    for c in found.cards
                ],
            }
        )  # fmt: skip
    for entity_type, ids in carried.items():  # by name, so that it is known who has seen somebody
        told = {"grids": list(grids), "doors": len(doors)}
        logged(connection, account, "read", entity_type, ids, purpose="离线携带本网格户表", detail=told)
    names = {e: {f.name: f.cn for f in entity.fields if f.worker} for e, entity in ENTITIES.items()}
    return JSONResponse(
        {
            "doors": sorted(doors, key=lambda d: str(d["address"])),
            "names": names,
            "guides": [spec(g) for g in guided.GUIDES.values()],
            "at": home.stamp(),
            "today": home.now().date().isoformat(),
        }
    )
