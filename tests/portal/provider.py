"""A small identity provider that speaks OpenID Connect over HTTPS: discovery, authorization with PKCE, token, keys.

It signs real tokens and checks what the standard lets a provider check: client, secret, redirect address, the code (once)
and the verifier. `spoil` lets a test make it misbehave as an attacker in its place would.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.responses import JSONResponse, RedirectResponse

from portal.security.certificate import local
from portal.serve import Door
from portal.settings import Provider

CLIENT, SECRET = "onefact", "a secret of the client"


@dataclass
class IdentityProvider:
    """What the provider knows: who is signed in there, and what it answers falsely."""

    subject: str = "u-1001"
    spoil: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"}))
    other: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"}))

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            return {
                "issuer": self.spoil.get("discovered", self.address),
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
            }

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @app.get("/authorize")
        def authorize(
            client_id: str, redirect_uri: str, state: str, nonce: str, code_challenge: str, code_challenge_method: str,
            response_type: str, scope: str,
        ) -> RedirectResponse:  # fmt: skip
            assert (client_id, response_type, code_challenge_method) == (CLIENT, "code", "S256")
            assert "openid" in scope.split()
            code = secrets.token_urlsafe(16)
            self.codes[code] = {"nonce": nonce, "challenge": code_challenge, "redirect_uri": redirect_uri}
            return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", status_code=302)

        @app.post("/token")
        def token(
            grant_type: str = Form(), code: str = Form(), redirect_uri: str = Form(), code_verifier: str = Form()
        ) -> JSONResponse:
            kept = self.codes.pop(code, None)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
            if kept is None or kept["challenge"] != challenge or kept["redirect_uri"] != redirect_uri:
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            now = int(self.spoil.get("now", time.time()))
            claims = {
                "iss": self.address, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300,
                "nonce": kept["nonce"], **self.spoil.get("claims", {}),
            }  # fmt: skip
            signing = self.other if self.spoil.get("forged") else self.key
            id_token = jwt.encode({"alg": "ES256", "kid": "k1"}, claims, signing)
            return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": id_token})

        return app


@contextmanager
def running(folder: Path, now: Any) -> Iterator[tuple[IdentityProvider, Provider]]:
    """Run the provider over HTTPS; yields it and the settings with which a portal reaches it."""
    import socket
    import threading

    made = local(folder, ["localhost", "127.0.0.1"], now)
    listening = socket.create_server((Door().host, 0))
    idp = IdentityProvider(address=f"https://localhost:{listening.getsockname()[1]}")
    config = uvicorn.Config(
        idp.app(), ssl_certfile=str(made.certificate), ssl_keyfile=str(made.key), log_level="warning"
    )
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not serving.started:
        time.sleep(0.02)
    try:
        yield idp, Provider(issuer=idp.address, client_id=CLIENT, client_secret=SECRET, authority=made.authority)
    finally:
        serving.should_exit = True
        thread.join(10)
