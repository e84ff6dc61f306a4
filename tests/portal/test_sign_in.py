"""Signing in: passwords, lock, second factor, sessions; what an attacker tries is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from portal_support import ADDRESS, PASSWORD, Portal, token

from portal.security import accounts, passwords, sessions, totp, vault
from portal.security.limits import Tries
from portal.settings import Lockout, Settings
from warehouse import sealed


@pytest.fixture(autouse=True)
def _unlocked(portal: Portal) -> None:
    portal.clients.clear()
    with portal.home.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE account SET failures = 0, locked_until = NULL, totp = NULL, totp_step = NULL, must_change = false"
            )
        )
    portal.app.state.tries = Tries(50, timedelta(minutes=15))


def later(portal: Portal, hours: float) -> None:
    clock: Any = portal.home.now
    clock.advance(hours)


def log_in(portal: Portal, login: str, password: str) -> int:
    return portal.nobody().post("/login", data={"login": login, "password": password}).status_code


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(portal: Portal) -> None:
    client = portal.nobody()
    wrong = client.post("/login", data={"login": "worker", "password": "x"})
    unknown = client.post("/login", data={"login": "nobody-at-all", "password": "x"})
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert wrong.text.replace("worker", "-") == unknown.text.replace("nobody-at-all", "-")


def test_an_account_is_locked_after_five_wrong_passwords_and_opens_again_later(portal: Portal) -> None:
    assert [log_in(portal, "worker", "wrong") for _ in range(5)] == [403] * 5
    assert log_in(portal, "worker", PASSWORD) == 403
    later(portal, 0.3)
    assert log_in(portal, "worker", PASSWORD) == 303


def test_a_lock_ends_the_sessions(portal: Portal) -> None:
    client = portal.fresh("worker")
    assert client.get("/").status_code == 200
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, "worker")
        assert account
        accounts.lock(connection, account.id, portal.home.now().astimezone() + timedelta(days=1))
    assert client.get("/").headers["location"] == "/login"


def test_one_address_cannot_go_through_the_accounts(portal: Portal) -> None:
    portal.app.state.tries = Tries(3, timedelta(minutes=15))
    assert [log_in(portal, f"guess{n}", "x") for n in range(4)] == [403, 403, 403, 429]
    assert log_in(portal, "worker", PASSWORD) == 429


def test_a_session_gets_a_token_that_nobody_knew_before(portal: Portal) -> None:
    client = portal.nobody()
    client.cookies.set(sessions.COOKIE, "planted-by-somebody-else", domain="portal.test")
    answer = client.post("/login", data={"login": "worker", "password": PASSWORD})
    given = answer.headers["set-cookie"]
    assert "planted" not in given
    for needed in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert needed in given
    assert "Domain" not in given
    again = client.post("/login", data={"login": "worker", "password": PASSWORD})
    assert again.headers["set-cookie"].split(";")[0] != given.split(";")[0]


def test_the_session_before_ends_when_somebody_signs_in_anew(portal: Portal) -> None:
    client = portal.fresh("worker")
    old = client.cookies[sessions.COOKIE]
    client.post("/login", data={"login": "worker", "password": PASSWORD})
    thief = portal.nobody()
    thief.cookies.set(sessions.COOKIE, old, domain="portal.test")
    assert thief.get("/").headers["location"] == "/login"


def test_logging_out_ends_the_session_and_wipes_the_device(portal: Portal) -> None:
    client = portal.fresh("worker")
    cookie = client.cookies[sessions.COOKIE]
    answer = client.post("/logout")
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    client.cookies.set(sessions.COOKIE, cookie, domain="portal.test")
    assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize(("hours", "steps"), [(0.6, 1), (0.4, 20)])
def test_a_session_ends_when_idle_and_when_old(portal: Portal, hours: float, steps: int) -> None:
    client = portal.fresh("worker")
    locations = []
    for _ in range(steps):
        later(portal, hours)
        locations.append(client.get("/").headers.get("location"))
    assert locations == [None] * (steps - 1) + ["/login"]


def test_the_table_of_sessions_opens_nothing(portal: Portal) -> None:
    client = portal.fresh("worker")
    with portal.home.engine.connect() as connection:
        held = connection.execute(sa.text("SELECT portal_session::text FROM portal_session")).scalars().all()
    assert client.cookies[sessions.COOKIE] not in "".join(held)


# --- forged requests


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Origin": ADDRESS, "Sec-Fetch-Site": "cross-site"},
])  # fmt: skip
def test_another_sites_request_changes_nothing(portal: Portal, headers: dict[str, str]) -> None:
    client = portal.fresh("worker")
    del client.headers["Origin"]
    assert client.post("/logout", headers=headers).status_code == 403
    assert client.get("/").status_code == 200


def test_an_unsafe_request_needs_the_sessions_own_token(portal: Portal) -> None:
    client, other = portal.fresh("worker"), portal.fresh("steward")
    own = client.headers.pop("X-CSRF-Token")
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", data={"csrf": "guess"}).status_code == 403
    assert client.post("/logout", data={"csrf": token(other)}).status_code == 403
    assert client.get("/").status_code == 200
    assert client.post("/logout", data={"csrf": own}).status_code == 303


def test_a_request_from_nowhere_is_refused(portal: Portal) -> None:
    client = portal.nobody()
    del client.headers["Origin"]
    assert client.post("/login", data={"login": "worker", "password": PASSWORD}).status_code == 403


# --- passwords


def test_a_given_password_has_to_be_changed_first(portal: Portal) -> None:
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, "neighbour")
        assert account
        accounts.set_password(connection, account, first := passwords.given(), given=True)
    client = portal.nobody()
    client.post("/login", data={"login": "neighbour", "password": first})
    assert client.get("/").headers["location"] == "/password"
    client.headers["X-CSRF-Token"] = token(client)
    for new, again, status in [("short", "short", 422), ("x" * 30, "x" * 30, 422), (PASSWORD, PASSWORD + "!", 422)]:
        assert client.post("/password", data={"old": first, "new": new, "again": again}).status_code == status
    assert "不能和原口令相同" in client.post("/password", data={"old": first, "new": first, "again": first}).text
    changed = client.post("/password", data={"old": first, "new": PASSWORD, "again": PASSWORD})
    assert changed.headers["location"] == "/"
    assert client.get("/").status_code == 200


def test_a_password_is_kept_as_argon2id_and_never_twice_alike() -> None:
    one, other = passwords.hashed(PASSWORD), passwords.hashed(PASSWORD)
    assert one.startswith("$argon2id$")
    assert one != other
    assert passwords.fits(one, PASSWORD)
    assert not passwords.fits(one, PASSWORD + " ")
    assert not passwords.fits(None, "")


# --- second factor


RFC_6238 = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]
"""Test vectors of RFC 6238, appendix B (SHA-1), the last six digits."""


@pytest.mark.parametrize(("moment", "code"), RFC_6238)
def test_codes_are_those_of_the_standard(moment: int, code: str) -> None:
    assert totp.code(b"12345678901234567890", moment // 30) == code


def test_a_code_counts_once_and_a_step_early_or_late() -> None:
    secret, now = totp.fresh(), datetime.fromtimestamp(1_000_000_000)  # noqa: DTZ006
    step = 1_000_000_000 // 30
    assert [totp.accepted(secret, totp.code(secret, step + d), now, None) for d in (-2, -1, 0, 1, 2)] == [
        None, step - 1, step, step + 1, None,
    ]  # fmt: skip
    assert totp.accepted(secret, totp.code(secret, step), now, step) is None


def test_signing_in_with_the_second_factor(portal: Portal) -> None:
    strict = Portal(portal.home, portal.app)
    client = strict.fresh("auditor")
    page = client.get("/factor").text
    sealed_secret = page.split('name="sealed" value="')[1].split('"')[0]
    account = strict_account(portal, "auditor")
    secret = vault.unseal(vault.key(portal.home.path), bytes.fromhex(sealed_secret), account.id)
    assert client.post("/factor", data={"sealed": sealed_secret, "code": "000000"}).status_code == 422
    assert client.post("/factor", data={"sealed": sealed_secret, "code": code_now(portal, secret)}).status_code == 303
    later(portal, 0.1)
    client = portal.nobody()
    answer = client.post("/login", data={"login": "auditor", "password": PASSWORD})
    assert answer.headers["location"] == "/login/code"
    assert client.get("/").headers["location"] == "/login/code", "half signed in is not signed in"
    client.headers["X-CSRF-Token"] = client.get("/login/code").text.split('name="csrf" content="')[1].split('"')[0]
    assert client.post("/login/code", data={"code": "000000"}).status_code == 403
    half, right = client.cookies[sessions.COOKIE], code_now(portal, secret)
    assert client.post("/login/code", data={"code": right}).headers["location"] == "/"
    assert client.cookies[sessions.COOKIE] != half
    assert client.get("/").status_code == 200
    again = portal.nobody()
    again.post("/login", data={"login": "auditor", "password": PASSWORD})
    again.headers["X-CSRF-Token"] = again.get("/login/code").text.split('name="csrf" content="')[1].split('"')[0]
    assert again.post("/login/code", data={"code": right}).status_code == 403, "a code counts once"


def strict_account(portal: Portal, login: str) -> accounts.Account:
    with portal.home.engine.connect() as connection:
        account = accounts.by_login(connection, login)
    assert account
    return account


def code_now(portal: Portal, secret: bytes) -> str:
    return totp.code(secret, int(portal.home.now().timestamp()) // 30)


def test_a_role_that_needs_a_second_factor_gets_nowhere_without(portal: Portal) -> None:
    settings = Settings(second_factor=frozenset({"auditor"}))
    portal.app.state.settings, before = settings, portal.app.state.settings
    try:
        assert portal.fresh("auditor").get("/").headers["location"] == "/factor"
        assert portal.fresh("steward").get("/").status_code == 200
    finally:
        portal.app.state.settings = before


def test_a_sealed_secret_opens_for_its_account_only(portal: Portal) -> None:
    key = vault.key(portal.home.path)
    sealed_secret = vault.seal(key, b"secret", "one")
    assert vault.unseal(key, sealed_secret, "one") == b"secret"
    for bad in (
        (key, sealed_secret, "other"),
        (key, sealed_secret[:-1] + b"x", "one"),
        (bytes(32), sealed_secret, "one"),
    ):
        with pytest.raises(vault.KeyLost):
            vault.unseal(*bad)
    assert (portal.home.path / vault.FILE).stat().st_mode & 0o077 == 0


def test_logins_stand_in_the_sealed_log(portal: Portal) -> None:
    log_in(portal, "worker", "wrong")
    portal.fresh("worker").post("/logout")
    with portal.home.engine.connect() as connection:
        acts = [(e.act, e.outcome) for e in sealed.entries(connection, actor="worker", limit=3)]
        assert sealed.verify(sealed.stored(connection)).sound
    assert acts == [("logout", "done"), ("login", "done"), ("login", "refused")]


def test_settings_of_the_lock_are_those_given(portal: Portal) -> None:
    quick = opened_again(portal, Settings(lockout=Lockout(tries=1)))
    assert log_in(quick, "worker", "wrong") == 403
    assert log_in(quick, "worker", PASSWORD) == 403


def opened_again(portal: Portal, settings: Settings) -> Portal:
    from portal.app import create_app

    return Portal(portal.home, create_app(portal.home, settings))
