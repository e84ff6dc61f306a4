"""Reconciliation: what systems hold is compared with the master; guards ask first; typed entries are read back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from delivery_support import SYSTEM, Yard
from road_support import MakeHome, Town, citizen, manifests, row

from onefact import outbox, tasks
from onefact.consolidate import consolidate
from onefact.delivery import guards
from onefact.delivery.due import dated
from onefact.delivery.guards import Guards, Limits, Planned, judge
from onefact.enter import enter
from onefact.pull import pull
from onefact.push import push
from onefact.reconcile import Reconciled, reconcile
from schemas.records import Outcome
from warehouse.outbox import overdue

PHONE, OLD = "13900000002", "13900000001"


@pytest.fixture
def town(make_home: MakeHome, tmp_path: Path) -> Town:
    return Town(make_home(tmp_path, manifests("ybss", "sg_etong")))


@pytest.fixture
def agreed(town: Town) -> Yard:
    """Three people whom police and e通 know; a worker has entered a new phone number for the first one."""
    police = [row(f"P{n}", "王伟", id_number=citizen(n), phone=f"1390000000{n}") for n in (2, 3, 4)]
    grid = [row(f"G{n}", "王伟", id_number=citizen(n), phone=f"1390000000{n}") for n in (2, 3, 4)]
    grid[0] = {**grid[0], "phone": OLD}
    police[0] = {**police[0], "phone": OLD}
    town.write("ybss", police)
    town.write("sg_etong", grid)
    yard = Yard(town)
    for line in grid:
        yard.system.rows[line["id"]] = {k: v for k, v in line.items() if k != "id"}
    pull(town.home)
    consolidate(town.home)
    enter(town.home, town.id_of("sg_etong", "G2"), "phone", PHONE, actor="张三")
    consolidate(town.home)
    assert town.changes() == {(SYSTEM, "G2", "phone", OLD, PHONE)}
    return yard


def compared(yard: Yard, *, dry_run: bool = False) -> Reconciled:
    return reconcile(yard.town.home, [SYSTEM], connect=yard.system.connector, dry_run=dry_run)


def found(result: Reconciled) -> set[tuple[str, str, str, str]]:
    return {(f.record_key, f.field, f.kind, f.code) for f in result.findings}


def test_a_change_that_waits_explains_a_difference_and_a_written_one_leaves_none(agreed: Yard) -> None:
    assert found(compared(agreed)) == {("G2", "phone", "pending", "planned")}
    agreed.push()
    result = compared(agreed)
    assert (found(result), result.alarming) == (set(), False)
    assert agreed.town.query("SELECT * FROM finding") == []


def test_a_value_lost_silently_is_found_planned_again_and_closed(agreed: Yard) -> None:
    agreed.push()
    agreed.system.rows["G2"]["phone"] = OLD  # restored from yesterday's backup
    rehearsed = compared(agreed, dry_run=True)
    assert (found(rehearsed), rehearsed.alarming) == ({("G2", "phone", "silent_loss", "back_to_old")}, True)
    assert agreed.town.query("SELECT * FROM finding") == []
    assert compared(agreed).opened == 1
    assert compared(agreed).opened == 0  # the same loss is one finding
    assert consolidate(agreed.town.home).planned == 1
    assert consolidate(agreed.town.home).planned == 0
    agreed.push()
    assert agreed.system.rows["G2"]["phone"] == PHONE
    assert consolidate(agreed.town.home).planned == 0
    result = compared(agreed)
    assert (found(result), result.closed) == (set(), 1)


def test_ghosts_news_and_other_spellings_are_told_apart(agreed: Yard) -> None:
    agreed.push()
    agreed.system.rows["G2"]["phone"] = "139-0000-0002"
    agreed.system.rows["G3"]["phone"] = "13900000009"
    del agreed.system.rows["G4"]
    cursors = agreed.town.query("SELECT * FROM source_cursor")
    result = compared(agreed)
    assert found(result) == {
        ("G2", "phone", "near_miss", "rewritten"),
        ("G3", "phone", "news", "not_pulled"),
        ("G4", "", "ghost", "gone"),
    }
    assert result.alarming
    assert agreed.town.query("SELECT * FROM source_cursor") == cursors


def test_what_was_refused_stays_a_stale_copy_with_its_reason(agreed: Yard) -> None:
    agreed.sql("UPDATE outbox SET state = 'pending'")
    agreed.sql("UPDATE outbox SET state = 'rejected', code = 'form_error'")
    assert found(compared(agreed)) == {("G2", "phone", "stale", "rejected")}


def test_a_system_that_cannot_be_reached_or_read_is_named_and_closes_no_finding(agreed: Yard) -> None:
    agreed.push()
    del agreed.system.rows["G4"]
    compared(agreed)
    agreed.system.failing = True
    result = compared(agreed)
    assert result.systems[0].error is not None
    assert result.alarming
    assert result.closed == 0
    agreed.never_reads()
    assert [s.unreadable for s in compared(agreed).systems] == [True]


def test_findings_are_never_rewritten(agreed: Yard) -> None:
    del agreed.system.rows["G4"]
    compared(agreed)
    with pytest.raises(Exception, match="append-only"):
        agreed.sql("UPDATE finding SET kind = 'stale'")


@pytest.mark.parametrize(
    ("plan", "known", "stopped"),
    [
        (Planned(51), 100, True),
        (Planned(50), 100, False),  # so few are never asked about
        (Planned(200), 1000, False),  # exactly a fifth
        (Planned(201), 1000, True),
        (Planned(5000), 0, False),  # first load of an empty system
        (Planned(1, deletes=1), 1000, True),
        (Planned(1, deletes=1), 0, True),
    ],
)
def test_a_flood_or_a_deletion_asks_first(plan: Planned, known: int, stopped: bool) -> None:
    assert ("s" in judge({"s": plan}, {"s": known}, Guards())) is stopped


def test_limits_of_one_system_replace_those_of_all() -> None:
    limits = Guards(first="allow", systems={"s": Limits(share=1.0, deletes=5)})
    plans = {"s": Planned(900, deletes=5), "t": Planned(900), "u": Planned(900, first=True)}
    assert set(judge(plans, {"s": 1000, "t": 1000, "u": 1000}, limits)) == {"t"}


def test_a_held_system_waits_until_a_person_lets_just_these_changes_through(agreed: Yard) -> None:
    home = agreed.town.home
    (home.path / guards.FILE).write_text("floor: 0\nshare: 0.2\n", encoding="utf-8")
    [pushed] = agreed.push()
    assert pushed.error is not None
    assert "33%" in pushed.error
    assert "onefact target release sg_etong" in pushed.error
    assert agreed.system.rows["G2"]["phone"] == OLD
    assert outbox.release(home, SYSTEM, "张三")
    agreed.push()
    assert agreed.system.rows["G2"]["phone"] == PHONE
    agreed.plan("G3", phone=("3", "7"))
    [again] = agreed.push()
    assert again.error is not None  # the next flood is asked about again


def test_unreadable_limits_stop_the_push(agreed: Yard) -> None:
    (agreed.town.home.path / guards.FILE).write_text("shre: 0.5\n", encoding="utf-8")
    with pytest.raises(guards.GuardsUnreadable, match="shre"):
        push(agreed.town.home)


def test_a_source_that_is_suddenly_empty_deletes_nothing(agreed: Yard) -> None:
    agreed.push()
    before = agreed.town.golden()
    agreed.town.write("sg_etong", [])
    pulled = {p.system_id: p.counts for p in pull(agreed.town.home)}
    assert (pulled[SYSTEM].removed, pulled[SYSTEM].withheld_removals) == (0, 3)
    consolidate(agreed.town.home)
    assert agreed.town.golden() == before
    assert agreed.town.changes() == set()


def test_an_answer_has_a_date_by_which_it_is_due_and_is_listed_after_it(agreed: Yard) -> None:
    manifest = agreed.town.home.manifests[SYSTEM]
    later = manifest.model_copy(update={"capabilities": manifest.capabilities.model_copy(update={"receipt": "later"})})
    now = agreed.town.home.now()
    sent = [Outcome("1", "sent", "accepted"), Outcome("2", "sent", "exported"), Outcome("3", "verified", "ok")]
    dates = [o.due for o in dated(later, sent, now)]
    assert dates == [(now + timedelta(days=2)).astimezone().isoformat(timespec="seconds"), None, None]
    change = int(agreed.town.query("SELECT change_id FROM outbox")[0]["change_id"])
    agreed.sql("UPDATE outbox SET state = 'pending'")
    agreed.sql("UPDATE outbox SET state = 'sent', due_at = %s", dates[0])
    assert overdue(agreed.engine, (now + timedelta(days=1)).astimezone()) == []
    assert [r.change_id for r in overdue(agreed.engine, (now + timedelta(days=3)).astimezone())] == [change]


def test_a_rehearsed_entry_or_release_leaves_no_trace(agreed: Yard) -> None:
    home = agreed.town.home
    entries = agreed.town.query("SELECT count(*) AS n FROM entry")
    enter(home, agreed.town.id_of("sg_etong", "G3"), "phone", PHONE, dry_run=True)
    assert agreed.town.query("SELECT count(*) AS n FROM entry") == entries
    outbox.hold(home, SYSTEM, "试", dry_run=True)
    assert agreed.town.query("SELECT * FROM target") == []
    outbox.hold(home, SYSTEM, "试")
    assert outbox.release(home, SYSTEM, "张三", dry_run=True)
    assert agreed.town.query("SELECT state FROM target") == [{"state": "held"}]


@pytest.fixture
def typed(agreed: Yard) -> int:
    """The number of an entry that a person has to type."""
    agreed.sql("UPDATE outbox SET state = 'pending'")
    agreed.sql(
        """UPDATE outbox SET state = 'awaiting_person', message = '/p/G2', detail = '[["联系电话", "13900000002"]]'"""
    )
    return int(agreed.town.query("SELECT change_id FROM outbox")[0]["change_id"])


def test_an_entry_is_shown_as_the_form_asks_and_done_when_the_system_shows_it(agreed: Yard, typed: int) -> None:
    home = agreed.town.home
    [task] = tasks.tasks(home)
    assert (task.number, task.system, task.lines, task.copy_lines) == (typed, "社管e通", (("联系电话", PHONE),), PHONE)
    with pytest.raises(tasks.NotSeen, match="联系方式"):
        tasks.done(home, typed, "李四", connect=agreed.system.connector)
    assert agreed.state(typed) == "awaiting_person"
    agreed.system.rows["G2"]["phone"] = PHONE
    assert tasks.done(home, typed, "李四", dry_run=True, connect=agreed.system.connector).state == "verified"
    assert agreed.state(typed) == "awaiting_person"
    tasks.done(home, typed, "李四", connect=agreed.system.connector)
    assert (agreed.state(typed), agreed.row(typed)["code"]) == ("verified", "typed_and_read")
    last = agreed.town.query("SELECT actor, state FROM delivery ORDER BY delivery_id DESC LIMIT 1")
    assert last == [{"actor": "李四", "state": "verified"}]
    with pytest.raises(tasks.NoSuchTask):
        tasks.task(home, typed)


def test_what_nobody_can_read_is_taken_on_the_persons_word(agreed: Yard, typed: int) -> None:
    agreed.never_reads()
    done = tasks.done(agreed.town.home, typed, "李四", connect=agreed.system.connector)
    assert (done.state, done.code) == ("sent", "typed_by_person")
    assert agreed.system.calls == 0


def test_an_entry_may_be_called_off(agreed: Yard, typed: int) -> None:
    tasks.skip(agreed.town.home, typed, "李四", "已迁出", dry_run=True)
    assert agreed.state(typed) == "awaiting_person"
    tasks.skip(agreed.town.home, typed, "李四", "已迁出")
    assert (agreed.state(typed), agreed.row(typed)["message"]) == ("dead", "已迁出")


def test_edits_on_both_sides_end_in_one_state_and_stay_there(agreed: Yard) -> None:
    """A worker enters a number while somebody changes it in e通: the newer one stands everywhere, and nothing moves any more."""
    town = agreed.town
    agreed.push()

    def cycle() -> int:
        grid = [{"id": k, **{c: v or "" for c, v in values.items()}} for k, values in agreed.system.rows.items()]
        town.write("sg_etong", grid)
        pull(town.home)
        planned = consolidate(town.home).planned
        agreed.push()
        return planned

    agreed.system.rows["G2"] |= {"phone": "13900000008", "changed": "2026-10-05 09:00:00"}
    enter(town.home, town.id_of("sg_etong", "G2"), "phone", "13900000007", actor="张三")
    cycle()
    assert agreed.system.rows["G2"]["phone"] == "13900000007"
    assert town.person("ybss", "P2")["phone"] == "13900000007"
    cycle()
    golden = town.golden()
    assert [cycle() for _ in range(2)] == [0, 0]
    assert town.golden() == golden
    assert found(compared(agreed)) == set()
