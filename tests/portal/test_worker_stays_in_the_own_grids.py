"""Routes that name no golden record in their path keep to the own grids all the same."""

from __future__ import annotations

import html
import uuid

import pytest
import sqlalchemy as sa
from portal_support import FOREIGN, OWN, Portal
from test_matrix import leaks

from onefact import acts
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate

FOREIGN_NAMES = ("王海涛", "赵敏", "民主路文具店", "13900000003", "13900000004")


def quiet(text: str) -> bool:
    return not any(name in text for name in FOREIGN_NAMES)


def test_a_door_of_another_grid_is_not_there(portal: Portal) -> None:
    worker, node = portal.signed_in("worker"), portal.door(FOREIGN)
    for path in (f"/places/{node}", f"/places/{node}/guides/move_in"):
        answer = worker.get(path)
        assert answer.status_code == 404
        assert not leaks(answer.text)
    assert worker.post(f"/places/{node}/same", data={"act_id": str(uuid.uuid4())}).status_code == 404
    assert worker.get(f"/places/{portal.door(OWN)}").status_code == 200


@pytest.mark.parametrize("typed", ["王海涛", "wht", "赵敏", "42019919921105003X", "13900000004", "民主路77号", "文具"])
def test_the_box_finds_nobody_of_another_grid(portal: Portal, typed: str) -> None:
    assert (
        'class="hits"'
        not in portal.signed_in("worker").post("/search", data={"q": typed}, headers={"HX-Request": "true"}).text
    )


def test_duplicates_of_another_grid_are_not_told(portal: Portal) -> None:
    typed = {"new.name": "王海涛", "new.id_number": "42019919921105003X", "new.phone": "13900000003"}
    answer = portal.signed_in("worker").post("/entry/alike", data=typed, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'class="alike"' not in answer.text


def test_nothing_is_entered_about_another_grid(portal: Portal) -> None:
    worker, master = portal.signed_in("worker"), portal.ids("person")[FOREIGN]
    fact = {"entity_type": "person", "entity": master, "field": "phone", "value": "13912345678"}
    sent = worker.post("/entry/sync", json={"act_id": str(uuid.uuid4()), "kind": "correct", "facts": [fact]})
    assert (sent.status_code, sent.json()["state"]) == (422, "refused")
    form = {f"v|person|{master}|phone": "13912345678", "act_id": str(uuid.uuid4())}
    assert worker.post("/entry/preview", data=form).status_code == 404
    assert worker.post("/entry/save", data=form).status_code == 422


def test_lists_and_the_pack_hold_the_own_grids_only(portal: Portal) -> None:
    worker = portal.signed_in("worker")
    for path in ("/tasks", "/settle", "/entries", "/assist", "/device/pack"):
        answer = worker.get(path)
        assert answer.status_code == 200
        assert quiet(answer.text), path
    assert "陈建国" in worker.get("/device/pack").text


ASK = """
INSERT INTO review (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, weight, reason, left_master,
right_master, gain, run_id) VALUES ('person', 'doors', 'A', 'person', 'doors', 'B', 'person', 4.2, 'uncertain', :own, :foreign, 2.0, 'test')
RETURNING review_id
"""


def test_nobody_judges_two_of_whom_one_lives_in_another_grid(portal: Portal) -> None:
    ids = portal.ids("person")
    with portal.home.engine.begin() as connection:
        number = connection.execute(sa.text(ASK), {"own": ids[OWN], "foreign": ids[FOREIGN]}).scalar_one()
    worker = portal.signed_in("worker")
    seen = worker.get(f"/settle/{number}")
    if seen.status_code == 200:
        assert "请由数据管理员判定" in seen.text
        assert 'name="answer"' not in seen.text
        assert not leaks(seen.text)
    assert worker.post(f"/settle/{number}", data={"answer": "accept"}).status_code in {404, 409}
    with portal.home.engine.begin() as connection:
        state = connection.execute(sa.text("DELETE FROM review WHERE review_id = :n RETURNING state"), {"n": number})
        assert state.scalar_one() == "open"


@pytest.mark.parametrize(
    "value", ["<script>alert(1)</script>", "'; DROP TABLE person; --", "{{ 7 * 7 }}", "=cmd|' /C calc'!A0"]
)
def test_what_is_typed_is_never_more_than_text(portal: Portal, value: str) -> None:
    worker, master = portal.signed_in("worker"), portal.ids("organisation")[OWN]
    answer = worker.post(
        "/entry/preview", data={f"v|organisation|{master}|sign_name": value, "act_id": str(uuid.uuid4())}
    )
    assert answer.status_code in {200, 422}
    assert "<script>alert" not in answer.text
    assert html.escape(value) in answer.text.replace("&#39;", "&#x27;").replace("&#34;", "&quot;")  # as it was typed
    assert worker.post("/search", data={"q": value}).status_code == 200


def test_what_is_no_act_is_refused_without_a_trace(portal: Portal) -> None:
    worker = portal.signed_in("worker")
    assert worker.post("/entry/sync", json={"act_id": "x"}).status_code == 422
    assert worker.post("/entry/sync", json={"act_id": "x", "kind": "correct", "facts": []}).json()["state"] == "refused"
    odd = {"entity_type": "table", "entity": "1", "field": "phone", "value": "1"}
    assert (
        worker.post("/entry/sync", json={"act_id": str(uuid.uuid4()), "kind": "c", "facts": [odd]}).status_code == 422
    )
    assert worker.get("/entries/nobody").status_code == 404


def test_tasks_are_turned_page_by_page(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = portal.signed_in("worker")
    with portal.home.engine.connect() as connection:
        query = sa.text("SELECT master_id::text FROM entity_grid WHERE entity_type = 'person' AND grid = :g")
        people = connection.execute(query, {"g": OWN}).scalars().all()
    facts = tuple(Fact("person", p, "phone", f"1390000700{i}") for i, p in enumerate(people))
    acts.take(portal.home, Act(str(uuid.uuid4()), "correct", facts), "worker")
    consolidate(portal.home)
    whole = worker.get("/tasks").text
    doors = whole.count('class="card door"')
    assert doors > 1
    monkeypatch.setattr("portal.pages.work.DOORS", 1)
    pages = [worker.get("/tasks", params={"page": i + 1}).text for i in range(doors)]
    assert all(page.count('class="card door"') == 1 for page in pages)
    assert "下一页" in pages[0]
    assert "下一页" not in pages[-1]
    assert worker.get("/tasks", params={"page": doors + 1}).status_code == 200
    assert worker.get("/tasks", params={"page": 0}).status_code == 422
