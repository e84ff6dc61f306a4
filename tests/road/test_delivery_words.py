"""What people read of deliveries on the command line: masked, in Chinese, the newest first, and an exit code that is true."""

from __future__ import annotations

import json

import pytest
from road_support import Run, Town, citizen, flat, row

from onefact import consolidate, enter, pull
from onefact.cli import verbs
from onefact.cli.errors import NeedsPerson, guarded
from onefact.cli.session import Session
from onefact.delivery.pusher import Pushed

WANG, PHONE = citizen(11), "13900000002"


@pytest.fixture
def lived(town: Town) -> Town:
    town.write("ybss", [row("Y1", "王伟", id_number=WANG, home=flat(1))])
    town.write("sg_etong", [row("G1", "王伟", id_number=WANG, phone=PHONE, home=flat(1))])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    return town


@pytest.fixture
def say(lived: Town, say: Run) -> Run:
    return say


def test_a_trace_for_machines_is_masked_until_it_is_asked_for_in_full(say: Run) -> None:
    told = say("trace", WANG, "--json")
    assert WANG not in told
    assert PHONE not in told
    assert json.loads(told)["found"]["name"] == "王*"
    full = say("trace", WANG, "--json", "--full")
    assert WANG in full
    assert PHONE in full


def test_what_auditors_read_is_chinese_and_times_carry_their_zone(say: Run) -> None:
    traced, now = say("trace", WANG), say("status")
    assert "候选值" in traced
    assert "source records" not in traced
    assert "各系统状态" in now
    assert "UTC+" in now or "UTC-" in now
    assert "退回统计" in say("rejects")
    [recent] = [s["last_pull"] for s in json.loads(say("status", "--json"))["systems"] if s["system_id"] == "ybss"]
    assert recent[-6] in "+-"  # an offset


def test_a_ticket_says_whom_it_is_about_masked(lived: Town, say: Run) -> None:
    ticket = enter.enter(lived.home, WANG, "name", "王玮", actor="lin").ticket
    shown = say("ticket", "show", str(ticket))
    assert f"对象：实有人口 王*，主数据 {lived.id_of('ybss', 'Y1')}" in shown
    assert "王伟" in say("ticket", "show", str(ticket), "--full")


def test_the_outbox_is_listed_newest_first_and_summed(lived: Town, say: Run) -> None:
    enter.enter(lived.home, WANG, "phone", "13900000009")
    consolidate.consolidate(lived.home)
    listed = json.loads(say("outbox", "list", "--json"))
    numbers = [c["change_id"] for c in listed["changes"]]
    assert numbers == sorted(numbers, reverse=True)
    assert "系统数" in say("outbox", "list")
    assert "系统数" not in say("outbox", "list", "--by-system")


def test_a_decision_about_nothing_fails(say: Run) -> None:
    say("outbox", "retry", "--state", "dead", code=1)
    say("outbox", "cancel", "--state", "conflict", code=1)


def test_a_push_that_was_refused_something_says_so_by_its_exit_code(
    lived: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onefact.cli.session.Session.home", lived.home)
    session = Session(lived.home.path, lived.home.systems)
    for states, code in ({"verified": 2}, 0), ({"verified": 1, "rejected": 1}, 3), ({"conflict": 1}, 3):
        monkeypatch.setattr("onefact.push.push", lambda *_, states=states: [Pushed("sg_etong", states)])
        assert guarded(lambda: verbs.push(session, None, dry_run=False, full=False)) == code
    with pytest.raises(NeedsPerson):
        verbs.push(session, None, dry_run=False, full=False)
