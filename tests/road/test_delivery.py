"""Deliveries hold under faults: order, leases, doubt, patience, breakers, edits on both sides, dead letters."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_support import SYSTEM, Yard, cut_at, phone
from road_support import Town, citizen, row
from target_model import PowerCut

from onefact import consolidate, enter, pull
from onefact import outbox as decisions
from onefact.delivery.backoff import Backoff
from onefact.delivery.merge import merge
from schemas.records import Change, FieldChange, Outcome
from warehouse import outbox
from warehouse.outbox import targets
from warehouse.tables.steps import TRANSITIONS

MERGES = list(csv.DictReader((Path(__file__).parents[1] / "fixtures" / "road" / "merge.csv").open(encoding="utf-8")))


@pytest.fixture
def yard(town: Town) -> Yard:
    return Yard(town)


def test_a_change_goes_out_is_read_back_and_counted_once(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    [pushed] = yard.push()
    assert (pushed.error, dict(pushed.states)) == (None, {"verified": 1})
    assert yard.steps(change) == ["planned", "pending", "verified"]
    assert yard.shows("G1") == "2"
    assert [dict(r) for r in outbox.of_run(yard.engine, "p1")] == [
        {"system_id": SYSTEM, "state": "verified", "code": "ok", "n": 1}
    ]
    assert yard.push() == []


def test_postgresql_refuses_a_step_that_is_not_in_the_table(yard: Yard) -> None:
    change = yard.plan("G1", phone=("1", "2"))
    with pytest.raises(sa.exc.IntegrityError, match="may not go from planned to verified"):
        yard.sql("UPDATE outbox SET state = 'verified' WHERE change_id = %s", change)
    with pytest.raises(sa.exc.IntegrityError, match="append-only"):
        yard.sql("DELETE FROM delivery")
    assert set(TRANSITIONS) == {s for follow in TRANSITIONS.values() for s in follow}


def test_changes_of_one_record_arrive_in_their_order_and_hold_up_nobody_else(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    yard.holds("G2", phone="1")
    yard.system.silent = 1
    first = yard.plan("G1", phone=("1", "2"))
    yard.push(lease=300)  # written, but the answer is lost
    assert yard.state(first) == "no_answer"
    second, other = yard.plan("G1", phone=("2", "3")), yard.plan("G2", phone=("1", "2"))
    yard.sql("UPDATE outbox SET next_try_at = now() + interval '1 hour' WHERE change_id = %s", first)
    yard.push()
    assert (yard.state(second), yard.state(other)) == ("planned", "verified")
    yard.let_time_pass()
    yard.push()
    assert (yard.state(first), yard.state(second)) == ("verified", "verified")
    assert yard.row(first)["code"] == "read_back"
    assert yard.shows("G1") == "3"
    assert [key for key, _ in yard.system.effects].count("G1") == 2


def test_a_fact_entered_between_a_push_and_the_next_reading_is_no_conflict(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    yard.plan("G1", phone=("1", "2"))
    yard.push()
    stale = yard.plan("G1", phone=("1", "3"))  # planned from what was read before our own write
    yard.push()
    assert yard.state(stale) == "verified"
    assert yard.shows("G1") == "3"


def test_what_another_pusher_has_looked_after_is_not_settled_twice(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    [mine] = outbox.claim(yard.engine, SYSTEM, 10, "slow", lease=0)
    yard.push("quick")
    assert yard.state(change) == "verified"
    done = outbox.settle(yard.engine, [mine.change], [Outcome(mine.change.change_id, "rejected", "late")], "slow")
    assert (done.recorded, done.lost) == ((), (str(change),))
    assert yard.state(change) == "verified"


def test_two_pushers_at_once_share_the_work_and_double_nothing(yard: Yard) -> None:
    for n in range(120):
        yard.holds(f"G{n % 40}", phone="0")
    changes = [yard.plan(f"G{n % 40}", phone=(str(n // 40), str(n // 40 + 1))) for n in range(120)]
    at_once = threading.Barrier(2)

    def work(owner: str) -> None:
        at_once.wait()
        for _ in range(6):
            yard.push(owner, lease=300)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("p1", "p2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {yard.state(c) for c in changes} == {"verified"}
    assert len(yard.system.effects) == 120
    by_record = {f"G{n}": [int(c) for key, c in yard.system.effects if key == f"G{n}"] for n in range(40)}
    assert all(order == sorted(order) for order in by_record.values())


def test_a_pusher_that_died_is_followed_by_a_reading_not_by_a_second_write(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    yard.system.recognises_keys = False
    change = yard.plan("G1", phone=("1", "2"))
    with pytest.raises(PowerCut):
        yard.push(at=cut_at(["settle"], PowerCut), lease=300)
    assert yard.state(change) == "pending"
    assert yard.push() == []  # its lease runs
    yard.let_time_pass()
    yard.push()
    assert (yard.state(change), yard.row(change)["code"]) == ("verified", "read_back")
    assert len(yard.system.effects) == 1


def test_patience_grows_by_the_clock_of_the_database_and_ends(yard: Yard) -> None:
    lucky = Backoff(lambda: 1.0, first=30, longest=3600, attempts=8)
    assert [lucky.pause(n).seconds for n in range(1, 8)] == [30, 60, 120, 240, 480, 960, 1920]
    assert lucky.pause(8).spent
    assert Backoff(lambda: 0.25, first=30).pause(2).seconds == 15
    yard.holds("G1", phone="1")
    yard.system.recognises_keys = False
    change = yard.plan("G1", phone=("1", "2"))
    yard.sql("UPDATE outbox SET attempts = 7 WHERE change_id = %s", change)
    with pytest.raises(PowerCut):
        yard.push(at=cut_at(["send"], PowerCut))
    yard.push()
    assert (yard.state(change), yard.row(change)["code"]) == ("dead", "attempts_spent")
    waits = yard.plan("G2", phone=("1", "2"))
    rehearsed = decisions.retry(yard.town.home, [change, waits], [], [], "auditor", dry_run=True)
    assert (rehearsed.done, rehearsed.left, yard.state(change)) == ((change,), (waits,), "dead")
    done = decisions.retry(yard.town.home, [change], [], [], "auditor")
    assert done.done == (change,)
    yard.push()
    assert yard.state(change) == "verified"
    assert "auditor" in {s.actor for s in outbox.steps(yard.engine, change)}


def test_a_system_in_trouble_costs_its_changes_no_attempt_and_opens_its_breaker(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    yard.system.failing = True
    for _ in range(targets.FAILURES):
        [pushed] = yard.push()
        assert "no connection" in (pushed.error or "")
    assert (yard.state(change), yard.row(change)["attempts"]) == ("planned", 0)
    calls = yard.system.calls
    [pushed] = yard.push()
    assert "failures in a row" in (pushed.error or "")
    assert yard.system.calls == calls  # not asked at all
    yard.let_time_pass()
    yard.push()  # the trial fails: the breaker stays open, for longer
    assert targets.standings(yard.engine)[SYSTEM].failures == targets.FAILURES + 1
    yard.let_time_pass()
    yard.system.failing = False
    yard.push()
    assert yard.state(change) == "verified"
    assert targets.standings(yard.engine)[SYSTEM].state == "closed"


def test_a_held_system_waits_for_a_person(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    decisions.hold(yard.town.home, SYSTEM, "too many changes.")
    [pushed] = yard.push()
    assert "onefact target release sg_etong" in (pushed.error or "")
    assert decisions.release(yard.town.home, SYSTEM, "auditor")
    yard.push()
    assert yard.state(change) == "verified"


@pytest.mark.parametrize("case", MERGES, ids=lambda c: c["case"])
def test_edits_on_both_sides_are_merged_by_authority(case: dict[str, str]) -> None:
    field = FieldChange("phone", case["old"] or None, case["new"] or None, case["pushed"] or None)
    change = Change("1", SYSTEM, "d", "person", "person", "update", "G1", (field,), "k")
    held = {"phone": case["held"] or None}
    source = int(case["source_rank"]) if case["source_rank"] else None
    merged = merge(
        change, Outcome("1", "conflict", held=held), lambda *_: int(case["system_rank"]), {"phone": source}.get
    )
    assert merged.outcome == case["result"]
    assert all(f.old == held["phone"] and f.new == field.new for f in merged.write)


def test_a_conflict_that_nobody_can_settle_waits_and_overwrites_nothing(yard: Yard) -> None:
    yard.holds("G1", phone="7")
    change = yard.plan("G1", phone=("1", "2"))
    yard.push()
    assert (yard.state(change), yard.row(change)["code"]) == ("conflict", "changed_there")
    assert yard.shows("G1") == "7"
    assert "139" not in str(yard.row(change)["message"])


def test_what_is_called_off_is_not_sent(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    assert decisions.cancel(yard.town.home, [change], [], [], "auditor", "wrong").done == (change,)
    assert yard.push() == []
    assert yard.shows("G1") == "1"
    with pytest.raises(decisions.NoSuchChange):
        decisions.cancel(yard.town.home, [99999], [], [], "auditor")
    with pytest.raises(decisions.NothingChosen):
        decisions.retry(yard.town.home, [], [], [], "auditor")


STEPS = ("recover", "claim", "deliver", "send", "sent", "read_back", "settle", "settled")
SCHEDULES = [(a,) for a in STEPS] + [(a, b) for a in STEPS for b in STEPS]


@pytest.mark.parametrize("recognises", [True, False], ids=["target keeps keys", "target forgets keys"])
def test_a_power_cut_at_any_step_once_or_twice_loses_and_doubles_nothing(yard: Yard, recognises: bool) -> None:
    yard.system.recognises_keys = recognises
    assert violations(yard, SCHEDULES) == []


def test_the_proof_catches_a_pusher_that_neither_compares_nor_reads_back(yard: Yard) -> None:
    yard.system.recognises_keys = yard.system.careful = False
    yard.never_reads()  # so that nothing is read back before it is sent again
    assert violations(yard, SCHEDULES)


def violations(yard: Yard, schedules: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Run every schedule of power cuts on a record of its own; return those that lost, doubled or left something."""
    wrong = []
    for number, schedule in enumerate(schedules):
        key = f"R{number}"
        yard.holds(key, phone="1")
        change = yard.plan(key, phone=("1", "2"))
        for step in schedule:
            try:
                yard.push(at=cut_at([step], PowerCut))
            except PowerCut:
                continue
        yard.let_time_pass()
        yard.push()
        effects = [k for k, _ in yard.system.effects if k == key]
        if (yard.state(change), yard.shows(key), len(effects)) != ("verified", "2", 1):
            wrong.append(schedule)
    return wrong


def test_an_old_change_is_not_tried_again_after_a_newer_one(yard: Yard) -> None:
    yard.holds("G1", phone="7")
    old = yard.plan("G1", phone=("1", "2"))
    yard.push()
    assert yard.state(old) == "conflict"
    yard.plan("G1", phone=("7", "3"))
    yard.push()
    assert decisions.retry(yard.town.home, [old], [], [], "auditor").left == (old,)
    assert yard.shows("G1") == "3"


def test_a_value_that_is_wanted_again_before_the_next_reading_is_written_again(town: Town) -> None:
    wang, yard = citizen(11), Yard(town)
    town.write("sg_etong", [row("G1", "王伟", id_number=wang, phone=phone("1") or "")])
    pull.pull(town.home, ["sg_etong"])
    consolidate.consolidate(town.home)
    yard.holds("G1", phone="1", id_number=wang)
    for wanted in ("2", "3", "2"):
        enter.enter(town.home, wang, "phone", phone(wanted) or "")
        town.home.now.advance()  # type: ignore[attr-defined]
        consolidate.consolidate(town.home)
        yard.push()
        assert yard.shows("G1") == wanted
    consolidate.consolidate(town.home)
    assert yard.push() == []
