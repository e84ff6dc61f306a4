"""How a REST system knows who is calling: OAuth2 client credentials, or an AppKey with a signature (签名).

A login adds headers to each request; when the system then refuses, `renew` says whether trying once more is worth it
(a token may have expired early, a signature never gets better).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from connectors.base import LoginRefused
from connectors.http import HttpClient, Query, Request, malformed
from connectors.manifest.sources import AppKey, NoAuth, OAuth2

EARLY = timedelta(seconds=30)
"""A token is renewed this long before it expires, so that it does not expire on its way."""


class Login(Protocol):
    """Adds what proves our identity to a request."""

    def headers(self, method: str, path: str, query: Query, body: bytes) -> Mapping[str, str]:
        """Return the headers for this request; `path` is the whole path of the URL."""
        ...

    def renew(self) -> bool:
        """Forget a refused proof; True when another attempt may succeed."""
        ...


def login_for(
    auth: OAuth2 | AppKey | NoAuth, client: HttpClient, now: Callable[[], datetime], nonce: Callable[[], str]
) -> Login:
    """Return the login of a manifest's `auth` block."""
    if isinstance(auth, OAuth2):
        return _Token(auth, client, now)
    return _Signature(auth, now, nonce) if isinstance(auth, AppKey) else _Nobody()


def refused(system: str, place: str) -> LoginRefused:
    """The error for credentials that the system does not take; names no credential."""
    remedy = (
        "Check the id and the secret of this system (environment variables) and whether its permission has expired."
    )
    return LoginRefused(system, place, "the system refuses our login", remedy)


def signing_text(method: str, path: str, query: Query, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The text that is signed: method, path, sorted query, timestamp, nonce, SHA-256 of the body; one per line.

    The query is sorted by name, then value, and percent-encoded; see `connectors.manifest.sources.AppKey`.
    """
    lines = (method.upper(), path, urlencode(sorted(query)), timestamp, nonce, hashlib.sha256(body).hexdigest())
    return "\n".join(lines).encode()


def sign(algorithm: str, secret: str, text: bytes) -> str:
    """HMAC of the text as lower-case hex, with SHA-256 or SM3 (GB/T 32905, 国密)."""
    if algorithm == "hmac-sm3":
        mac = HMAC(secret.encode(), SM3())
        mac.update(text)
        return mac.finalize().hex()
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class _Nobody:
    def headers(self, method: str, path: str, query: Query, body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    def renew(self) -> bool:
        return False


class _Signature:
    def __init__(self, auth: AppKey, now: Callable[[], datetime], nonce: Callable[[], str]) -> None:
        self._auth, self._now, self._nonce = auth, now, nonce

    def headers(self, method: str, path: str, query: Query, body: bytes) -> Mapping[str, str]:
        timestamp, nonce = str(int(self._now().timestamp())), self._nonce()
        text = signing_text(method, path, query, timestamp, nonce, body)
        names: dict[str, str] = {
            "app_key": "X-App-Key",
            "timestamp": "X-Timestamp",
            "nonce": "X-Nonce",
            "signature": "X-Signature",
        }
        names |= {str(part): header for part, header in self._auth.headers.items()}
        return {
            names["app_key"]: self._auth.app_key,
            names["timestamp"]: timestamp,
            names["nonce"]: nonce,
            names["signature"]: sign(self._auth.algorithm, self._auth.secret, text),
        }

    def renew(self) -> bool:
        return False


class _Token:
    def __init__(self, auth: OAuth2, client: HttpClient, now: Callable[[], datetime]) -> None:
        self._auth, self._client, self._now = auth, client, now
        self._token: str | None = None
        self._until: datetime | None = None

    def headers(self, method: str, path: str, query: Query, body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        if self._token is None or (self._until is not None and self._now() >= self._until):
            self._fetch()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        had, self._token = self._token is not None, None
        return had

    def _fetch(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._auth.client_id,
            "client_secret": self._auth.client_secret,
        }
        if self._auth.scope:
            form["scope"] = self._auth.scope
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        path, system = self._auth.token_path, self._client.system
        response = self._client.send(Request("POST", path, (), urlencode(form).encode(), headers))
        if response.status_code in {400, 401, 403}:
            raise refused(system, path)
        try:
            answer = json.loads(response.content)
        except ValueError:
            raise malformed(system, path, "the token answer is not JSON") from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not token:
            raise refused(system, path)
        lifetime = answer.get("expires_in")
        self._token = str(token)
        self._until = self._now() + timedelta(seconds=float(lifetime)) - EARLY if lifetime else None
