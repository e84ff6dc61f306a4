"""Role x route x record: nobody gets past the gate who is not meant to, on any route that exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute
from portal_support import FOREIGN, OWN, Portal, sample_path

from portal.access.rules import NoRule, Record, Rule, Rules, load
from portal.app import create_app
from warehouse.tables.portal import ROLES

RULES = load()
NOBODY = "nobody"
WHO = (NOBODY, *ROLES)


def routes(portal: Portal) -> dict[str, APIRoute]:
    return {r.name: r for r in portal.app.routes if isinstance(r, APIRoute)}


def ask(portal: Portal, who: str, route: APIRoute, grid: str) -> Any:
    client = portal.nobody() if who == NOBODY else portal.signed_in(who)
    method = next(m for m in sorted(route.methods) if m != "HEAD")
    return client.request(method, sample_path(portal, route.path, RULES[route.name], grid))


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("who", WHO)
def test_who_may_not_gets_nothing(portal: Portal, who: str, name: str) -> None:
    rule, route = RULES[name], routes(portal)[name]
    entitled = rule.public or (who != NOBODY and (rule.signed_in or who in rule.roles))
    if entitled or name == "login.leave":
        return
    answer = ask(portal, who, route, OWN)
    if who == NOBODY:
        assert answer.status_code in {303, 401}
        assert answer.headers.get("location", "/login") == "/login"
    else:
        assert answer.status_code == 403
    assert not leaks(answer.text)


@pytest.mark.parametrize("name", sorted(n for n, r in RULES.items() if r.record))
def test_a_worker_gets_no_record_of_another_grid(portal: Portal, name: str) -> None:
    rule, route = RULES[name], routes(portal)[name]
    if "worker" not in rule.roles and not rule.signed_in:
        return
    answer = ask(portal, "worker", route, FOREIGN)
    assert answer.status_code == 404
    assert not leaks(answer.text)
    assert ask(portal, "worker", route, OWN).status_code != 404


def test_every_page_that_needs_nothing_opens_for_its_roles(portal: Portal) -> None:
    broken = []
    for name, route in routes(portal).items():
        if "GET" not in route.methods or "{" in route.path:
            continue
        for who in ROLES:
            if RULES[name].public or RULES[name].signed_in or who in RULES[name].roles:
                answer = portal.signed_in(who).get(route.path)
                if answer.status_code >= 400:
                    broken.append(f"{who} {name}: {answer.status_code}")
    assert broken == []


def test_a_route_without_a_rule_keeps_the_portal_from_starting(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules({name: rule for name, rule in RULES.items() if name != "systems"})
    monkeypatch.setattr("portal.app.load", lambda: rules)
    with pytest.raises(NoRule, match="systems"):
        create_app(portal.home)


def test_a_rule_has_one_way_in() -> None:
    for wrong in ({}, {"public": True, "roles": ["worker"]}, {"roles": ["boss"]}):
        with pytest.raises(ValueError, match=r"exactly one|unknown roles"):
            Rule.model_validate(wrong)
    assert Record(type="{kind}", id="id").named({"kind": "house", "id": "x"}) == ("house", "x")


SECRETS = re.compile(r"陈建国|李秀英|王海涛|赵敏|1390000000\d|420199\d{11}")
"""Names, phones and numbers of the fixture."""


def leaks(text: str) -> list[str]:
    return SECRETS.findall(text)
