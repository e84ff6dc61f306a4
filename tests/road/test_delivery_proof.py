"""Samples of the proof that benchmarks/delivery.py runs whole: power cuts, kills, a bad network, against real stand-ins."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import bad_network
import crash_matrix
import kills
import pytest
from fleet import KINDS, Fleet
from live import Live
from variants import VARIANTS, broken

READING = [kind for kind, about in KINDS.items() if about.reads]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), records=20) as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_a_power_cut_at_any_step_of_any_kind_loses_and_doubles_nothing(fleet: Fleet, kind: str) -> None:
    every = list(crash_matrix.schedules(kind, 1))
    some = random.Random(4).sample(list(crash_matrix.schedules(kind, 3)), 4)
    assert crash_matrix.matrix(fleet, kind, [*every, *some]).violations == []


@pytest.mark.parametrize("kind", READING)
def test_an_edit_of_others_is_never_overwritten(fleet: Fleet, kind: str) -> None:
    assert crash_matrix.foreign(fleet, kind, None, 0) == []
    assert crash_matrix.foreign(fleet, kind, "deliver", 1) == []


@pytest.mark.parametrize("kind", READING)
def test_a_record_that_was_perhaps_made_is_not_made_twice(fleet: Fleet, kind: str) -> None:
    assert [crash_matrix.creation(fleet, kind, step) for step in (None, "send", "sent")] == [[], [], []]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_proof_catches_a_missing_safeguard(tmp_path: Path, variant: str) -> None:
    with Fleet(tmp_path, {"rest": KINDS["rest"]}, records=20) as fleet, broken(variant):
        assert crash_matrix.first_violation(fleet, "rest")


def test_changes_cross_a_bad_network_within_the_retry_budget(fleet: Fleet) -> None:
    with bad_network.storm(fleet) as proxies:
        fleet.fault("rest", *bad_network.MIX[:1], *bad_network.MIX[2:])
        try:
            crossed = [bad_network.cross(fleet, kind, proxies[kind], 20) for kind in ("rest", "webhook", "sftp_csv")]
        finally:
            fleet.fault("rest", None)
    assert [(c.kind, c.wrong) for c in crossed] == [("rest", ()), ("webhook", ()), ("sftp_csv", ())]
    assert [dict(c.ended) for c in crossed] == [{"verified": 20}] * 3
    assert max(max(c.attempts) for c in crossed) <= 8
    assert sum(c.weather.get("drop_answer", 0) + c.weather.get("reset", 0) for c in crossed) > 0


@pytest.mark.slow
def test_a_pusher_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with Live(tmp_path / "home", people=100) as live:
        done = kills.kill_while_entering(live, 10, people=6)
    assert done.accounts is not None
    assert (done.accounts.lost, done.accounts.doubled, done.last) == ((), (), [])
    assert done.accounts.compared > 20
    assert done.open == 0
    assert not [what for what in done.planned if "phone" in what]
    assert done.again == []
