"""The API: tokens by scope, the same rules as the pages, entries that repeat harmlessly, subscriptions that lose nothing."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from portal_support import ADDRESS, FOREIGN, OWN, Portal
from starlette.testclient import TestClient

from onefact.consolidate import consolidate
from portal.api import changes as feed
from portal.api.deliver import deliver, signature
from portal.api.settings import ApiSettings
from portal.api.subscriptions import SubscriptionRefused, checked
from portal.security import accounts, tokens
from portal.security.limits import Tries
from schemas.entities import ENTITIES
from warehouse.tables import API_TOKEN, ENTRY, WEBHOOK, WEBHOOK_DELIVERY

ALL = tuple(tokens.SCOPES)


def program(portal: Portal, *scopes: str, login: str = "worker") -> TestClient:
    """A program with a token; no cookie, no Origin."""
    token = tokens.make(portal.home, login, "测试程序", scopes or ALL, 30, "test")
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(
        portal.app, base_url=ADDRESS, headers=headers, follow_redirects=False, raise_server_exceptions=False
    )


def somebody(portal: Portal, grid: str) -> tuple[str, str, str]:
    """Id, name and number of somebody in a grid."""
    query = sa.text(
        "SELECT p.master_id::text, p.name, p.id_number FROM person p JOIN entity_grid g USING (master_id) WHERE g.grid = :g ORDER BY 1 LIMIT 1"
    )
    with portal.home.engine.connect() as connection:
        return tuple(connection.execute(query, {"g": grid}).one())  # type: ignore[return-value]


def act(master_id: str, value: str, **more: Any) -> dict[str, Any]:
    fact = {"entity_type": "person", "entity": master_id, "field": "phone", "value": value}
    return {"act_id": str(uuid.uuid4()), "facts": [fact], **more}


CALLS: dict[str, Callable[[TestClient, str], Any]] = {
    "search": lambda c, i: c.post("/api/v1/search", json={"q": "陈"}),
    "read": lambda c, i: c.get(f"/api/v1/entities/person/{i}"),
    "enter": lambda c, i: c.post("/api/v1/acts", json=act(i, "13900001111")),
    "subscribe": lambda c, i: c.get("/api/v1/changes"),
}


@pytest.mark.parametrize("scope", CALLS)
def test_a_token_may_do_what_its_scopes_name_and_no_more(portal: Portal, scope: str) -> None:
    mine, _, _ = somebody(portal, OWN)
    allowed, other = program(portal, scope), program(portal, next(s for s in CALLS if s != scope))
    assert CALLS[scope](allowed, mine).status_code in {200, 201}
    refused = CALLS[scope](other, mine)
    assert (refused.status_code, refused.json()["error"]) == (403, "这个令牌没有这项权限。")
    assert CALLS[scope](TestClient(portal.app, base_url=ADDRESS), mine).status_code in {401, 403}


def test_a_token_opens_no_page(portal: Portal) -> None:
    assert program(portal).get("/bulk").status_code == 303


def test_tokens_end_run_out_and_are_kept_as_hashes_only(portal: Portal) -> None:
    client = program(portal, "search")
    token = client.headers["Authorization"].split()[1]
    listed = next(t for t in tokens.listed(portal.home) if t.ended_at is None)
    with portal.home.engine.begin() as connection:
        row = connection.execute(sa.select(API_TOKEN).where(API_TOKEN.c.token_id == listed.token_id)).mappings().one()
        assert token not in json.dumps({k: str(v) for k, v in row.items()})
        past = portal.home.now().astimezone() - timedelta(days=1)
        connection.execute(sa.update(API_TOKEN).where(API_TOKEN.c.token_id == listed.token_id).values(expires_at=past))
    assert CALLS["search"](client, "").status_code == 401
    again = program(portal, "search")
    assert tokens.end(portal.home, tokens.listed(portal.home)[0].token_id, "test")
    assert CALLS["search"](again, "").status_code == 401
    for wrong in ((["boss"], 30), (["read"], 400), ([], 30)):
        with pytest.raises(tokens.TokenError):
            tokens.make(portal.home, "worker", "x", *wrong, "test")


def test_a_locked_account_has_no_programs_either(portal: Portal) -> None:
    client = program(portal, "search", login="steward")
    assert CALLS["search"](client, "").status_code == 200
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, "steward")
        assert account
        accounts.lock(connection, account.id, portal.home.now().astimezone() + timedelta(days=1))
    assert CALLS["search"](client, "").status_code == 401
    with portal.home.engine.begin() as connection:
        accounts.lock(connection, account.id, None)
    assert CALLS["search"](client, "").status_code == 200


def test_another_grids_record_is_not_there(portal: Portal) -> None:
    theirs, _, number = somebody(portal, FOREIGN)
    client = program(portal)
    assert CALLS["read"](client, theirs).status_code == 404
    refused = CALLS["enter"](client, theirs)
    assert refused.status_code == 422
    assert number not in refused.text
    assert client.post("/api/v1/search", json={"q": number}).json() == {"hits": []}
    assert all(e["id"] != theirs for e in client.get("/api/v1/changes").json()["events"])
    assert any(e["id"] == theirs for e in program(portal, login="steward").get("/api/v1/changes").json()["events"])


def test_values_are_masked_unless_the_scope_says_otherwise(portal: Portal) -> None:
    mine, name, number = somebody(portal, OWN)
    masked = CALLS["read"](program(portal, "read"), mine)
    whole = CALLS["read"](program(portal, "read", "full"), mine).json()
    assert number not in masked.text
    values = {v["field"]: v for v in whole["values"]}
    assert (values["id_number"]["value"], values["id_number"]["masked"]) == (number, False)
    assert values["name"]["source"]
    assert values["name"]["observed_at"]
    assert not {"mental_disorder", "correction_type"} & set(values)
    found = program(portal, "search", "full").post("/api/v1/search", json={"q": name, "entity_type": "person"})
    assert number not in found.text
    assert [h["id"] for h in found.json()["hits"]] == [mine]


def test_an_act_sent_again_changes_nothing_and_gets_the_same_receipt(portal: Portal) -> None:
    mine, _, _ = somebody(portal, OWN)
    client, body = program(portal, "enter"), act(mine, "13900002222")
    first, second = client.post("/api/v1/acts", json=body), client.post("/api/v1/acts", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {**first.json(), "repeated": True}
    with portal.home.engine.connect() as connection:
        kept = connection.execute(sa.select(ENTRY.c.actor).where(ENTRY.c.act_id == body["act_id"])).scalars().all()
    assert kept == ["worker"]
    assert client.get(f"/api/v1/acts/{body['act_id']}").json()["facts"][0]["field"] == "phone"
    assert program(portal, "enter", login="neighbour").get(f"/api/v1/acts/{body['act_id']}").status_code == 404
    other = {**body, "facts": [{**body["facts"][0], "value": "13900003333"}]}
    assert client.post("/api/v1/acts", json=other).status_code == 422


def test_a_fact_that_does_not_stand_is_named_without_its_value(portal: Portal) -> None:
    mine, _, _ = somebody(portal, OWN)
    answer = program(portal, "enter").post("/api/v1/acts", json=act(mine, "139-bad"))
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] == "phone"
    assert "139-bad" not in answer.text


def test_an_old_stamp_is_a_conflict(portal: Portal) -> None:
    mine, _, _ = somebody(portal, OWN)
    client = program(portal, "enter", "read")
    stamp = next(v["stamp"] for v in CALLS["read"](client, mine).json()["values"] if v["field"] == "phone")
    body = act(mine, "13900004444")
    body["facts"][0]["seen"] = stamp
    assert client.post("/api/v1/acts", json=body).status_code == 201
    late = act(mine, "13900005555")
    late["facts"][0]["seen"] = stamp
    answer = client.post("/api/v1/acts", json=late)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (409, "phone")


def test_an_act_can_be_taken_back(portal: Portal) -> None:
    mine, _, _ = somebody(portal, OWN)
    client, body = program(portal, "enter"), act(mine, "13900006666")
    client.post("/api/v1/acts", json=body)
    undone = client.post(f"/api/v1/acts/{body['act_id']}/undo", json={"act_id": str(uuid.uuid4())})
    assert undone.status_code == 201
    assert client.get(f"/api/v1/acts/{body['act_id']}").json()["undone_by"] == undone.json()["act_id"]


# --- subscriptions


@dataclass
class Receiver:
    """A program that is told of changes; `answers` are the statuses that it gives next."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.calls.append((dict(self.headers), body))
            self.send_response(made.answers.pop(0) if made.answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooked(portal: Portal, receiver: Receiver) -> Iterator[tuple[TestClient, str, str]]:
    """A program that has subscribed: client, id, key."""
    (portal.home.path / "api.yaml").write_text("webhook_plain: [127.0.0.1]\nretry_minutes: [1, 5]\n", encoding="utf-8")
    client = program(portal)
    made = client.post("/api/v1/webhooks", json={"url": receiver.url, "entity_types": ["person"]})
    assert made.status_code == 201, made.text
    yield client, made.json()["id"], made.json()["secret"]
    with portal.home.engine.begin() as connection:
        connection.execute(sa.update(WEBHOOK).values(ended_at=portal.home.now().astimezone()))


def changed(portal: Portal, client: TestClient, grid: str = OWN) -> str:
    """Enter a new phone number and consolidate it."""
    mine, _, _ = somebody(portal, grid)
    answer = client.post("/api/v1/acts", json=act(mine, f"139{uuid.uuid4().int % 10**8:08}"))
    assert answer.status_code == 201
    consolidate(portal.home)
    return mine


def test_a_subscriber_is_told_which_records_changed_and_can_check_who_says_so(
    portal: Portal, receiver: Receiver, hooked: tuple[TestClient, str, str]
) -> None:
    client, _, secret = hooked
    mine = changed(portal, client)
    changed(portal, program(portal, login="neighbour"), FOREIGN)
    assert deliver(portal.home).sent == 1
    ((headers, body),) = receiver.calls
    assert headers["Onefact-Signature"] == signature(secret, headers["Onefact-Timestamp"], body)
    expected = hmac.new(secret.encode(), f"{headers['Onefact-Timestamp']}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Onefact-Signature"] == expected
    events = json.loads(body)["events"]
    assert [(e["type"], e["entity_type"], e["id"]) for e in events] == [("changed", "person", mine)]
    assert set(events[0]) == {"type", "entity_type", "id", "version", "heir", "run", "at"}, "no values"
    assert deliver(portal.home).sent == 0


def test_what_was_not_taken_is_told_again_in_order_and_after_the_last_pause_waits_for_a_person(
    portal: Portal, receiver: Receiver, hooked: tuple[TestClient, str, str]
) -> None:
    client, hook, _ = hooked
    clock: Any = portal.home.now
    changed(portal, client)
    receiver.answers = [500, 302, 503]
    assert deliver(portal.home).failed == 1
    changed(portal, client)
    assert deliver(portal.home).failed == 0, "not due yet, and the next one waits behind it"
    for hours in (0.1, 1):
        clock.advance(hours)
        assert deliver(portal.home).failed == 1
    assert client.get("/api/v1/webhooks").json()["webhooks"][0]["paused_at"] is not None
    changed(portal, client)
    clock.advance(48)
    assert deliver(portal.home).sent == 0
    assert client.post(f"/api/v1/webhooks/{hook}/resume").status_code == 204
    assert deliver(portal.home).sent == 3
    numbers = [json.loads(body)["delivery"] for _, body in receiver.calls]
    assert numbers[:4] == [numbers[0]] * 4, "the same call until it was taken"
    assert numbers[3:] == sorted(set(numbers))


def test_a_subscription_whose_key_is_lost_keeps_nobody_else_waiting(
    portal: Portal, receiver: Receiver, hooked: tuple[TestClient, str, str]
) -> None:
    client, broken, _ = hooked
    assert client.post("/api/v1/webhooks", json={"url": receiver.url, "entity_types": ["person"]}).status_code == 201
    with portal.home.engine.begin() as connection:
        connection.execute(sa.update(WEBHOOK).where(WEBHOOK.c.webhook_id == broken).values(secret=b"x" * 40))
    changed(portal, client)
    done = deliver(portal.home)
    assert (done.sent, done.failed) == (1, 1)
    assert len(receiver.calls) == 1


def test_a_subscription_ends(portal: Portal, receiver: Receiver, hooked: tuple[TestClient, str, str]) -> None:
    client, hook, _ = hooked
    changed(portal, client)
    assert program(portal, login="neighbour").delete(f"/api/v1/webhooks/{hook}").status_code == 404
    assert client.delete(f"/api/v1/webhooks/{hook}").status_code == 204
    assert deliver(portal.home).sent == 0
    assert receiver.calls == []
    with portal.home.engine.connect() as connection:
        states = set(
            connection.execute(
                sa.select(WEBHOOK_DELIVERY.c.state).where(WEBHOOK_DELIVERY.c.webhook_id == hook)
            ).scalars()
        )
    assert states <= {"dead", "sent"}


LISTED = ApiSettings(webhook_hosts=("bus.example", "bus.example:8443"), webhook_plain=("127.0.0.1",))


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest", "https://localhost/x", "https://bus.example.evil/x", "http://bus.example/x",
        "https://user:pw@bus.example/x", "https://bus.example@evil/x", "https://bus.example/x#y", "https://[::1]/x", "https:///x",
        "https://bus.example:99999/",
    ],
)  # fmt: skip
def test_only_listed_hosts_are_called(url: str) -> None:
    with pytest.raises(SubscriptionRefused):
        checked(url, LISTED)


