"""Stand-ins of the webhook systems: they post their events to our receiver and obey signed commands.

In the sandbox the receiver is started here as well (in production `onefact` or a gateway runs it): it spools into
`<home>/inbox/<system>`, the folder that the manifest names.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from connectors.kinds.webhook_receiver import SIGNATURE, TIMESTAMP, TOLERANCE, Spool, receiver, sign
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import WebhookSource
from sandbox.keys import Keyring
from sandbox.servers.events import TWICE, Told, event_of, obey
from sandbox.servers.hosting import Host
from sandbox.store import Store

BATCH = 200
"""Events per request."""


class WebhookSystems:
    """All webhook systems and their receivers on one port: `/<system>/...` and `/inbox/<system>/`."""

    def __init__(self, manifests: Sequence[Manifest], home: Path, now: Callable[[], datetime]) -> None:
        self._manifests, self._home, self._now = list(manifests), home, now
        keys = Keyring.of(home)
        self._secrets = {m.id: keys.secret(f"{m.id.upper()}_SECRET") for m in manifests}
        self._host = Host()
        self._client = httpx.AsyncClient(timeout=20, trust_env=False)
        self._telling = asyncio.Lock()
        self._told: dict[str, Told] = {}
        self._base = ""
        self.stores: dict[str, Store] = {}

    async def start(self) -> dict[str, str]:
        """Load the rows, start systems and receivers; return the variables `<ID>_URL`, `_SECRET`, `_DIR`."""
        variables: dict[str, str] = {}
        routes: list[BaseRoute] = []
        for manifest in self._manifests:
            inbox, secret = self._home / "inbox" / manifest.id, self._secrets[manifest.id]
            await asyncio.to_thread(self._open, manifest, inbox)
            routes.append(Mount(f"/inbox/{manifest.id}", receiver(secret, Spool(inbox, self._now), self._now)))
            routes.append(Mount(f"/{manifest.id}", Starlette(routes=self._routes(manifest))))
            variables |= {f"{manifest.id.upper()}_SECRET": secret, f"{manifest.id.upper()}_DIR": str(inbox)}
        self._base = await self._host.start(Starlette(routes=routes))
        return variables | {f"{m.id.upper()}_URL": f"{self._base}/{m.id}" for m in self._manifests}

    async def stop(self) -> None:
        """Stop serving."""
        await self._client.aclose()
        await self._host.stop()
        for store in self.stores.values():
            store.close()

    async def tell(self) -> None:
        """Post an event for every row that changed."""
        async with self._telling:
            for manifest in self._manifests:
                for name, rows in self._told[manifest.id].fresh(self.stores[manifest.id], BATCH):
                    dataset = manifest.dataset(name)
                    kind = {"type": WebhookSource.model_validate(dataset.source).event}
                    events = [{**kind, **event_of(manifest, dataset, row)} for row in rows]
                    await self._post(manifest, events)
                    for event, row in zip(events, rows, strict=True):
                        if row.seq % TWICE == 0:
                            await self._post(manifest, [event])

    def _open(self, manifest: Manifest, inbox: Path) -> None:
        state = self._home / "sandbox" / "state"
        told = state / f"{manifest.id}.told.json"
        if not (state / f"{manifest.id}.sqlite").exists():  # a new town: the old inbox tells of another one
            told.unlink(missing_ok=True)
            for old in inbox.glob("*.jsonl"):
                old.unlink()
        self.stores[manifest.id] = Store.open(self._home, manifest)
        self._told[manifest.id] = Told(told)

    async def _post(self, manifest: Manifest, events: Sequence[Mapping[str, object]]) -> None:
        body = json.dumps({"events": events}, ensure_ascii=False).encode()
        timestamp = str(int(self._now().timestamp()))
        headers = {TIMESTAMP: timestamp, SIGNATURE: sign(self._secrets[manifest.id], timestamp, body)}
        response = await self._client.post(f"{self._base}/inbox/{manifest.id}/", content=body, headers=headers)
        response.raise_for_status()

    def _routes(self, manifest: Manifest) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        for dataset in manifest.datasets:
            source = WebhookSource.model_validate(dataset.source)
            routes.append(Route(source.command_path, self._commands(manifest, dataset), methods=["POST"]))
            routes.append(Route(source.read_path, self._reading(manifest, dataset), methods=["GET"]))
        return routes

    def _commands(self, manifest: Manifest, dataset: Dataset) -> Callable[[Request], object]:
        async def command(request: Request) -> JSONResponse:
            body = await request.body()
            if not self._genuine(manifest, request, body):
                return JSONResponse({"status": "error", "code": "401", "message": "签名无效"}, 401)
            try:
                asked = json.loads(body)
            except ValueError:
                asked = None
            answer = obey(self.stores[manifest.id], dataset.name, asked, self._now())
            await self.tell()
            return JSONResponse(answer, {"ok": 200, "conflict": 409}.get(str(answer["status"]), 422))

        return command

    def _reading(self, manifest: Manifest, dataset: Dataset) -> Callable[[Request], object]:
        async def read(request: Request) -> JSONResponse:
            if not self._genuine(manifest, request, b""):
                return JSONResponse({"message": "签名无效"}, 401)
            key = request.path_params.get("key") or request.query_params.get("key", "")
            row = self.stores[manifest.id].row(dataset.name, key)
            if row is None or row.deleted:
                return JSONResponse({"message": "记录不存在"}, 404)
            return JSONResponse(event_of(manifest, dataset, row))

        return read

    def _genuine(self, manifest: Manifest, request: Request, body: bytes) -> bool:
        timestamp = request.headers.get(TIMESTAMP, "")
        if not timestamp.isdigit() or abs(self._now().timestamp() - int(timestamp)) > TOLERANCE:
            return False
        raw: bytes = request.scope["raw_path"]
        target = raw + (b"?" + request.scope["query_string"] if request.scope["query_string"] else b"")
        signed = sign(self._secrets[manifest.id], timestamp, request.method.encode() + b" " + target + b"\n" + body)
        return hmac.compare_digest(signed.encode(), request.headers.get(SIGNATURE, "").encode())
