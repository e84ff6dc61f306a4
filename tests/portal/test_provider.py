"""Signing in at a real identity provider: OpenID Connect over HTTPS, and what a false one could try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from portal_support import Portal
from provider import IdentityProvider, running

from portal.app import create_app
from portal.security import accounts, oidc
from portal.settings import Settings


@pytest.fixture(scope="module")
def provided(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IdentityProvider, Portal]]:
    with running(tmp_path_factory.mktemp("provider"), portal.home.now()) as (idp, provider):
        settings = Settings(second_factor=frozenset(), provider=provider)
        with portal.home.engine.begin() as connection:
            subject = f"{idp.address}|u-1001"
            accounts.add(connection, "sso", "统一认证", "steward", subject=subject, by="test")
        yield idp, Portal(portal.home, create_app(portal.home, settings))


@pytest.fixture
def idp(provided: tuple[IdentityProvider, Portal]) -> Iterator[IdentityProvider]:
    yield provided[0]
    provided[0].spoil.clear()
    provided[0].subject = "u-1001"


def go(provided: tuple[IdentityProvider, Portal], change: Any = None) -> httpx.Response:
    """Leave for the provider, sign in there, come back; `change` alters the address on the way back."""
    portal = provided[1]
    client = portal.nobody()
    leaving = client.get("/login/provider")
    assert leaving.status_code == 303, leaving.text
    provided[0].spoil.setdefault("now", portal.home.now().timestamp())
    there = httpx.get(leaving.headers["location"], verify=False)
    back = there.headers["location"]
    answer = client.get(change(back) if change else back)
    provided_client.clear()
    provided_client.append(client)
    return answer


provided_client: list[Any] = []


def test_signing_in_at_the_provider(provided: tuple[IdentityProvider, Portal], idp: IdentityProvider) -> None:
    answer = go(provided)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "统一认证" in provided_client[0].get("/").text


def test_who_has_no_account_gets_none(provided: tuple[IdentityProvider, Portal], idp: IdentityProvider) -> None:
    idp.subject = "somebody"
    answer = go(provided)
    assert answer.status_code == 403
    assert "还没有本系统的账号" in answer.text


@pytest.mark.parametrize("spoil", [
    {"forged": True}, {"claims": {"aud": "another client"}}, {"claims": {"iss": "https://evil.test"}}, {"claims": {"nonce": "another"}},
    {"claims": {"exp": 1_000_000}}, {"discovered": "https://evil.test"},
], ids=lambda s: next(iter(s.get("claims", s))))  # fmt: skip
def test_a_token_that_does_not_stand_opens_nothing(
    provided: tuple[IdentityProvider, Portal], idp: IdentityProvider, spoil: dict[str, Any]
) -> None:
    if "discovered" in spoil:
        idp.spoil.update(spoil)
        assert provided[1].nobody().get("/login/provider").status_code == 502
        return
    idp.spoil.update(spoil)
    assert go(provided).status_code == 403


@pytest.mark.parametrize("change", [
    lambda back: back.replace("state=", "state=x"), lambda back: back.split("&")[1].join(["/login/provider/back?", ""]),
    lambda back: back.split("?")[0],
], ids=["state", "no code", "nothing"])  # fmt: skip
def test_coming_back_with_something_else_opens_nothing(
    provided: tuple[IdentityProvider, Portal], idp: IdentityProvider, change: Any
) -> None:
    assert go(provided, change).status_code == 403


def test_a_code_of_another_browser_opens_nothing(
    provided: tuple[IdentityProvider, Portal], idp: IdentityProvider
) -> None:
    client = provided[1].nobody()
    idp.spoil["now"] = provided[1].home.now().timestamp()
    back = httpx.get(client.get("/login/provider").headers["location"], verify=False).headers["location"]
    other = provided[1].nobody()
    assert other.get(back).status_code == 403
    other.cookies.set(oidc.COOKIE, "00" * 40, domain="portal.test")
    assert other.get(back).status_code == 403


def test_without_local_accounts_a_password_opens_nothing(provided: tuple[IdentityProvider, Portal]) -> None:
    portal = provided[1]
    settings = portal.app.state.settings
    portal.app.state.settings = settings.model_copy(update={"local_accounts": False})
    try:
        assert 'name="password"' not in portal.nobody().get("/login").text
        answer = portal.nobody().post("/login", data={"login": "steward", "password": "x"})
        assert answer.status_code == 403
    finally:
        portal.app.state.settings = settings
