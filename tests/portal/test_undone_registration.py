"""Undoing a registration: nobody comes back silently, and what other systems made of it is to be deleted."""

from __future__ import annotations

import shutil
import uuid

import pytest
import sqlalchemy as sa
from portal_support import FIXTURES, MakeHome, Portal, opened

from onefact import acts, search, undoing
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate
from onefact.pull import pull
from schemas.records import Outcome
from warehouse import outbox


@pytest.fixture(scope="module")
def portal(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """The four doors as they were collected, nothing entered yet; the system takes everybody who is new."""
    manifest = (FIXTURES / "doors.yaml").read_text(encoding="utf-8")
    manifest = manifest.replace("type: person\n", "type: person\n        scope: {members: all}\n")
    home = make_home(tmp_path_factory.mktemp("undone"), {"doors": manifest})
    shutil.copytree(FIXTURES / "doors", home.systems / "doors")
    pull(home)
    consolidate(home)
    return opened(home)


def test_what_was_created_elsewhere_is_deleted_and_does_not_come_back(portal: Portal) -> None:
    home, address = portal.home, "武昌区中南路街道武珞路628号3栋2单元502室"
    facts = (
        Fact("person", "new", "name", "李小满"), Fact("person", "new", "birth_date", "2016-10-20"), Fact("person", "new", "phone", "13900000066"),
        Fact("person", "new", "residence_address", address),
    )  # fmt: skip
    made = acts.take(home, Act(str(uuid.uuid4()), "move_in", facts), "worker")
    consolidate(home)
    [claimed] = [c for c in outbox.claim(home.engine, "doors", 10, "test", 60) if c.change.operation == "create"]
    outbox.settle(
        home.engine, [claimed.change], [Outcome(claimed.change.change_id, "verified", record_key="people/P9")], "test"
    )
    people = home.systems / "doors" / "people.csv"
    before = people.read_text(encoding="utf-8")
    people.write_text(f"{before}P9,李小满,,13900000066,{address}\n", encoding="utf-8")
    pull(home)
    consolidate(home)
    assert found(portal, "李小满") == 1

    undone = undoing.undo(home, made.act_id, str(uuid.uuid4()), "worker")
    consolidate(home)
    assert found(portal, "李小满") == 0
    page = portal.signed_in("worker").get(f"/entries/{undone.act_id}").text
    assert "待人工注销" in page
    assert "须注销" in portal.signed_in("worker").get("/tasks").text

    with home.engine.connect() as connection:
        query = sa.text("SELECT change_id, record_key, state FROM outbox WHERE operation = 'delete'")
        [(number, key, state)] = connection.execute(query).all()
    assert (key, state) == ("people/P9", "awaiting_person")
    sheet = portal.signed_in("worker").get(f"/assist/{number}").text
    assert "李小满" in sheet
    assert "注销一条误登记的记录" in sheet
    assert "李小满" in portal.signed_in("worker").get("/assist").text
    refused = portal.signed_in("worker").post(f"/assist/{number}/done")
    assert (refused.status_code, "仍有这条记录" in refused.text) == (409, True)

    people.write_text(f"{people.read_text(encoding='utf-8')}\n", encoding="utf-8")  # read once more, unchanged
    pull(home)
    consolidate(home)
    assert found(portal, "李小满") == 0

    people.write_text(before, encoding="utf-8")  # somebody has deleted it there
    assert portal.signed_in("worker").post(f"/assist/{number}/done").status_code == 303
    pull(home)
    consolidate(home)
    assert found(portal, "李小满") == 0


def test_a_record_that_no_answer_named_is_known_by_what_it_holds(portal: Portal) -> None:
    home, address = portal.home, "武昌区中南路街道武珞路628号3栋2单元502室"
    facts = (
        Fact("person", "new", "name", "李小雪"), Fact("person", "new", "birth_date", "2018-01-20"), Fact("person", "new", "phone", "13900000055"),
        Fact("person", "new", "residence_address", address),
    )  # fmt: skip
    made = acts.take(home, Act(str(uuid.uuid4()), "move_in", facts), "worker")
    consolidate(home)
    [claimed] = [c for c in outbox.claim(home.engine, "doors", 10, "test", 60) if c.change.operation == "create"]
    outbox.settle(home.engine, [claimed.change], [Outcome(claimed.change.change_id, "sent", "no_receipt")], "test")
    people = home.systems / "doors" / "people.csv"
    people.write_text(
        f"{people.read_text(encoding='utf-8').strip()}\nP8,李小雪,,13900000055,{address}\n", encoding="utf-8"
    )
    undoing.undo(home, made.act_id, str(uuid.uuid4()), "worker")
    consolidate(home)
    pull(home)
    consolidate(home)
    assert found(portal, "李小雪") == 0
    with home.engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM outbox WHERE operation = 'delete' AND state = 'awaiting_person'")
        assert connection.execute(query).scalar_one() == 1


def found(portal: Portal, text: str) -> int:
    with portal.home.engine.connect() as connection:
        return len([h for h in search.search(connection, text, None) if h.title == text])
