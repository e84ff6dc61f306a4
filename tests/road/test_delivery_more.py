"""Deliveries hold where time and people get between: leases, asked pauses, revoked fields; what was answered is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from delivery_support import SYSTEM, Yard
from road_support import Town
from target_model import ModelConnector, ModelSystem

from connectors.base import Context, Unreachable
from connectors.manifest import Manifest
from onefact.delivery import answers
from schemas.records import Change, Outcome
from warehouse import outbox
from warehouse.outbox import targets


@pytest.fixture
def yard(town: Town) -> Yard:
    return Yard(town)


def test_a_lease_is_renewed_for_its_owner_only(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"))
    [claimed] = outbox.claim(yard.engine, SYSTEM, 10, "p1", 0.0)
    [taken] = outbox.doubtful(yard.engine, SYSTEM, 10, "p2", 300)
    assert (claimed.change.change_id, taken.change.change_id) == (str(change), str(change))
    assert outbox.renew(yard.engine, SYSTEM, "p1", 900) == 0
    assert outbox.renew(yard.engine, SYSTEM, "p2", 900) == 1


class Busy(ModelSystem):
    """A system that asks to be left alone for a while."""

    def connector(self, manifest: Manifest, context: Context) -> ModelConnector:
        return BusyConnector(self, manifest, context.at)


class BusyConnector(ModelConnector):
    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        problem = Unreachable(self.manifest.id, "/batch", "HTTP 429, the quota is used up", "Wait.")
        problem.retry_after = 600.0
        raise problem
        yield  # a generator, as every connector's push


def test_a_system_that_asks_for_a_pause_gets_it_for_everything_planned_for_it(yard: Yard) -> None:
    yard.system, quiet = Busy(), yard.system
    yard.holds("G1", phone="1")
    asked = yard.plan("G1", phone=("1", "2"))
    yard.push()
    [waits] = yard.town.query("SELECT extract(epoch FROM next_try_at - now())::float AS s FROM outbox")
    assert 590 < waits["s"] <= 600
    assert yard.row(asked)["attempts"] == 0  # the system was busy, the change is not at fault
    standing = targets.standings(yard.engine)[SYSTEM]
    assert (standing.state, standing.failures, standing.trial) == ("open", 1, False)
    yard.system = quiet
    for key in ("G1", "G2"):
        yard.holds(key, phone="1")
    later = yard.plan("G2", phone=("1", "2"))
    [pushed] = yard.push()
    assert "nothing is sent until" in (pushed.error or "")
    assert yard.state(later) == "planned"
    yard.let_time_pass()
    yard.push()
    assert (yard.state(asked), yard.state(later)) == ("verified", "verified")


def test_the_pause_that_an_answer_asks_for_is_longer_than_our_own(yard: Yard) -> None:
    backoff = yard.settings().backoff
    assert backoff.pause(1).seconds == 5.0
    assert backoff.pause(1, asked=120.0).seconds == 120.0
    assert backoff.pause(1, asked=1.0).seconds == 5.0


def test_what_is_read_back_is_not_sent_again_when_a_field_of_it_was_revoked(yard: Yard) -> None:
    from onefact.law import register

    yard.system = keeper = Keeping()
    yard.holds("G1", phone="1")
    yard.holds("G2", phone="1")
    keeper.silent = 2
    one, two = yard.plan("G1", phone=("1", "2")), yard.plan("G2", name=("王伟", "王玮"))
    yard.push(lease=300)
    register.revoke(yard.town.home, SYSTEM, "person.name", "out", "security", "withdrawn")
    yard.let_time_pass()
    yard.push()
    assert keeper.withheld == {yard.row(two)["idempotency_key"]}
    assert yard.row(one)["idempotency_key"] not in keeper.withheld


class Keeping(ModelSystem):
    """A system whose connector keeps what it sent."""

    withheld: frozenset[str] = frozenset()

    def connector(self, manifest: Manifest, context: Context) -> ModelConnector:
        return KeepingConnector(self, manifest, context.at)


class KeepingConnector(ModelConnector):
    def resume(self, changes: Sequence[Change], withheld: Collection[str] = ()) -> Iterator[Outcome]:
        assert isinstance(self.system, Keeping)
        self.system.withheld = frozenset(withheld)
        yield from ()


def test_the_answers_of_one_delivery_lie_in_one_file_and_are_found_by_their_hash(tmp_path: Path) -> None:
    said = [b"one", b"two", b"one", None]
    outcomes = [Outcome(str(n), "verified", raw=raw) for n, raw in enumerate(said)]
    hashes = answers.keep(tmp_path, outcomes)
    assert hashes == {str(n): hashlib.sha256(raw).hexdigest() for n, raw in enumerate(said) if raw is not None}
    answers.keep(tmp_path, outcomes)  # a repeat adds nothing
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1
    assert [answers.read(tmp_path, hashes[n]) for n in ("0", "1", "2")] == [b"one", b"two", b"one"]
    alone = answers.keep(tmp_path, [Outcome("9", "verified", raw=b"alone")])
    assert answers.read(tmp_path, alone["9"]) == b"alone"
    assert answers.read(tmp_path, "0" * 64) is None
    assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.rglob("*") if p.is_file())
