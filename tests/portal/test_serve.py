"""`onefact serve` as a user starts it: HTTPS by its own certificate, and what is entered reaches the systems by itself."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from portal_support import OWN, MakeHome, Portal, filled

from onefact.enter import enter
from onefact.home import Home
from portal import command
from portal.security import certificate
from portal.settings import Settings, SettingsUnreadable, load
from schemas.entities import ENTITIES

ROOT = Path(__file__).parents[2]


def environment(home: Home) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ONEFACT_DATABASE_URL": home.database_url or "",
        "PYTHONUNBUFFERED": "1",
    }


def program(home: Home, *arguments: str) -> list[str]:
    verbs = "from onefact.cli.app import app; from portal.cli import add_to; add_to(app); from onefact.cli import main; main()"
    return [sys.executable, "-c", verbs, "--home", str(home.path), "--systems", str(home.systems), *arguments]


@contextmanager
def served(home: Home, *options: str) -> Iterator[str]:
    running = subprocess.Popen(
        program(home, "serve", "--port", "0", *options), env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )  # fmt: skip
    try:
        assert running.stdout is not None
        said = ""
        while not (found := re.search(r"https://127\.0\.0\.1:\d+", said)):
            line = running.stdout.readline()
            assert line, said
            said += line
        yield found.group()
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(30) in {0, 130}


def test_serving_and_carrying(make_home: MakeHome, tmp_path: Path) -> None:
    home = filled(make_home, tmp_path)
    with served(home) as address:
        trust = ssl.create_default_context(cafile=str(home.path / "portal" / "tls" / "authority.pem"))
        for _ in range(100):
            try:
                answer = httpx.get(address + "/login", verify=trust)
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        assert answer.status_code == 200
        person = Portal(home, None).ids("person")[OWN]  # type: ignore[arg-type]
        enter(replace(home, now=datetime.now), person, "phone", "13900000055", actor="worker")
        assert state_of(home, "13900000055") in {"sent", "verified"}


def state_of(home: Home, value: str) -> str | None:
    """The state of the change that carries a value, once it has left (or a minute has passed)."""
    query = sa.text("SELECT state FROM outbox WHERE changes::text LIKE ANY(:v) ORDER BY change_id DESC LIMIT 1")
    lying = [f"%{text}%" for text in home.seals.equal(ENTITIES["person"].field("phone"), value)]
    state: str | None = None
    for _ in range(240):
        with home.engine.connect() as connection:
            state = connection.execute(query, {"v": lying}).scalar()
        if state not in {None, "planned", "pending"}:
            break
        time.sleep(0.25)
    return state


def onefact(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program(home, *arguments), env=environment(home), capture_output=True, text=True, check=False)


def test_accounts_on_the_command_line(make_home: MakeHome, tmp_path: Path) -> None:
    home = filled(make_home, tmp_path)
    made = json.loads(
        onefact(home, "user", "add", "zhang", "--name", "张三", "--role", "worker", "--grid", OWN, "--json").stdout
    )
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", made["password"])
    [held] = json.loads(onefact(home, "user", "list", "--json").stdout)
    assert (held["login"], held["role"], held["grids"], held["must_change"]) == ("zhang", "worker", [OWN], True)
    assert not {"password", "totp"} & set(held)
    assert onefact(home, "user", "lock", "zhang").returncode == 0
    assert "locked" in onefact(home, "user", "list").stdout
    assert onefact(home, "user", "lock", "zhang", "--off").returncode == 0
    assert onefact(home, "user", "reset", "zhang", "--second-factor").returncode == 0
    wrong = onefact(home, "user", "reset", "li")
    assert (wrong.returncode, "There is no account 'li'" in wrong.stderr) == (1, True)
    assert onefact(home, "user", "add", "zhang", "--name", "x", "--role", "worker").returncode == 1


def test_a_certificate_is_made_once_and_again_for_another_name(tmp_path: Path) -> None:
    now = datetime(2026, 11, 25)  # noqa: DTZ001 - local time of the site
    first = certificate.local(tmp_path, ["localhost", "127.0.0.1"], now)
    content = first.certificate.read_bytes()
    assert certificate.local(tmp_path, ["localhost"], now).certificate.read_bytes() == content
    assert certificate.local(tmp_path, ["portal.test"], now).certificate.read_bytes() != content
    assert first.key.stat().st_mode & 0o077 == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["authority.pem", "server.key", "server.pem"]


def test_settings_come_from_a_file_and_the_secret_from_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    file = tmp_path / "portal.yaml"
    file.write_text("place: 武昌区\nprovider: {issuer: 'https://sso.test', client_id: onefact}\n", encoding="utf-8")
    settings = load(tmp_path, {"ONEFACT_OIDC_SECRET": "s3cret"})
    assert settings.place == "武昌区"
    assert settings.provider is not None
    assert settings.provider.client_secret == "s3cret"
    assert "s3cret" not in repr(settings)
    for wrong in ("colour: red", "lockout: {tries: 0}", "a: [", "idle: x"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(SettingsUnreadable):
            load(tmp_path)


def test_the_demos_people_cover_every_role() -> None:
    assert set(command.DEMO_NAMES) == set(command.ROLE_NAMES)
