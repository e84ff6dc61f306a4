"""One act of a person is one row of the sealed log, with the way it came; what was typed keeps its device and is sealed by value."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from portal_support import OWN, Portal, sample_path
from test_office import TITLES, row, sheet, ticket, upload
from test_worker_in_a_browser import QUESTION

from onefact import acts, log
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate
from onefact.enter import enter
from portal.access.devices import COOKIE, kind_of
from portal.access.rules import load
from portal.view.cards import SEPARATOR
from warehouse import sealed
from warehouse.sealed import entry_seals
from warehouse.sealed.entry_seals import EntryFinding
from warehouse.tables.portal import ROLES


def top(portal: Portal) -> int:
    with portal.home.engine.connect() as connection:
        return sealed.head(connection).seq


@contextmanager
def noted(portal: Portal) -> Iterator[list[sealed.Sealed]]:
    """Collect the rows that came into the log meanwhile, the oldest first; what runs did does not count."""
    before, found = top(portal), []
    yield found
    with portal.home.engine.connect() as connection:
        rows = sealed.entries(connection, limit=500)[::-1]
    found += [r for r in rows if r.seq > before and r.act not in {"consolidate", "push", "seal"}]


def told(found: list[sealed.Sealed]) -> list[tuple[str, str, str]]:
    return [(r.act, r.subject_type, r.actor) for r in found]


def typed(entity: str, field: str, value: str) -> dict[str, str]:
    return {
        SEPARATOR.join(("v", "person", entity, field)): value,
        "kind": "correct",
        "act_id": str(uuid.uuid4()),
    }


def entry(portal: Portal, where: str, **values: Any) -> sa.Row[Any] | None:
    with portal.home.engine.connect() as connection:
        return connection.execute(sa.text(f"SELECT * FROM entry WHERE {where}"), values).first()


def test_what_is_typed_and_taken_back(portal: Portal) -> None:
    who, client = portal.ids("person")[OWN], portal.signed_in("worker")
    sent = typed(who, "phone", "13912340001")
    with noted(portal) as found:
        assert client.post("/entry/save", data=sent).status_code == 303
        assert client.post("/entry/save", data=sent).status_code == 303, "sent again: no second act"
    assert told(found) == [("enter", "person", "worker")]
    assert (found[0].via, found[0].purpose, found[0].detail["entries"]) == ("portal", "网格录入", 1)
    with noted(portal) as found:
        assert client.post(f"/entries/{sent['act_id']}/undo", data={"new_id": str(uuid.uuid4())}).status_code == 303
    assert told(found) == [("undo", "person", "worker")]
    with noted(portal) as found:
        same = {"act_id": str(uuid.uuid4())}
        assert client.post(f"/places/{portal.door(OWN)}/same", data=same).status_code == 303
    assert [r.act for r in found] == ["enter"]


def test_a_file_of_many_rows(portal: Portal) -> None:
    with portal.home.engine.connect() as connection:
        known = sa.text("SELECT id_number, name FROM person WHERE master_id = :m")
        number, name = connection.execute(known, {"m": portal.ids("person")[OWN]}).one()
    tried = upload(
        portal, "worker", "/bulk/check", sheet(TITLES, row(id_number=number, name=name, phone="13912340002"))
    )
    at = ticket(tried.text, "enter")
    with noted(portal) as found:
        assert portal.signed_in("worker").post(f"/bulk/{at}/enter").status_code == 303
    assert told(found) == [("enter", "person", "worker")]
    assert found[0].detail["entries"] >= 1


def test_what_a_steward_decides(portal: Portal) -> None:
    client, admin = portal.signed_in("steward"), portal.signed_in("sysadmin")
    enter(portal.home, portal.ids("person")[OWN], "name", "陈建果", actor="worker")
    with portal.home.engine.connect() as connection:
        asked = connection.execute(sa.text("SELECT max(ticket_id) FROM ticket WHERE state = 'open'")).scalar_one()
    with noted(portal) as found:
        client.post("/outbox/1", data={"what": "cancel", "why": "对方要求"})
        client.post("/outbox/1", data={"what": "retry"})
        client.post(f"/tickets/{asked}", data={"what": "reminded", "words": "已催办"})
        admin.post("/systems/doors/hold", data={"why": "对方割接"})
        admin.post("/systems/doors/release")
    assert [(r.act, r.actor) for r in found] == [
        ("cancel", "steward"), ("retry", "steward"), ("ticket", "steward"), ("hold", "sysadmin"), ("release", "sysadmin"),
    ]  # fmt: skip


def test_a_pair_is_judged_and_opened_again(portal: Portal) -> None:
    with portal.home.engine.begin() as connection:
        number = connection.execute(sa.text(QUESTION)).scalar_one()
    client = portal.signed_in("worker")
    with noted(portal) as found:
        assert client.post(f"/settle/{number}", data={"answer": "reject"}).status_code == 303
        assert client.post(f"/settle/{number}/reopen").status_code == 303
    assert [(r.act, r.via, r.purpose) for r in found] == [
        ("review", "portal", "处理冲突或重复"), ("reopen", "portal", "处理冲突或重复"),
    ]  # fmt: skip


def test_what_was_typed_by_hand_elsewhere(portal: Portal) -> None:
    who = portal.ids("person")[OWN]
    acts.take(portal.home, Act(str(uuid.uuid4()), "correct", (Fact("person", who, "phone", "13666660001"),)), "worker")
    consolidate(portal.home)
    with portal.home.engine.begin() as connection:
        waits = (
            "SELECT change_id FROM outbox WHERE master_id = :m AND state = 'planned' ORDER BY change_id DESC LIMIT 1"
        )
        number = connection.execute(sa.text(waits), {"m": who}).scalar_one()
        for state in ("pending", "awaiting_person"):
            connection.execute(
                sa.text("UPDATE outbox SET state = :s, detail = '[]' WHERE change_id = :c"), {"s": state, "c": number}
            )
    with noted(portal) as found:
        assert portal.signed_in("worker").post(f"/assist/{number}/done", data={"unread": "true"}).status_code == 303
    assert told(found) == [("typed", "change", "worker")]


def test_a_page_is_read_once(portal: Portal) -> None:
    """Whoever may open a page: one row at most for each kind of record that it shows."""
    rules, doubled = load(), []
    for route in portal.app.routes:
        if not isinstance(route, APIRoute) or "GET" not in route.methods:
            continue
        rule = rules[route.name]
        for who in ROLES:
            if rule.public or not (rule.signed_in or who in rule.roles):
                continue
            with noted(portal) as found:
                portal.signed_in(who).get(sample_path(portal, route.path, rule, OWN))
            if len(set(told(found))) < len(found):  # a page of several kinds of records has a row for each kind
                doubled.append((route.name, who, told(found)))
    assert doubled == []


# --- the device, and the value under seal


def test_an_entry_keeps_the_device_it_was_typed_on(portal: Portal) -> None:
    who, client = portal.ids("person")[OWN], portal.fresh("worker")
    client.headers["User-Agent"] = "Mozilla/5.0 (Linux; Android 14; Pixel) Mobile wxwork/4.1"
    first, second = typed(who, "phone", "13912340005"), typed(who, "phone", "13912340006")
    client.post("/entry/save", data=first)
    client.post("/entry/save", data=second)
    number = client.cookies[COOKIE]
    for sent in (first, second):
        kept = entry(portal, "act_id = :a", a=sent["act_id"])
        assert kept is not None
        assert kept.device == f"wxwork {number}"
    page = portal.signed_in("steward").get(f"/trace/person/{who}").text
    assert f"企业微信 {number}" in page


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Mobile/15E148", "phone"),
        ("Mozilla/5.0 (Linux; Android 14; SM-X200)", "tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64)", "desktop"),
        ("MicroMessenger wxwork/4.1 Mobile", "wxwork"),
        ("", "browser"),
    ],
)
def test_the_kind_of_a_device_is_what_the_browser_says(agent: str, kind: str) -> None:
    assert kind_of(agent) == kind


EDITS = {
    "one byte of a value": ("UPDATE entry SET value = '13912340018' WHERE entry_id = :e", "altered"),
    "a value that was there is not": ("UPDATE entry SET value = NULL WHERE entry_id = :e", "altered"),
    "somebody else typed it": ("UPDATE entry SET actor = 'other' WHERE entry_id = :e", "altered"),
    "it was typed elsewhere": ("UPDATE entry SET device = 'phone 00' WHERE entry_id = :e", "altered"),
    "the entry is gone": ("DELETE FROM entry WHERE entry_id = :e", "missing"),
}


@pytest.mark.parametrize("edit", sorted(EDITS))
def test_an_entry_that_was_changed_afterwards_is_named(portal: Portal, edit: str) -> None:
    who, sent = portal.ids("person")[OWN], None
    sent = typed(who, "phone", "13912340008")
    portal.signed_in("worker").post("/entry/save", data=sent)
    assert log.verify(portal.home).entries == ()
    kept = entry(portal, "act_id = :a", a=sent["act_id"])
    assert kept is not None
    statement, kind = EDITS[edit]
    with portal.home.engine.begin() as connection:
        connection.execute(sa.text(statement), {"e": kept.entry_id})
    try:
        assert log.verify(portal.home).entries == (EntryFinding(kind, str(kept.entry_id)),)  # type: ignore[arg-type]
        assert str(kept.entry_id) in portal.signed_in("auditor").post("/log/verify").text
    finally:
        with portal.home.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM entry WHERE entry_id = :e"), {"e": kept.entry_id})
            columns = list(kept._mapping)
            connection.execute(
                sa.text(f"INSERT INTO entry ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})"),
                dict(kept._mapping),
            )
    assert log.verify(portal.home).sound


def test_an_entry_that_nobody_typed_is_named_even_with_a_seal(portal: Portal) -> None:
    forged = {"e": str(uuid.uuid4()), "m": portal.ids("person")[OWN], "k": str(uuid.uuid4())}
    made = (
        "INSERT INTO entry (entry_id, entity_type, master_id, field, value, actor, entered_at, taken_by) "
        "VALUES (:e, 'person', :m, 'phone', '13900000000', 'worker', '2020-01-01', 'test')"
    )
    seal = "INSERT INTO entry_seal SELECT :e, :k, key, decode(repeat('00', 32), 'hex') FROM entry_seal LIMIT 1"
    with portal.home.engine.connect() as connection:
        naming = log.keys.load(portal.home.path).naming
        connection.execute(sa.text(made), forged)
        assert entry_seals.differing_entries(connection, naming) == [EntryFinding("inserted", forged["e"])]
        connection.execute(sa.text(seal), forged)
        kinds = [f.kind for f in entry_seals.differing_entries(connection, naming)]
        connection.rollback()
    assert kinds == ["altered", "unlogged"]


def test_the_seal_tells_nothing_without_the_key(portal: Portal) -> None:
    """Who holds the database alone cannot try numbers: another key gives another seal, and says so."""
    with portal.home.engine.connect() as connection:
        kinds = {f.kind for f in entry_seals.differing_entries(connection, bytes(32))}
    assert kinds == {"other_key"}
