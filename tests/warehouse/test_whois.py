"""Who did we think this was on day X, and why: the answer is what the history says, for every day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_support import Master, Who, master, pair, record, table

from onefact.sides import JudgementRefused
from onefact.whois import Identity, NobodyThen, whois
from warehouse import judgements
from warehouse.judgements import By

HISTORY, WEIGHTS = table("history.tsv"), table("edges.tsv")
DAYS = [name for name in HISTORY[0] if name != "record"]


def who_on(day: str) -> dict[str, tuple[str, str]]:
    return {r["record"]: tuple(r[day].split()) for r in HISTORY if r[day] != "-"}  # type: ignore[misc]


def weights_on(day: str) -> dict[tuple[str, str], float]:
    return {(r["left"], r["right"]): float(r[day]) for r in WEIGHTS if r[day] != "-"}


@pytest.fixture(scope="module")
def lived(make_home: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """The history of the fixture, one run on the morning of each day; on day 2 a person objects at noon."""
    ledger = Master(make_home(tmp_path_factory.mktemp("lived"), {}))
    for day in DAYS:
        ledger.home.now.moment = datetime.fromisoformat(f"{day}T08:00")  # type: ignore[attr-defined]
        ledger.run(who_on(day), weights_on(day))
        if day == "2026-11-02":
            ledger.home.now.moment = datetime.fromisoformat(f"{day}T12:00")  # type: ignore[attr-defined]
            with ledger.home.engine.begin() as connection:
                by = By("李主任", "两家人，已上门核实", ledger.home.now())
                judgements.judge(connection, [pair("sg_etong/G1", "ybss/Y1")], "negative", by)
    ledger.golden("A", name="王伟")
    ledger.golden("B", name="王玮")
    return ledger


def ask(ledger: Master, text: str, on: str | None = None) -> Identity:
    found = whois(ledger.home, *text.split("/"), on)
    assert len(found.identities) == 1
    return found.identities[0]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("text", [r["record"] for r in HISTORY])
def test_each_day_is_answered_as_it_was(lived: Master, text: str, day: str) -> None:
    who = who_on(day)
    if text not in who:
        with pytest.raises(NobodyThen, match="没有归属"):
            whois(lived.home, *text.split("/"), day)
        return
    letter, rule = who[text]
    found = ask(lived, text, day)
    assert (found.held.master_id, found.held.rule) == (master(letter), rule)
    assert {f.record for f in found.fellows} == {record(t) for t, (x, _) in who.items() if x == letter and t != text}
    members = {t for t, (x, _) in who.items() if x == letter}
    assert {(e.pair, e.weight) for e in found.evidence if e.judgement == "auto"} == {
        (pair(*p), w) for p, w in weights_on(day).items() if set(p) <= members
    }


def test_the_answer_names_who_judged_when_and_why(lived: Master) -> None:
    assert [e for e in ask(lived, "sg_etong/G1", "2026-11-02T11:59").evidence if e.judgement != "auto"] == []
    for day in ("2026-11-02", "2026-11-05"):
        first = ask(lived, "ybss/Y1", day).evidence[0]
        assert (first.judgement, first.actor, first.reason) == ("negative", "李主任", "两家人，已上门核实")
        assert first.since.astimezone().replace(tzinfo=None) - datetime(2026, 11, 2, 12) < timedelta(seconds=1)  # noqa: DTZ001


def test_a_time_within_a_day_tells_before_from_after_the_run(lived: Master) -> None:
    assert ask(lived, "sg_etong/G1", "2026-11-02T07:59").held.master_id == master("B")
    assert ask(lived, "sg_etong/G1", "2026-11-02T08:01").held.master_id == master("A")


def test_the_whole_life_of_a_record_is_told(lived: Master) -> None:
    life = ask(lived, "sg_etong/G1").life
    assert [(h.master_id, h.rule) for h in life] == [
        (master("B"), "single"),
        (master("A"), "match"),
        (master("B"), "match"),
    ]
    assert [h.ended_by for h in life] == ["run2", "run3", None]


@pytest.mark.parametrize(("system", "key", "on", "says"), [
    ("ybss", "Y9", None, "没有系统 ybss 的记录 Y9"), ("ybss", "Y1", "2026-10-31", "没有归属.*2026-11-01"),
    ("ybss", "Y1", "昨天", "不是日期"), ("ybss", "Y1", "2026-02-30", "不是日期"), ("ybss", "Y1", "9999-12-31", "不是日期"),
])  # fmt: skip
def test_what_cannot_be_answered_is_said(lived: Master, system: str, key: str, on: str | None, says: str) -> None:
    with pytest.raises((NobodyThen, JudgementRefused), match=says):
        whois(lived.home, system, key, on)


def test_an_entity_that_was_merged_later_is_followed_to_its_heir(make_home: Callable[..., Any], tmp_path: Path) -> None:
    ledger = Master(make_home(tmp_path, {}))
    ledger.run({"s/1": ("A", "match"), "s/2": ("B", "match")})
    before = ledger.home.now().isoformat()
    ledger.run({"s/1": ("A", "match"), "s/2": ("A", "match")})
    ledger.golden("A", name="王伟")
    found = ask(ledger, "s/2", before)
    assert (found.held.master_id, found.now, found.title) == (master("B"), master("A"), "王伟")
    ledger.run({})
    ledger.write("DELETE FROM person")
    assert ask(ledger, "s/2", before).now is None


# --- any history


NAMES = ("a", "b", "c", "d")
DAY = st.fixed_dictionaries({}, optional={n: st.sampled_from("ABC") for n in NAMES})


@pytest.fixture(scope="module")
def shelf(make_home: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Master:
    return Master(make_home(tmp_path_factory.mktemp("shelf"), {}))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(DAY, min_size=1, max_size=4))
def test_any_history_is_told_as_it_was(shelf: Master, days: list[dict[str, str]]) -> None:
    shelf.run({})  # every record of the example before is gone; its history stays
    seen: list[tuple[str, Who]] = []
    for day in days:
        who: Who = {f"s/{name}": (letter, "match") for name, letter in day.items()}
        shelf.run(who)
        seen.append((shelf.home.now().isoformat(), who))
    for at, who in seen:
        for name in NAMES:
            text = f"s/{name}"
            if text not in who:
                with pytest.raises(NobodyThen):
                    whois(shelf.home, "s", name, at)
                continue
            found = ask(shelf, text, at)
            together = {record(t) for t, (letter, _) in who.items() if letter == who[text][0]}
            assert found.held.master_id == master(who[text][0])
            assert {f.record for f in found.fellows} | {found.held.record} == together
