"""What a review of the deliveries found: stale retries, order, guards during a push, answers that never come, the law's gaps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from delivery_support import SYSTEM, Yard, cut_at
from road_support import Town
from target_model import ModelConnector, PowerCut

from onefact import outbox as decisions
from onefact.delivery import answers
from onefact.law import records, register
from schemas.entities import ENTITIES
from schemas.records import Change, FieldChange, Outcome
from warehouse import outbox


@pytest.fixture
def yard(town: Town) -> Yard:
    return Yard(town)


def went(yard: Yard, change: int, *states: str, code: str | None = None) -> None:
    for state in states:
        yard.sql("UPDATE outbox SET state = %s, code = %s WHERE change_id = %s", state, code, change)


def test_a_batch_of_wide_records_is_settled(yard: Yard) -> None:
    fields = tuple(FieldChange(f.name, None, "x") for f in ENTITIES["person"].fields[:24])
    yard.sql(
        "INSERT INTO outbox (run_id, system_id, dataset, entity_type, role, master_id, record_key, operation, changes, "
        "idempotency_key, state, leased_by) SELECT 't', %s, 'd', 'person', 'person', gen_random_uuid(), 'K' || i, 'update', "
        "'[]', 'k' || i, 'pending', 'p' FROM generate_series(0, 499) i",
        SYSTEM,
    )
    rows = yard.town.query("SELECT change_id, record_key AS key FROM outbox WHERE leased_by = 'p'")
    mine = [
        Change(str(r["change_id"]), SYSTEM, "d", "person", "person", "update", r["key"], fields, r["key"]) for r in rows
    ]
    done = outbox.settle(yard.engine, mine, [Outcome(c.change_id, "verified") for c in mine], "p")
    assert len(done.recorded) == 500
    assert yard.town.query("SELECT count(*) AS n FROM pushed")[0]["n"] == 12_000


def test_many_changes_are_decided_about_at_once(yard: Yard) -> None:
    assert outbox.retry(yard.engine, range(70_000), "li") == []


def test_systems_that_say_the_same_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    wrong: list[BaseException] = []

    def keep() -> None:
        try:
            for i in range(100):
                answers.keep(tmp_path, [Outcome("1", "verified", raw=b"%d" % i * 2000)])
        except BaseException as problem:  # noqa: BLE001 - told by the test
            wrong.append(problem)

    threads = [threading.Thread(target=keep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.rglob("*") if p.is_file())


@pytest.mark.parametrize("code", ["http_422", "attempts_spent"])
def test_a_change_that_a_newer_one_replaced_is_not_tried_again(yard: Yard, code: str) -> None:
    yard.holds("G1", phone="1")
    old = yard.plan("G1", phone=("1", "2"))
    went(yard, old, "pending", "dead" if code == "attempts_spent" else "rejected", code=code)
    yard.plan("G1", phone=("1", "3"))
    yard.push()
    assert decisions.retry(yard.town.home, [old], [], [], "li").left == (old,)
    yard.push()
    assert yard.shows("G1") == "3"


def test_a_record_that_is_there_by_now_is_not_created_by_a_retry(yard: Yard) -> None:
    change = yard.plan(None, phone=(None, "1"))
    went(yard, change, "pending", "rejected", code="http_422")
    master = yard.row(change)["master_id"]
    yard.sql(
        "INSERT INTO crosswalk (system_id, record_key, entity_type, role, master_id, rule) VALUES (%s, 'G1', 'person', 'person', %s, 'id')",
        SYSTEM, master,
    )  # fmt: skip
    assert decisions.retry(yard.town.home, [change], [], [], "li").left == (change,)


def test_a_change_that_is_wanted_again_does_not_overtake_one_on_its_way(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    first = yard.plan("G1", phone=("1", "2"))
    went(yard, first, "dead", code="superseded")
    second = yard.plan("G1", phone=("1", "3"))
    with pytest.raises(PowerCut):
        yard.push(at=cut_at(["send"], PowerCut), lease=300)
    went(yard, first, "planned")  # the golden value is what it was
    yard.push("p2", lease=300)
    assert (yard.state(first), yard.state(second)) == ("planned", "pending")
    yard.let_time_pass()
    yard.push("p2")
    assert (yard.state(first), yard.state(second), yard.shows("G1")) == ("verified", "verified", "2")


def planned_meanwhile(yard: Yard, and_then: Callable[[], object], new: str | None) -> list[int]:
    """Push one change; while it is under way another one is planned. Return the other."""
    yard.holds("G1", phone="1")
    yard.holds("G2", phone="1")
    yard.plan("G1", phone=("1", "2"))
    other: list[int] = []

    def at(step: str) -> None:
        if step == "settled" and not other:
            other.append(yard.plan("G2", phone=("1", new)))
            and_then()

    yard.push(at=at)
    return other


def test_what_is_planned_during_a_push_is_judged_by_the_guards_too(yard: Yard) -> None:
    run = "INSERT INTO run (run_id, verb) VALUES ('c1', 'consolidate')"
    [other] = planned_meanwhile(yard, lambda: yard.sql(run), None)
    assert yard.state(other) == "planned"
    assert yard.town.query("SELECT state FROM target WHERE holder = %s", SYSTEM) == [{"state": "held"}]


def test_a_hold_stops_a_push_that_is_under_way(yard: Yard) -> None:
    [other] = planned_meanwhile(yard, lambda: decisions.hold(yard.town.home, SYSTEM, "wait"), "3")
    assert yard.state(other) == "planned"


def test_what_is_revoked_during_a_push_goes_out_no_more(yard: Yard) -> None:
    home = yard.town.home
    revoke = lambda: register.revoke(home, SYSTEM, "person.phone", "out", "li", "stop")  # noqa: E731
    [other] = planned_meanwhile(yard, revoke, "3")
    assert (yard.row(other)["state"], yard.row(other)["code"]) == ("rejected", "law_not_authorised")


def test_an_answer_that_never_comes_can_be_decided_about_where_it_is_named(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    first = yard.plan("G1", phone=("1", "2"))
    went(yard, first, "pending", "sent")
    second = yard.plan("G1", phone=("1", "3"))
    yard.push()
    assert yard.state(second) == "planned"
    assert decisions.retry(yard.town.home, [], [SYSTEM], [], "li").done == ()
    assert decisions.cancel(yard.town.home, [first], [], [], "li").done == (first,)
    yard.push()
    assert yard.state(second) == "verified"


def test_a_lost_answer_is_read_back_when_a_person_asks(yard: Yard) -> None:
    yard.holds("G1", phone="2")
    change = yard.plan("G1", phone=("1", "2"))
    went(yard, change, "pending", "sent")
    assert decisions.retry(yard.town.home, [change], [], [], "li").done == (change,)
    yard.push()
    assert yard.steps(change)[-2:] == ["no_answer", "verified"]


def test_what_a_person_typed_and_nobody_can_read_holds_up_nothing(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    went(yard, yard.plan("G1", phone=("1", "2")), "pending", "sent", code="typed_by_person")
    second = yard.plan("G1", phone=("1", "3"))
    yard.push()
    assert yard.state(second) == "verified"


def test_the_last_attempt_without_an_answer_is_read_back_not_given_up(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    yard.sql("UPDATE outbox SET attempts = 7 WHERE change_id = %s", change)
    yard.system.silent = 1
    yard.push()
    assert yard.state(change) == "no_answer"
    yard.let_time_pass()
    yard.push()
    assert yard.state(change) == "verified"


@dataclass
class Later:
    """A connector whose system accepts everything and says `busy` in each receipt."""

    inner: ModelConnector
    says: Outcome | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        for change in changes:
            yield Outcome(change.change_id, "sent", receipt="r", record_key=change.record_key)

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        for change_id, receipt in pending:
            yield Outcome(change_id, "planned", "receipt_busy", receipt=receipt)


def later(yard: Yard) -> None:
    make = yard.system.connector
    yard.system.connector = lambda m, c: Later(make(m, c))  # type: ignore[method-assign, assignment, return-value]


def test_a_system_that_is_busy_in_every_receipt_is_asked_less_and_less_and_not_for_ever(yard: Yard) -> None:
    later(yard)
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    yard.push()
    assert yard.row(change)["next_try_at"] is not None
    assert yard.town.query("SELECT DISTINCT run_id FROM delivery WHERE code = 'receipt_busy'") == [{"run_id": "p1"}]
    for _ in range(8):
        yard.let_time_pass()
        yard.push()
    assert (yard.row(change)["state"], yard.row(change)["code"]) == ("dead", "attempts_spent")


def test_what_the_law_kept_back_is_not_remembered_as_written_nor_as_shared(yard: Yard) -> None:
    home = yard.town.home
    register.load(home)
    register.revoke(home, SYSTEM, "person.phone", "out", "li", "stop")
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"), name=("王伟", "王卫"))
    yard.system.silent = 1
    yard.push(lease=300)
    assert yard.row(change)["withheld"] == ["phone"]
    yard.let_time_pass()
    yard.push()
    assert (yard.state(change), yard.shows("G1")) == ("verified", "1")
    assert yard.town.query("SELECT field FROM pushed") == [{"field": "name"}]
    [shared] = records.sharing(home, [SYSTEM], home.now().astimezone().replace(year=2000))
    assert (shared["fields"], shared["document"] is None) == (["name"], False)
