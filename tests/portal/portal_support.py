"""A portal with a small master: four doors in two grids, and one account for each role."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from onefact.consolidate import consolidate
from onefact.home import Home
from onefact.pull import pull
from portal.app import create_app
from portal.security import accounts
from portal.settings import Settings
from warehouse.tables.portal import ROLES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "portal"
OWN, FOREIGN = "420106001001001", "420106001001002"
"""The grid of the worker `worker`, and that of `neighbour`."""

ADDRESS = "https://portal.test"
PASSWORD = "珞珈山下东湖水不深不浅清清"
MakeHome = Callable[[Path, Mapping[str, str]], Home]


@dataclass
class Portal:
    """A running portal and its clients."""

    home: Home
    app: FastAPI
    clients: dict[str, TestClient] = field(default_factory=dict)

    def nobody(self) -> TestClient:
        """A browser in which nobody is signed in."""
        return TestClient(
            self.app,
            base_url=ADDRESS,
            headers={"Origin": ADDRESS},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def signed_in(self, login: str) -> TestClient:
        """A browser in which an account is signed in (made once; `fresh` makes another)."""
        if login not in self.clients:
            self.clients[login] = self.fresh(login)
        return self.clients[login]

    def fresh(self, login: str) -> TestClient:
        client = self.nobody()
        answer = client.post("/login", data={"login": login, "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
        client.headers["X-CSRF-Token"] = token(client)
        return client

    def ids(self, entity_type: str) -> dict[str, str]:
        """Grid -> the id of one golden record in it."""
        query = sa.text("SELECT grid, min(master_id::text) FROM entity_grid WHERE entity_type = :e GROUP BY grid")
        with self.home.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query, {"e": entity_type})}


def token(client: TestClient) -> str:
    """The token that a page of this session carries."""
    found = re.search(r'<meta name="csrf" content="([^"]+)">', client.get("/password").text)
    assert found
    return found.group(1)


def filled(make_home: MakeHome, folder: Path) -> Home:
    """An installation whose master holds the fixture's four doors."""
    home = make_home(folder, {"doors": (FIXTURES / "doors.yaml").read_text(encoding="utf-8")})
    shutil.copytree(FIXTURES / "doors", home.systems / "doors")
    pull(home)
    consolidate(home)
    return home


def opened(home: Home, settings: Settings | None = None) -> Portal:
    """A portal with one account per role, and `neighbour`, the worker of the other grid."""
    with home.engine.begin() as connection:
        for role in ROLES:
            grids = [OWN] if role == "worker" else []
            accounts.add(
                connection, role, f"测试{role[0]}", role, grids=grids, password=PASSWORD, by="test", given=False
            )
        accounts.add(
            connection, "neighbour", "邻格", "worker", grids=[FOREIGN], password=PASSWORD, by="test", given=False
        )
    return Portal(home, create_app(home, settings or Settings(second_factor=frozenset())))
