"""Role x area x compartment: a fact of a compartment is shown to accounts that have it, and by no route to any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from portal_support import OWN, Portal, sample_path

from portal.access import rows
from portal.access.area import cleared
from portal.access.rules import load
from portal.security import accounts
from schemas.entities import ENTITIES
from warehouse.seals.values import CLOSED
from warehouse.tables import METADATA

RULES = load()
DISABILITY, BRANCH = "420199-77-0001", "珞珈山第三支部"
HELD = {"disability_no": DISABILITY, "party_branch": BRANCH}
PATH = "/reveal/person/{}/{}"


@pytest.fixture(scope="module", autouse=True)
def known(portal: Portal) -> Iterator[str]:
    """The worker's person has a fact of benefits and one of party, in the golden record and in every table beside it."""
    person, seals = portal.ids("person")[OWN], portal.home.seals
    with portal.home.engine.begin() as connection:
        for name, text in HELD.items():
            lying = {"m": person, "f": name, "v": seals.value("person", name, person, text)}
            connection.execute(sa.text(f"UPDATE person SET {name} = :v WHERE master_id = :m"), lying)
            connection.execute(
                sa.text(
                    "INSERT INTO candidate VALUES ('person', :m, :f, :v, 'doors|P1|person|2026-10-01T10:00:00', 1)"
                ),
                lying,
            )
            connection.execute(
                sa.text(
                    "INSERT INTO entry (entry_id, entity_type, master_id, field, value, actor, entered_at, taken_by) "
                    "VALUES (gen_random_uuid(), 'person', :m, :f, :v, 'worker', '2026-10-01T10:00:00', 'r')"
                ),
                lying,
            )
    yield person
    give(portal, "steward", [])


def give(portal: Portal, login: str, wanted: list[str]) -> None:
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, login)
        assert account
        accounts.set_compartments(connection, account, wanted)
    portal.clients.pop(login, None)  # its sessions have ended


@pytest.mark.parametrize("who", ["worker", "steward", "auditor"])
def test_no_route_shows_a_fact_of_another_compartment(portal: Portal, who: str) -> None:
    told = []
    for route in portal.app.routes:
        if not isinstance(route, APIRoute) or who not in RULES[route.name].roles:
            continue
        rule = RULES[route.name]
        if rule.record is None and route.name not in {"place", "tasks", "settle", "outbox.own.act"}:
            continue
        method = next(m for m in sorted(route.methods) if m != "HEAD")
        path = sample_path(portal, route.path, rule, OWN)
        for asked in (path, *(path.replace("/phone", f"/{name}") for name in HELD if "/phone" in path)):
            answer = portal.signed_in(who).request(
                method, asked, data={"reason": "入户核对"} if method == "POST" else None
            )
            told += [(route.name, text) for text in HELD.values() if text in answer.text]
    assert told == []


@pytest.mark.parametrize("who", ["worker", "steward", "auditor"])
def test_the_gate_refuses_the_field_and_the_database_its_rows(portal: Portal, known: str, who: str) -> None:
    assert (
        portal.signed_in(who).post(PATH.format(known, "disability_no"), data={"reason": "入户核对"}).status_code == 403
    )
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, who)
        assert account
        rows.enter(connection, account)
        golden = "SELECT disability_no, party_branch, phone FROM person WHERE master_id = :m"
        held = connection.execute(sa.text(golden), {"m": known}).one()
        assert tuple(held[:2]) == (CLOSED, CLOSED)
        assert held.phone.startswith("1")
        for table in ("candidate", "entry"):
            seen = connection.execute(sa.text(f"SELECT DISTINCT field FROM {table} WHERE master_id = :m"), {"m": known})
            assert not set(seen.scalars()) & HELD.keys()
    with portal.home.engine.begin() as connection:  # the connection comes from the pool as it was
        assert connection.execute(sa.text(golden), {"m": known}).one()[0] == DISABILITY


def test_what_an_account_may_not_see_it_does_not_enter(portal: Portal, known: str) -> None:
    before = {"act_id": "0198a000-0000-7000-8000-0000000000aa", f"v|person|{known}|party_branch": "别的支部"}
    assert portal.signed_in("worker").post("/entry/save", data=before).status_code == 403
    assert (
        portal.signed_in("worker")
        .post("/entry/save", data={**before, f"v|person|{known}|phone": "13900000012"})
        .status_code
        == 403
    )


def test_the_security_administrator_gives_a_compartment_and_no_more_than_the_role_may_have(
    portal: Portal, known: str
) -> None:
    with portal.home.engine.connect() as connection:
        ids = {login: accounts.by_login(connection, login) for login in ("steward", "worker", "sysadmin")}
    secadmin = portal.signed_in("secadmin")

    def ask(login: str, wanted: list[str]) -> int:
        account = ids[login]
        assert account
        return secadmin.post(
            f"/accounts/{account.id}", data={"what": "compartments", "compartments": wanted}
        ).status_code

    assert [ask("worker", ["justice"]), ask("sysadmin", ["base", "health"]), ask("steward", ["nothing"])] == [
        422,
        422,
        422,
    ]
    assert ask("steward", ["benefits"]) == 303
    portal.clients.pop("steward", None)
    shown = portal.signed_in("steward").post(PATH.format(known, "disability_no"), data={"reason": "核查数据质量"})
    assert DISABILITY in shown.text
    assert (
        portal.signed_in("steward")
        .post(PATH.format(known, "party_branch"), data={"reason": "核查数据质量"})
        .status_code
        == 403
    )


def test_every_field_of_a_compartment_lies_sealed_and_every_table_of_values_is_under_the_policy() -> None:
    fields = [f for e in ENTITIES.values() for f in e.fields if f.compartment != "base"]
    assert fields
    assert all(f.sealed for f in fields)
    held = {n for n, t in METADATA.tables.items() if {"entity_type", "field", "value"} <= set(t.columns.keys())}
    assert {n for n, _ in rows.compartments()} == held - rows.CLOSED
    nobody = accounts.Account("1", "x", "x", "worker")
    assert not any(cleared(nobody, f) for f in fields)
