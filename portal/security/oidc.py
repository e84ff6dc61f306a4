"""Signing in at an identity provider (统一身份认证): OpenID Connect, authorization code with PKCE.

Authlib makes the request and exchanges the code; the ID token is checked by its signature and by issuer, audience, nonce
and times. What has to be remembered between leaving and coming back is sealed into a cookie of ten minutes. An account is
known by issuer and subject; nobody gets one by signing in.
"""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import authlib.deprecate  # noqa: F401 - it turns its warnings on, which are then turned off
import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from portal.security import vault
from portal.security.vault import KeyLost
from portal.settings import Provider

with warnings.catch_warnings():  # it announces a successor of httpx that is not ours yet
    warnings.simplefilter("ignore")
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oidc.core import CodeIDToken

COOKIE: Final = "__Host-onefact-oidc"
MINUTES: Final = 10
BOUND: Final = "oidc"
ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""Signatures that are taken; never `none`, never one by a shared secret."""

SECONDS: Final = 10.0
"""Patience with the provider."""


class ProviderFailed(Exception):
    """The provider does not answer as it should; `what` is for the log and holds no token."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__("统一身份认证暂时不可用，或登录没有完成，请重试。")


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where to send the browser, and the cookie that it comes back with."""

    address: str
    cookie: str


def leave(provider: Provider, back: str, key: bytes, now: datetime) -> Leaving:
    """Return where to send the browser; raises `ProviderFailed`."""
    told = _discovery(provider)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with _client(provider, back) as client:
        address, _ = client.create_authorization_url(
            told["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
    kept = {"state": state, "nonce": nonce, "verifier": verifier, "until": now.timestamp() + 60 * MINUTES}
    return Leaving(str(address), vault.seal(key, json.dumps(kept).encode(), BOUND).hex())


def come_back(provider: Provider, back: str, key: bytes, now: datetime, cookie: str, query: Mapping[str, str]) -> str:
    """Return `issuer|subject` of who signed in at the provider.

    Raises:
        ProviderFailed: the cookie is missing, old or another's; the provider refuses; the token does not stand.
    """
    kept = _kept(key, cookie, now)
    if not secrets.compare_digest(query.get("state", ""), kept["state"]) or "code" not in query:
        raise ProviderFailed("state")
    told = _discovery(provider)
    try:
        with _client(provider, back) as client:
            token = client.fetch_token(
                told["token_endpoint"],
                code=query["code"],
                code_verifier=kept["verifier"],
                grant_type="authorization_code",
            )
        keys = KeySet.import_key_set(cast("KeySetSerialization", _get(provider, told["jwks_uri"])))
        decoded = jwt.decode(token["id_token"], keys, algorithms=list(ALGORITHMS))
        wanted = {
            "iss": {"essential": True, "value": told["issuer"]},
            "aud": {"essential": True, "value": provider.client_id},
        }
        parameters = {"nonce": kept["nonce"], "client_id": provider.client_id}
        claims = CodeIDToken(decoded.claims, decoded.header, wanted, parameters)
        claims.validate(now=int(now.timestamp()), leeway=60)
    except (httpx.HTTPError, AuthlibBaseError, JoseError, KeyError, ValueError) as problem:
        raise ProviderFailed(type(problem).__name__) from problem
    return f"{claims['iss']}|{claims['sub']}"


def _kept(key: bytes, cookie: str, now: datetime) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(vault.unseal(key, bytes.fromhex(cookie), BOUND))
    except (ValueError, KeyLost) as problem:
        raise ProviderFailed("cookie") from problem
    if kept["until"] < now.timestamp():
        raise ProviderFailed("late")
    return kept


def _client(provider: Provider, back: str) -> OAuth2Client:
    return OAuth2Client(
        provider.client_id, provider.client_secret, scope="openid", redirect_uri=back, code_challenge_method="S256",
        timeout=SECONDS, verify=_trust(provider),
    )  # fmt: skip


def _discovery(provider: Provider) -> dict[str, Any]:
    told = _get(provider, provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if told.get("issuer") != provider.issuer or not {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= set(
        told
    ):
        raise ProviderFailed("discovery")
    return told


def _get(provider: Provider, address: str) -> dict[str, Any]:
    try:
        answer = httpx.get(address, timeout=SECONDS, verify=_trust(provider))
        answer.raise_for_status()
        return dict(answer.json())
    except (httpx.HTTPError, ValueError) as problem:
        raise ProviderFailed(type(problem).__name__) from problem


def _trust(provider: Provider) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(provider.authority)) if provider.authority else True