def test_listed_hosts_are_called() -> None:
    for url in ("https://bus.example/x", "https://bus.example:8443/x?y=1", "http://127.0.0.1:9/x"):
        assert checked(url, LISTED) == url


def test_the_feed_goes_on_from_its_cursor(portal: Portal) -> None:
    client = program(portal, login="steward")
    seen: list[tuple[str, str]] = []
    cursor = ""
    while True:
        answer = client.get("/api/v1/changes", params={"cursor": cursor, "limit": 3}).json()
        seen += [(e["entity_type"], e["id"]) for e in answer["events"]]
        cursor = answer["cursor"]
        if not answer["more"]:
            break
    whole = client.get("/api/v1/changes", params={"limit": 500}).json()
    assert seen == [(e["entity_type"], e["id"]) for e in whole["events"]]
    assert len(set(seen)) == len(seen) > 8
    assert client.get("/api/v1/changes", params={"cursor": cursor}).json()["events"] == []
    mine = changed(portal, program(portal))
    assert mine in {e["id"] for e in client.get("/api/v1/changes", params={"cursor": cursor}).json()["events"]}
    when, run, _ = cursor.split("|")
    for wrong in ("x", f"{when}|{run}|person/1", f"{when}|{run}|person/urn:uuid:{uuid.uuid4()}"):
        assert client.get("/api/v1/changes", params={"cursor": wrong}).status_code == 422
    for wrong in (
        "x",
        "|".join((*cursor.split("|")[:2], "person/x")),
        "|".join((*cursor.split("|")[:2], "nobody/" + mine)),
    ):
        assert client.get("/api/v1/changes", params={"cursor": wrong}).status_code == 422


