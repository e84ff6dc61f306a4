"""The doorkeeper of a REST stand-in: hands out tokens, or checks signatures.

Written apart from the connector's own code, so that both must agree with the words in
`connectors.manifest.sources.AppKey`, not with each other.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode

from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from connectors.manifest.sources import AppKey, NoAuth, OAuth2

SKEW = timedelta(minutes=5)
"""How far a request's timestamp may be from the system's clock."""


class Doorkeeper:
    """Decides for one system whether a request may come in."""

    def __init__(self, auth: OAuth2 | AppKey | NoAuth, now: Callable[[], datetime], token_seconds: int) -> None:
        self._auth, self._now, self._seconds = auth, now, token_seconds
        self._tokens: dict[str, datetime] = {}
        self._nonces: dict[str, datetime] = {}

    def token(self, body: bytes) -> dict[str, object] | None:
        """Answer a token request (form fields, RFC 6749 §4.4.2); None for wrong credentials."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        auth = self._auth
        if not isinstance(auth, OAuth2) or form.get("grant_type") != "client_credentials":
            return None
        if (form.get("client_id"), form.get("client_secret")) != (auth.client_id, auth.client_secret):
            return None
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self._now() + timedelta(seconds=self._seconds)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self._seconds}

    def revoke(self) -> None:
        """Forget all tokens, as a restart of the system does."""
        self._tokens.clear()

    def refuses(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> str | None:
        """Return why a request may not come in, or None when it may."""
        if isinstance(self._auth, OAuth2):
            token = headers.get("authorization", "").removeprefix("Bearer ")
            until = self._tokens.get(token)
            return None if until is not None and self._now() < until else "令牌无效或已过期"
        if isinstance(self._auth, AppKey):
            return self._bad_signature(self._auth, method, path, query, headers, body)
        return None

    def _bad_signature(
        self, auth: AppKey, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        given_names: dict[str, str] = {str(part): name for part, name in auth.headers.items()}
        names = {part: given_names.get(part, f"X-{part.replace('_', '-')}").lower() for part in _PARTS}
        app_key, timestamp, nonce, given = (headers.get(names[part], "") for part in _PARTS)
        if app_key != auth.app_key:
            return "应用标识无效"
        now = self._now()
        if not timestamp.isdigit() or abs(now.timestamp() - int(timestamp)) > SKEW.total_seconds():
            return "时间戳超出允许范围"
        self._nonces = {n: at for n, at in self._nonces.items() if now - at < 2 * SKEW}
        if not nonce or nonce in self._nonces:
            return "随机数重复"
        ordered = urlencode(sorted(parse_qsl(query, keep_blank_values=True)))
        text = f"{method}\n{path}\n{ordered}\n{timestamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}".encode()
        if not hmac.compare_digest(_mac(auth, text), given):
            return "签名错误"
        self._nonces[nonce] = now
        return None


_PARTS = ("app_key", "timestamp", "nonce", "signature")


def _mac(auth: AppKey, text: bytes) -> str:
    if auth.algorithm == "hmac-sha256":
        return hmac.digest(auth.secret.encode(), text, "sha256").hex()
    mac = HMAC(auth.secret.encode(), SM3())
    mac.update(text)
    return mac.finalize().hex()
