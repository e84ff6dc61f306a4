"""One REST system's interface: logs in, asks, and turns whatever is not a success into one of our errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from connectors.base import ConnectorError, Context
from connectors.http import HttpClient, Query, Request, Unanswered, dig, http_date, malformed, scrub
from connectors.login import login_for, refused
from connectors.manifest.model import Manifest
from connectors.manifest.sources import RestConnection

NO_LOGIN = frozenset({"401", "403"})
"""HTTP statuses that mean our login; many systems say so in the body of an HTTP 200 as well."""


class BusinessError(ConnectorError):
    """HTTP 200 with an error code in the body (业务错误码): the request arrived and was refused.

    Attributes:
        code: the system's own code.
        said: the system's own words, without values.
    """

    def __init__(self, system: str, place: str, code: str, said: str) -> None:
        self.code, self.said = code, said
        remedy = "Look the code up in the interface document of the system, or ask its operator."
        super().__init__(system, place, f"the system answers with error {code}: {said}", remedy)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON (numbers as their shortest text) and the server's clock (UTC) if it gave one."""

    body: dict[str, Any]
    served_at: datetime | None


class Session:
    """Sends requests of one system with its login; a refused token is renewed once."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.system = manifest.id
        self.connection = RestConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._client = HttpClient(
            manifest.id,
            self.connection.base_url,
            timeout=self.connection.timeout_seconds,
            now=context.now,
            sleep=context.sleep,
            limit=manifest.rate_limit,
        )
        self._login = login_for(self.connection.auth, self._client, context.now, lambda: uuid4().hex)

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def get(self, path: str, query: Query) -> Answer:
        """Read; raises `Unreachable`, `LoginRefused`, `Malformed` or `BusinessError`."""
        return self._ask("GET", path, query, b"", repeatable=True)

    def write(self, path: str, payload: Mapping[str, Any]) -> Answer:
        """Post a JSON body; raises like `get`, and `Unanswered` when the write may or may not have happened."""
        return self._ask("POST", path, (), json.dumps(payload, ensure_ascii=False).encode(), repeatable=False)

    def log_in(self) -> None:
        """Get what a request would need, without making one: fetches a token where tokens are used."""
        self._login.headers("GET", "/", (), b"")

    def _ask(self, method: str, path: str, query: Query, body: bytes, *, repeatable: bool) -> Answer:
        for _ in range(2):
            headers = dict(self._login.headers(method, self._client.full_path(path), query, body))
            headers |= {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
            response = self._client.send(Request(method, path, query, body or None, headers, repeatable))
            status = str(response.status_code)
            answer = _json(response.content)
            code = self._code(answer)
            if status in NO_LOGIN or (answer is not None and code in NO_LOGIN):
                if self._login.renew():
                    continue
                raise refused(self.system, path)
            if status == "404":
                raise malformed(self.system, path, "the system has no such address (HTTP 404)")
            if response.status_code >= 300:
                raise BusinessError(self.system, path, f"http_{status}", self._said(answer))
            if answer is None:
                raise self._not_json(path, repeatable=repeatable)
            if code is not None and code not in self.connection.success_values:
                raise BusinessError(self.system, path, f"code_{code}", self._said(answer))
            return Answer(answer, http_date(response.headers.get("date")))
        raise refused(self.system, path)

    def _said(self, answer: dict[str, Any] | None) -> str:
        return scrub(dig(answer, self.connection.message_field))

    def _not_json(self, path: str, *, repeatable: bool) -> ConnectorError:
        """A gateway's page in place of an answer; after a write it says nothing about the write."""
        if repeatable:
            return malformed(self.system, path, "the answer is not JSON")
        remedy = "The write may or may not have happened; it is read back before it is sent again."
        return Unanswered(self.system, path, "the answer to a write is not JSON", remedy)

    def _code(self, answer: dict[str, Any] | None) -> str | None:
        """The business code; an answer without the promised field counts as an error of its own."""
        if answer is None or self.connection.success_field is None:
            return None
        code = dig(answer, self.connection.success_field)
        return "missing" if code is None else str(code)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content, parse_float=lambda text: format(Decimal(text).normalize(), "f"), parse_int=str)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