def test_a_page_of_the_feed_costs_what_it_holds(portal: Portal) -> None:
    """A cursor that is far behind must not have the server read everything since."""
    read: list[int] = []

    def counted(_: object, cursor: Any, *__: object) -> None:
        read.append(cursor.rowcount)

    with portal.home.engine.connect() as connection:
        _, cursor, _ = feed.changes(connection, "", tuple(ENTITIES), 2)
        sa.event.listen(connection, "after_cursor_execute", counted)
        page, _, more = feed.changes(connection, cursor, tuple(ENTITIES), 2)
    assert (len(page), more) == (2, True)
    assert sum(read) <= 2 * 3


def test_the_log_holds_the_reading_and_no_value(portal: Portal) -> None:
    mine, name, number = somebody(portal, OWN)
    CALLS["read"](program(portal, "read", "full"), mine)
    with portal.home.engine.connect() as connection:
        last = connection.execute(sa.text("SELECT body::text FROM sealed_log ORDER BY seq DESC LIMIT 1")).scalar_one()
    assert mine in last
    assert number not in last
    assert name not in last


def test_what_is_looked_for_stands_in_no_address(portal: Portal) -> None:
    assert program(portal, "search").get("/api/v1/search", params={"q": "陈"}).status_code == 405


def test_numbers_are_not_tried_out_by_searching(portal: Portal) -> None:
    client, searches = program(portal, "search"), portal.app.state.searches
    portal.app.state.searches = Tries(3, timedelta(minutes=1))
    try:
        answers = [client.post("/api/v1/search", json={"q": f"1390000{n:04}"}) for n in range(5)]
    finally:
        portal.app.state.searches = searches
    assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == "60"
    assert "error" in answers[-1].json()
