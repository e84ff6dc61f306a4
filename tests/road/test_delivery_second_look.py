"""What deliveries owe the law, the master and a slow system when time has passed since they were planned."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from delivery_support import SYSTEM, Yard, phone
from road_support import Town, citizen, flat, row

from connectors.base import ConnectorError, Unreachable
from onefact import consolidate, enter, pull
from onefact import outbox as decisions
from onefact.law import tickets
from onefact.push import push
from warehouse import outbox
from warehouse.outbox import targets

WANG = citizen(11)


@pytest.fixture
def yard(town: Town) -> Yard:
    return Yard(town)


def known(yard: Yard, held: str = "1") -> str:
    """王伟, whom the register and the system under test know; return his master id."""
    town = yard.town
    town.write("ybss", [row("Y1", "王伟", id_number=WANG, home=flat(1))])
    town.write(SYSTEM, [row("G1", "王伟", id_number=WANG, phone=phone(held) or "", home=flat(1))])
    yard.holds("G1", phone=held)
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    return town.id_of(SYSTEM, "G1")


def say(yard: Yard, number: str) -> None:
    """A worker enters a phone number, and it is carried as far as the outbox."""
    enter.enter(yard.town.home, WANG, "phone", phone(number) or "", actor="lin")
    consolidate.consolidate(yard.town.home)


def test_a_value_that_is_taken_back_reaches_a_system_that_was_not_read_since(yard: Yard) -> None:
    known(yard)
    for number in ("2", "1", "2", "1"):  # the system is never read in between
        say(yard, number)
        yard.push()
        assert yard.shows("G1") == number
    assert consolidate.consolidate(yard.town.home).planned == 0


def test_a_slow_system_keeps_its_changes_in_the_hands_of_its_pusher(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    taken: list[object] = []

    def slow(step: str) -> None:
        if step == "send":
            time.sleep(0.9)  # three leases long
            taken.extend(outbox.doubtful(yard.engine, SYSTEM, 10, "other"))

    yard.push(at=slow, lease=0.3)
    assert taken == []
    assert yard.state(change) == "verified"


def refusing(seconds: float | None) -> Callable[..., object]:
    def connect(*_: object) -> object:
        problem: ConnectorError = Unreachable(SYSTEM, "/", "HTTP 429", "Wait.")
        problem.retry_after = seconds
        raise problem

    return connect


@pytest.mark.parametrize(("seconds", "state"), [(600.0, "open"), (None, "closed")])
def test_a_system_that_asks_for_time_is_left_alone_that_long(yard: Yard, seconds: float | None, state: str) -> None:
    yard.plan("G1", phone=("1", "2"))
    push(yard.town.home, [SYSTEM], settings=replace(yard.settings(), connect=refusing(seconds)))  # type: ignore[arg-type]
    standing = targets.standings(yard.engine)[SYSTEM]
    assert standing.state == state
    if seconds:
        [until] = yard.town.query("SELECT extract(epoch FROM until - now()) AS s FROM target WHERE holder = %s", SYSTEM)
        assert 590 < until["s"] <= 600
        [pushed] = yard.push()
        assert pushed.transient


def test_a_dead_letter_that_the_master_does_not_want_any_more_is_left(yard: Yard) -> None:
    master = known(yard)
    stale, wanted = yard.plan("G1", phone=("1", "2")), yard.plan("G1", name=("王偉", "王伟"))
    for change in (stale, wanted):
        yard.sql("UPDATE outbox SET master_id = %s WHERE change_id = %s", master, change)
        yard.sql("UPDATE outbox SET state = 'pending' WHERE change_id = %s", change)
        yard.sql("UPDATE outbox SET state = 'dead', code = 'attempts_spent' WHERE change_id = %s", change)
    decided = decisions.retry(yard.town.home, [stale, wanted], [], [], "li")
    assert (decided.done, decided.left) == ((wanted,), (stale,))


def test_a_ticket_about_somebody_who_was_merged_closes_when_the_heir_has_the_value(yard: Yard) -> None:
    master = known(yard)
    town = yard.town
    entered = enter.enter(town.home, WANG, "name", "王玮", actor="lin")
    former = "01900000-0000-7000-8000-000000000001"
    yard.sql("UPDATE ticket SET master_id = %s", former)
    yard.sql(
        "INSERT INTO redirect (old_id, new_id, entity_type, run_id) VALUES (%s, %s, 'person', 'test')", former, master
    )
    town.write("ybss", [row("Y1", "王玮", id_number=WANG, home=flat(1), changed="2026-10-20 10:00:00")])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    assert tickets.show(town.home, entered.ticket or 0)[0].state == "accepted"
