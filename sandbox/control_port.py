"""The supervisor's control port: a small application, for this machine and the holder of the token only."""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.manifest.model import Manifest
from sandbox.control import TOKEN_HEADER
from sandbox.faults import FAULT_KINDS, Fault
from sandbox.store import NoSeed, Refused, Row, Store

Endpoint = Callable[[Request], Awaitable[Response]]


class Server(Protocol):
    """The stand-ins of one kind."""

    async def start(self) -> dict[str, str]:
        """Start and return the variables for `endpoints.json`."""
        ...

    async def stop(self) -> None:
        """Stop."""
        ...


class ControlPort:
    """Answers the control requests for all systems.

    Args:
        home: working folder.
        manifests: all systems, by id.
        servers: the server of each system that has one, by id.
        variables: what was written to `endpoints.json`, for the status.
        token: what a caller must show.
    """

    def __init__(
        self,
        home: Path,
        manifests: Mapping[str, Manifest],
        servers: Mapping[str, Server],
        variables: Mapping[str, str],
        token: str,
    ) -> None:
        self._home, self._manifests, self._servers = home, manifests, servers
        self._variables, self._token = variables, token
        self._stores: dict[str, Store] = {}
        self.app = Starlette(
            routes=[
                Route("/_sandbox/edit", self._guarded(self._edit), methods=["POST"]),
                Route("/_sandbox/rows/{system}/{dataset}/{key:path}", self._guarded(self._row)),
                Route("/_sandbox/faults", self._guarded(self._fault), methods=["POST"]),
                Route("/_sandbox/status", self._guarded(self._status)),
            ]
        )

    def close(self) -> None:
        """Close the stores opened for looking."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, ""), self._token):
                return _no("wrong token", 403)
            try:
                return await endpoint(request)
            except Refused as error:
                return _no(error.message, 404 if error.code == 404 else 422)
            except NoSeed as error:
                return _no(str(error), 404)
            except KeyError as error:
                return _no(f"there is no {error.args[0] if error.args else 'such name'}", 404)
            except (ValueError, TypeError):
                return _no("the request is not understood", 400)

        return guarded

    async def _edit(self, request: Request) -> Response:
        body = await request.json()
        system, dataset, key, columns = (body[name] for name in ("system", "dataset", "key", "columns"))
        self._known(system, dataset)
        own = getattr(self._servers.get(system), "edit", None)
        if own is not None:
            answer = own(system, dataset, key, columns)
            row: Row = await answer if inspect.isawaitable(answer) else answer
        else:
            row = self._store(system).edit(dataset, key, columns, datetime.now())  # noqa: DTZ005  # systems stamp local time
        return JSONResponse({"row": dict(row.columns)})

    async def _row(self, request: Request) -> Response:
        system, dataset, key = (request.path_params[name] for name in ("system", "dataset", "key"))
        self._known(system, dataset)
        row = self._store(system).row(dataset, key)
        if row is None:
            raise Refused(404, "记录不存在")
        return JSONResponse({"row": dict(row.columns)})

    async def _fault(self, request: Request) -> Response:
        body = await request.json()
        system, given = body["system"], body.get("fault")
        self._known(system)
        if given is not None and given.get("kind") not in FAULT_KINDS:
            return _no(f"a fault is one of {', '.join(FAULT_KINDS)}", 422)
        setter = getattr(self._servers.get(system), "fault", None)
        if setter is None:
            return _no(f"stand-ins of kind {self._manifests[system].kind} have no faults to switch", 422)
        setter(system, Fault(**given) if given is not None else None)
        return JSONResponse({"ok": True})

    async def _status(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"systems": [self._one(manifest) for manifest in self._manifests.values()]})

    def _one(self, manifest: Manifest) -> dict[str, Any]:
        try:
            store = self._store(manifest.id)
            rows = sum(store.count(d.name) for d in manifest.datasets)
        except NoSeed:
            rows = 0
        return {"system_id": manifest.id, "kind": manifest.kind, "url": self._address(manifest), "rows": rows}

    def _address(self, manifest: Manifest) -> str:
        front = manifest.id.upper()
        if f"{front}_URL" in self._variables:
            return _without_password(self._variables[f"{front}_URL"])
        if f"{front}_HOST" in self._variables:
            return f"{self._variables[f'{front}_HOST']}:{self._variables.get(f'{front}_PORT', '')}"
        return self._variables.get(f"{front}_DIR", "")

    def _known(self, system: str, dataset: str | None = None) -> None:
        if system not in self._manifests:
            raise KeyError(f"system {system}")
        if dataset is not None and dataset not in (d.name for d in self._manifests[system].datasets):
            raise KeyError(f"dataset {dataset} in {system}")

    def _store(self, system: str) -> Store:
        if system not in self._stores:
            self._stores[system] = Store.open(self._home, self._manifests[system])
        return self._stores[system]


def by_system(manifests: Sequence[Manifest], server: Server) -> dict[str, Server]:
    """The same server for each of its systems."""
    return {manifest.id: server for manifest in manifests}


def _no(message: str, status: int) -> Response:
    return JSONResponse({"message": message}, status)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
