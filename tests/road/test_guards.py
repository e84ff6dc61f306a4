"""Guards: a flood of changes asks a person, and stops nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from delivery_support import SYSTEM, Yard
from road_support import Town

from onefact import outbox as decisions
from onefact.delivery.guards import FILE, Guard, Guards, GuardsUnusable, read
from warehouse.outbox import Load

LOADS = [
    # records, erasures, known, asks
    (50, 0, 100, False),
    (51, 0, 100, True),
    (51, 0, 255, False),
    (2000, 0, 10000, False),
    (2001, 0, 10000, True),
    (9000, 0, 0, False),  # nothing is known of the system: the first load of an empty target
    (1, 1, 10000, True),
    (0, 0, 10000, False),
]


@pytest.mark.parametrize(("records", "erasures", "known", "asks"), LOADS)
def test_when_a_guard_asks(records: int, erasures: int, known: int, asks: bool) -> None:
    assert (Guard().objection(Load(records, records, erasures, known)) is not None) == asks


def test_settings_are_read_for_all_and_for_one(tmp_path: Path) -> None:
    assert read(tmp_path) == Guards()
    (tmp_path / FILE).write_text("share = 0.1\n[si_cert]\nshare = 1.0\n", encoding="utf-8")
    assert (read(tmp_path).of("ybss").share, read(tmp_path).of("si_cert").share) == (0.1, 1.0)
    assert read(tmp_path).of("si_cert").floor == 50


@pytest.mark.parametrize("text", ["share = 'much'", "shares = 1", "floor = -1", "[x]\nerasures = true", "share ="])
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(GuardsUnusable, match=r"guards\.toml"):
        read(tmp_path)


def test_a_flood_is_held_until_a_person_lets_it_through_once(town: Town) -> None:
    yard = Yard(town)
    assert town.home.database
    (town.home.path / FILE).write_text("floor = 2\nshare = 0.5\n", encoding="utf-8")
    for n in range(4):
        yard.holds(f"G{n}", phone="1")
        yard.sql(
            "INSERT INTO crosswalk (system_id, record_key, entity_type, role, master_id, rule) "
            "VALUES (%s, %s, 'person', 'person', gen_random_uuid(), 'anchor')",
            SYSTEM, f"G{n}",
        )  # fmt: skip
    changes = [yard.plan(f"G{n}", phone=("1", "2")) for n in range(3)]
    [pushed] = yard.push()
    assert "3 of 4 records would change, more than 2" in (pushed.error or "")
    assert yard.system.calls == 0
    assert {yard.state(c) for c in changes} == {"planned"}
    assert decisions.release(town.home, SYSTEM, "auditor")
    [pushed] = yard.push()
    assert dict(pushed.states) == {"verified": 3}
    again = [yard.plan(f"G{n}", phone=("2", "3")) for n in range(3)]
    [pushed] = yard.push()
    assert "onefact target release" in (pushed.error or "")  # the permission was for that one load
    assert {yard.state(c) for c in again} == {"planned"}
