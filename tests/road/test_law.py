"""The law as code: what must not flow does not, whatever was planned; what was revoked stops at once."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from delivery_support import SYSTEM, Yard, phone
from road_support import Town, citizen, flat, row

from connectors.manifest.loader import load_all
from onefact import consolidate, enter, pull, rebuild
from onefact.home import OWN_SYSTEMS
from onefact.law import check, records, register, tickets
from onefact.law.rules import Concerned, forbids_about, forbids_field, forbids_reading, rules
from schemas.entities import ENTITIES
from warehouse import outbox

CASES = list(csv.DictReader((Path(__file__).parents[1] / "fixtures" / "road" / "law.csv").open(encoding="utf-8")))
TODAY = date(2026, 11, 25)
FORTY = load_all(OWN_SYSTEMS)


@pytest.fixture
def yard(town: Town) -> Yard:
    return Yard(town)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["case"])
def test_which_flow_is_refused_by_which_rule(case: dict[str, str]) -> None:
    manifest, name = FORTY[case["system"]], case["field"]
    concerned = Concerned(case["birth_date"] or None, case["guardian"] or None, {name: case["source"]})
    rule = forbids_field(manifest, "person", ENTITIES["person"].field(name)) or forbids_about(
        manifest, name, concerned, TODAY
    )
    assert (rule.id if rule else "") == case["rule"]


def test_every_rule_has_its_words_and_its_article() -> None:
    assert all(r.cn and "《" in r.article for r in rules())
    assert {r.id for r in rules()} >= {c["rule"] for c in CASES if c["rule"]}


def test_the_census_is_never_read() -> None:
    census = FORTY["econ_census"]
    assert forbids_reading(census) is None
    curious = census.model_copy(update={"capabilities": census.capabilities.model_copy(update={"read": "full"})})
    rule = forbids_reading(curious)
    assert rule is not None
    assert rule.id == "census_unread"


def test_the_register_has_a_line_for_every_lawful_field_and_none_for_others(yard: Yard) -> None:
    held = register.load(yard.town.home)
    assert held.holds((SYSTEM, "person", "phone", "out"), TODAY)
    assert not held.holds((SYSTEM, "person", "phone", "out"), date(2029, 1, 1))  # its document has run out
    assert not held.holds((SYSTEM, "person", "religion", "out"), TODAY)
    assert register.sync(yard.town.home) == 0


def test_what_is_revoked_stops_at_once_and_the_rest_of_the_change_goes_on(yard: Yard) -> None:
    home = yard.town.home
    yard.holds("G1", phone="1")
    change = yard.plan("G1", phone=("1", "2"), name=("王伟", "王玮"))
    register.revoke(home, SYSTEM, "person.name", "out", "security", "document withdrawn")
    yard.push()
    assert yard.state(change) == "verified"
    assert (yard.shows("G1"), yard.system.rows["G1"]["name"]) == ("2", "王伟")
    [refusal] = [r for r in records.refusals(home, [SYSTEM]) if r["stage"] == "send"]
    assert (refusal["field"], refusal["rule"]) == ("name", "not_authorised")
    alone = yard.plan("G1", name=("王伟", "王玮"))
    yard.push()
    assert (yard.state(alone), yard.row(alone)["code"]) == ("rejected", "law_not_authorised")
    assert register.sync(home) == 0  # the manifest does not bring it back
    register.grant(home, SYSTEM, "person.name", "out", "security", "武网函〔2026〕9号", date(2027, 1, 1))
    again = yard.plan("G1", name=("王伟", "王玮"))
    yard.push()
    assert yard.state(again) == "verified"


def test_who_received_what_by_which_document_is_kept(yard: Yard) -> None:
    yard.holds("G1", phone="1")
    yard.plan("G1", phone=("1", "2"))
    yard.push()
    [shared] = records.sharing(yard.town.home, [SYSTEM], datetime(2020, 1, 1, tzinfo=UTC))
    manifest = yard.town.home.manifests[SYSTEM]
    assert (shared["fields"], shared["document"]) == (["phone"], manifest.authorisation.document)
    assert phone("2") not in str(shared)


def test_what_was_in_doubt_and_showed_later_was_shared_once_and_what_was_lost_and_sent_again_twice(yard: Yard) -> None:
    change = yard.plan("G1", phone=("1", "2"))
    since = datetime(2020, 1, 1, tzinfo=UTC)
    for states, times in (
        (("pending", "sent", "no_answer", "planned", "pending", "sent", "verified"), 1),
        (("planned", "pending", "verified"), 2),
    ):
        for state in states:
            yard.sql("UPDATE outbox SET state = %s WHERE change_id = %s", state, change)
        assert len(records.sharing(yard.town.home, [SYSTEM], since)) == times


def test_a_change_that_is_taken_up_often_is_refused_once(yard: Yard) -> None:
    home = yard.town.home
    register.load(home)
    register.revoke(home, SYSTEM, "person.name", "out", "security", "document withdrawn")
    yard.holds("G1", phone="1")
    for number in range(2):
        yard.plan("G1", phone=("1", "2"), name=("王伟", "王玮"))
        for run in ("p1", "p2"):
            lines = register.read(home)
            planned = outbox.peek(home.engine, [SYSTEM])
            _, refused = check.look(home.engine, home.manifests[SYSTEM], lines, planned, home.now().date())
            check.write_down(home.engine, home.manifests[SYSTEM], refused, run)
        assert len([r for r in records.refusals(home, [SYSTEM]) if r["stage"] == "send"]) == number + 1


def test_a_field_that_may_not_be_read_any_more_is_empty_and_nothing_read_stops_the_system(town: Town) -> None:
    town.write("sg_etong", [row("G1", "王伟", id_number=citizen(11), phone="13900000002、13900000003", home=flat(1))])
    register.revoke(town.home, "sg_etong", "person.phone", "in", "security", "purpose ended")
    pull.pull(town.home, ["sg_etong"])
    consolidate.consolidate(town.home)
    assert (town.person("sg_etong", "G1")["name"], town.person("sg_etong", "G1")["phone"]) == ("王伟", None)
    assert (town.person("sg_etong", "G1")["name"], phones(town)) == ("王伟", [])
    rebuild.rebuild(town.home)  # from landed rows that still hold it
    assert (town.person("sg_etong", "G1")["name"], phones(town)) == ("王伟", [])
    register.revoke(town.home, "sg_etong", "*", "in", "security", "purpose ended")
    [pulled] = pull.pull(town.home, ["sg_etong"])
    assert "not authorised any more" in (pulled.error or "")


def phones(town: Town) -> list[tuple[str, ...]]:
    """Phone numbers in the working copy, second ones that are only hints included."""
    with town.home.warehouse() as con:
        held = con.execute("SELECT phone FROM std_person WHERE phone IS NOT NULL").fetchall()
        return [*held, *con.execute("SELECT value FROM std_hint WHERE field = 'phone'").fetchall()]


def test_a_workers_value_for_anothers_field_waits_for_its_authority(town: Town) -> None:
    wang = citizen(11)
    town.write("ybss", [row("Y1", "王伟", id_number=wang, home=flat(1))])
    town.write("volunteer", [row("V1", "王伟", id_number=wang)])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    entered = enter.enter(town.home, wang, "name", "王玮", actor="lin")
    assert entered.ticket is not None
    consolidate.consolidate(town.home)
    assert town.person("ybss", "Y1")["name"] == "王伟"
    assert not [c for c in town.changes() if c[2] == "name"]  # it reaches nobody
    [ticket] = tickets.tickets(town.home)
    assert (ticket.authority, ticket.waits, ticket.value) == ("ybss", "open", "王玮")
    town.write("ybss", [row("Y1", "王玮", id_number=wang, home=flat(1), changed="2026-10-20 10:00:00")])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    assert tickets.tickets(town.home) == []
    closed, events = tickets.show(town.home, ticket.ticket_id)
    assert (closed.state, [e["what"] for e in events]) == ("accepted", ["opened", "accepted"])
    assert [c[2:] for c in town.changes() if c[0] == "volunteer"] == [("name", "王伟", "王玮")]


def test_a_ticket_is_withdrawn_with_the_value_and_closed_by_an_answer(town: Town) -> None:
    wang = citizen(11)
    town.write("ybss", [row("Y1", "王伟", id_number=wang)])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    first = enter.enter(town.home, wang, "name", "王玮", actor="lin").ticket
    assert enter.enter(town.home, wang, "name", "王玮", actor="lin").ticket == first
    second = enter.enter(town.home, wang, "name", "王炜", actor="lin").ticket
    assert first is not None
    assert second is not None
    assert tickets.show(town.home, first)[0].state == "withdrawn"
    tickets.answer(town.home, second, "reminded", "lin", "电话催办")
    tickets.answer(town.home, second, "refused", "lin", "户籍登记无误")
    assert tickets.show(town.home, second)[0].state == "refused"
    with pytest.raises(tickets.NoSuchTicket, match="onefact ticket list"):
        tickets.answer(town.home, second, "note", "lin", "x")


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-25", 1, "2026-11-26"),
        ("2026-11-25", 3, "2026-11-30"),
        ("2026-11-28", 1, "2026-11-30"),
        ("2026-11-25", 10, "2026-12-09"),
    ],
)
def test_working_days(start: str, days: int, end: str) -> None:
    assert tickets.working_days_after(datetime.fromisoformat(start), days) == datetime.fromisoformat(end)
