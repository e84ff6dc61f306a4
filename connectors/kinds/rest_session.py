"""One REST system's interface: logs in, asks, and turns whatever is not a success into one of our errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from connectors.answers import Ruling, ruling
from connectors.base import ConnectorError, Context
from connectors.http import HttpClient, Query, Request, Unanswered, dig, http_date, malformed, scrub
from connectors.login import login_for, refused
from connectors.manifest.model import Manifest
from connectors.manifest.sources import RestConnection

PAUSES = (1.0, 4.0)
"""Seconds before a reading that was refused as too much is asked for again."""

LOGIN_PAGE = re.compile(rb"type\s*=\s*[\"']?password", re.IGNORECASE)
"""What makes a web page a login page."""


class BusinessError(ConnectorError):
    """HTTP 200 with an error code in the body (业务错误码): the request arrived and was refused.

    Attributes:
        ruling: stable code and what is done about it.
        said: the system's own words, without values.
        raw: the answer as it came.
    """

    def __init__(self, system: str, place: str, ruling: Ruling, said: str, raw: bytes | None = None) -> None:
        self.ruling, self.code, self.said, self.raw = ruling, ruling.code, said, raw
        self.transient = ruling.action == "retry"
        code = ruling.code
        remedy = "Look the code up in the interface document of the system, or ask its operator."
        super().__init__(system, place, f"the system answers with error {code}: {said}", remedy)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON (numbers as their shortest text), the server's clock (UTC) if it gave one, its bytes."""

    body: dict[str, Any]
    served_at: datetime | None
    raw: bytes = b""


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
            quota=context.quota(manifest),
        )
        self._sleep, self._own = context.sleep, manifest.answers
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
        """Ask, log in anew once when the system says so, and repeat a reading that came at a bad moment."""
        renewed, pauses = False, iter(PAUSES if repeatable else ())
        while True:
            response = self._once(method, path, query, body, repeatable=repeatable)
            answer = _json(response.content)
            ruling, words = self._judged(response, answer)
            if ruling is None:
                return Answer(answer or {}, http_date(response.headers.get("date")), response.content)
            if ruling.action == "refresh_login":
                if renewed or not self._login.renew():
                    raise refused(self.system, path)
                renewed = True
                continue
            pause = next(pauses, None) if ruling.action == "retry" else None
            if pause is None:
                raise self._trouble(path, ruling, words, response, repeatable=repeatable)
            self._sleep(pause)

    def _once(self, method: str, path: str, query: Query, body: bytes, *, repeatable: bool) -> httpx.Response:
        headers = dict(self._login.headers(method, self._client.full_path(path), query, body))
        headers |= {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        return self._client.send(Request(method, path, query, body or None, headers, repeatable))

    def _judged(self, response: httpx.Response, answer: dict[str, Any] | None) -> tuple[Ruling | None, str]:
        """What an answer means beside success (None), and its words: status, then page, then the code within."""
        own, words = self._own, self._said(answer)
        if _login_page(response):
            return ruling("page", "login", own=own), words
        if response.status_code >= 300:
            return ruling("http", response.status_code, words, own), words
        if answer is None:
            return ruling("page", "other", own=own), words
        code = self._code(answer)
        if code is None or code in self.connection.success_values:
            return None, words
        return ruling("body", code, words, own), words

    def _trouble(
        self, path: str, told: Ruling, words: str, response: httpx.Response, *, repeatable: bool
    ) -> ConnectorError:
        """The error for an answer that is no success and that no further try can better."""
        if told.action == "unknown" and not repeatable:
            remedy = "The write may or may not have happened; it is read back before it is sent again."
            return Unanswered(self.system, path, f"the answer to a write is {told.code}", remedy)
        if told.code == "not_json":
            return malformed(self.system, path, "the answer is not JSON")
        if told.action == "stop_target":
            what = f"the system has no such address (HTTP {response.status_code})" if told.code == "http_404" else (
                f"the system answers {told.code}: {words}"
            )  # fmt: skip
            return malformed(self.system, path, what)
        return BusinessError(self.system, path, told, words, response.content)

    def _said(self, answer: dict[str, Any] | None) -> str:
        return scrub(dig(answer, self.connection.message_field))

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


def _login_page(response: httpx.Response) -> bool:
    """True for a login page in place of an answer, or a redirect to one: a gateway has forgotten our session."""
    if response.is_redirect:
        return bool(re.search(r"login|signin|/sso|/cas/", response.headers.get("location", ""), re.IGNORECASE))
    return "html" in response.headers.get("content-type", "") and bool(LOGIN_PAGE.search(response.content))
