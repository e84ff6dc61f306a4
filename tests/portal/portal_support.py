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

from onefact import acts
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate
from onefact.enter import enter
from onefact.home import Home
from onefact.pull import pull
from onefact.quality.check import check
from portal.access.rules import Rule
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

    def door(self, grid: str) -> str:
        """The node of the address tree at which a person of a grid lives."""
        query = sa.text("SELECT node_id::text FROM address_point WHERE master_id = :m AND field = 'residence_address'")
        with self.home.engine.connect() as connection:
            return str(connection.execute(query, {"m": self.ids("person")[grid]}).scalar_one())


SAMPLES = {
    "field": "phone", "system_id": "doors", "change_id": "1", "ticket_id": "1", "rule_id": "person.sex.matches_id",
    "kind": "move_out", "act_id": "01900000-0000-7000-8000-00000000abcd",
}  # fmt: skip
"""Values of path parameters that name no golden record; add yours. A parameter that is not here gets `1`."""


def sample_path(portal: Portal, path: str, rule: Rule, grid: str) -> str:
    """A path of a route, its record one of the given grid."""
    values = dict(SAMPLES)
    if rule.record:
        entity = rule.record.type
        if entity.startswith("{"):
            values[entity[1:-1]] = entity = "person"
        values[rule.record.id] = portal.ids(entity)[grid]
    if "{node_id}" in path:
        values |= {"node_id": portal.door(grid), "kind": "move_in"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda m: values.get(m.group(1), "1"), path)


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
    with home.engine.connect() as connection:
        query = sa.text("SELECT master_id::text FROM entity_grid WHERE entity_type = 'person' AND grid = :g LIMIT 1")
        person = connection.execute(query, {"g": OWN}).scalar_one()
    enter(home, person, "phone", "13900000011", actor="worker")  # a change to send
    enter(home, person, "name", "陈建囯", actor="worker")  # a ticket to the authority
    visited = Act(SAMPLES["act_id"], "check", (Fact("person", person, "visited_on", "2026-11-01"),))
    acts.take(home, visited, "worker")
    consolidate(home)
    check(home)
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
