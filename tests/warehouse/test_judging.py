"""What a person decides becomes judgements on records: the right pairs, and nothing that contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_support import Asked, Master, master, pair

from onefact import merge as merging
from onefact import review
from onefact.sides import JudgementRefused
from warehouse.judgements import Pair

TWO = {
    "s/1": ("A", "anchor"), "s/2": ("A", "match"),
    "t/1": ("B", "anchor"), "t/2": ("B", "match"), "entry/x": ("B", "decided"),
    "u/1": ("C", "single"),
}  # fmt: skip
ONE = {r: ("A" if m == "B" else m, rule) for r, (m, rule) in TWO.items()}
WITHIN = {("s/1", "s/2"): 15.0, ("t/1", "t/2"): 15.0}
ACROSS = {("s/2", "t/2"): 12.0, ("s/1", "t/2"): 9.0}
WHO = {"actor": "张", "reason": "已核实"}


@pytest.fixture
def ledger(make_home: Callable[..., Any], tmp_path: Path) -> Master:
    return Master(make_home(tmp_path, {}))


def standing(ledger: Master) -> dict[Pair, str]:
    rows = ledger.query("SELECT * FROM edge WHERE ended_at IS NULL AND judgement <> 'auto'")
    return {
        pair(f"{r['left_system']}/{r['left_key']}", f"{r['right_system']}/{r['right_key']}"): r["judgement"]
        for r in rows
    }


def states(ledger: Master) -> dict[int, str]:
    return {r["review_id"]: r["state"] for r in ledger.query("SELECT review_id, state FROM review")}


# --- merge and unmerge


def test_a_merge_joins_the_records_that_speak_for_their_entities(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    done = merging.merge(ledger.home, master("A"), master("B"), **WHO)
    assert standing(ledger) == {pair("s/1", "t/1"): "positive"}
    assert (done.recorded, done.withdrawn) == (1, 0)


def test_to_undo_a_merge_of_a_person_withdraws_the_judgement_and_says_nothing_more(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    merging.merge(ledger.home, master("A"), master("B"), **WHO)
    ledger.run(ONE, WITHIN)
    done = merging.unmerge(ledger.home, master("B"), **WHO)
    assert (standing(ledger), done.withdrawn, done.recorded) == ({}, 1, 0)


def test_to_undo_a_merge_of_the_model_keeps_apart_every_pair_that_joins_the_sides(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    ledger.run(ONE, WITHIN | ACROSS)
    merging.unmerge(ledger.home, master("B"), **WHO)
    assert standing(ledger) == dict.fromkeys((pair("s/2", "t/2"), pair("s/1", "t/2"), pair("s/1", "t/1")), "negative")


def test_a_record_that_came_after_the_merge_is_no_part_of_the_side_that_is_undone(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    late = {("s/2", "v/9"): 13.0, ("t/2", "v/9"): 13.0}
    ledger.run(ONE | {"v/9": ("A", "match")}, WITHIN | ACROSS | late)
    merging.unmerge(ledger.home, master("B"), **WHO)
    assert pair("t/2", "v/9") in standing(ledger)  # it stays with those that keep the heir's id
    assert pair("s/2", "v/9") not in standing(ledger)


def test_a_chain_of_merges_can_be_undone_at_its_first_link(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    ledger.run(ONE, WITHIN | ACROSS)
    ledger.run({r: ("C", rule) for r, (_, rule) in ONE.items()}, WITHIN | ACROSS | {("s/1", "u/1"): 12.0})
    done = merging.unmerge(ledger.home, master("B"), **WHO)
    assert (done.left, done.right) == (master("C"), master("B"))
    assert set(standing(ledger)) == {pair("s/2", "t/2"), pair("s/1", "t/2"), pair("s/1", "t/1")}


def test_a_merge_withdraws_what_keeps_the_two_apart(ledger: Master) -> None:
    ledger.run(TWO, WITHIN)
    ledger.run(ONE, WITHIN | ACROSS)
    merging.unmerge(ledger.home, master("B"), **WHO)
    ledger.run(TWO, WITHIN | ACROSS)
    done = merging.merge(ledger.home, master("A"), master("B"), **WHO)
    assert standing(ledger) == {pair("s/1", "t/1"): "positive"}
    assert done.withdrawn == 3


def test_records_are_split_off(ledger: Master) -> None:
    ledger.run(ONE, WITHIN | ACROSS)
    merging.split(ledger.home, master("A"), ["t/1", " t/2"], **WHO)
    assert set(standing(ledger)) == {pair("s/2", "t/2"), pair("s/1", "t/2"), pair("s/1", "t/1")}


def test_records_of_one_number_are_kept_apart_each_from_each(ledger: Master) -> None:
    ledger.run({f"s/{i}": ("A", "anchor") for i in range(4)} | {"s/9": ("A", "match")})
    merging.split(ledger.home, master("A"), ["s/0", "s/3"], **WHO)
    assert set(standing(ledger)) == {pair("s/0", "s/1"), pair("s/0", "s/2"), pair("s/1", "s/3"), pair("s/2", "s/3")}


def test_two_different_numbers_are_told(ledger: Master) -> None:
    ledger.run(TWO)
    ledger.golden("A", id_number="1")
    ledger.golden("B", id_number="2")
    assert merging.merge(ledger.home, master("A"), master("B"), **WHO).two_numbers


@pytest.mark.parametrize(("act", "says"), [
    (lambda home: merging.merge(home, "王伟", master("A"), **WHO), "不是主数据编号"),
    (lambda home: merging.merge(home, master("A"), master("Z"), **WHO), "不存在"),
    (lambda home: merging.merge(home, master("A"), master("A"), **WHO), "无需合并"),
    (lambda home: merging.unmerge(home, master("A"), **WHO), "没有并入其他编号.*--records"),
    (lambda home: merging.unmerge(home, master("Z"), **WHO), "不存在"),
    (lambda home: merging.unmerge(home, "B", **WHO), "不是主数据编号"),
    (lambda home: merging.split(home, master("A"), ["s/1", "s/2"], **WHO), "全部记录"),
    (lambda home: merging.split(home, master("A"), ["t/1"], **WHO), "不在主数据.*onefact whois t 1"),
    (lambda home: merging.split(home, master("A"), ["s1"], **WHO), "系统/记录号"),
    (lambda home: merging.split(home, master("B"), ["entry/x"], **WHO), "onefact enter"),
    (lambda home: review.decide(home, 99, "accept", **WHO), "没有第 99 号"),
    (lambda home: review.question(home, 99), "onefact review"),
    (lambda home: review.reopen(home, 99, **WHO), "没有第 99 号"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_with_a_remedy(told: Master, act: Callable[[Any], object], says: str) -> None:
    with pytest.raises(JudgementRefused, match=says):
        act(told.home)
    assert standing(told) == {}


@pytest.fixture(scope="module")
def told(make_home: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Master:
    ledger = Master(make_home(tmp_path_factory.mktemp("told"), {}))
    ledger.run(TWO)
    return ledger


def test_a_merge_whose_records_have_gone_cannot_be_undone_as_it_was(ledger: Master) -> None:
    ledger.run(TWO)
    ledger.run({r: x for r, x in ONE.items() if not r.startswith("t/")})
    with pytest.raises(JudgementRefused, match="--records"):
        merging.unmerge(ledger.home, master("B"), **WHO)


# --- review


QUESTIONS = [
    Asked("s/2", "u/1", ("A", "C"), gain=2), Asked("s/1", "t/1", ("A", "B"), gain=5, reason="bridge"),
    Asked("s/2", "t/2", ("A", "B"), gain=9, reason="bridge"),
]  # fmt: skip


def test_the_list_asks_once_for_two_entities_and_best_first(ledger: Master) -> None:
    ledger.run(TWO, questions=QUESTIONS)
    ledger.golden("A", name="王伟")
    found, total = review.questions(ledger.home)
    assert [(q.left.record.record_key, q.right.record.record_key, q.gain, q.pairs) for q in found] == [
        ("2", "2", 9.0, 2), ("2", "1", 2.0, 1),
    ]  # fmt: skip
    assert (total, found[0].left.title, found[0].left.records, found[0].right.records) == (2, "王伟", 2, 3)
    second, _ = review.questions(ledger.home, page=2, limit=1)
    assert [q.gain for q in second] == [2.0]
    assert review.questions(ledger.home, "house") == ([], 0)


@pytest.mark.parametrize(("answer", "judgement", "state"), [
    ("accept", "positive", "accepted"), ("reject", "negative", "rejected"), ("undecided", "unsure", "undecided"),
])  # fmt: skip
def test_an_answer_is_kept_and_settles_the_questions_about_the_same_two(
    ledger: Master, answer: review.Answer, judgement: str, state: str
) -> None:
    ledger.run(TWO, questions=QUESTIONS)
    number = review.questions(ledger.home)[0][0].number
    review.decide(ledger.home, number, answer, **WHO)
    assert standing(ledger) == {pair("s/2", "t/2"): judgement}
    assert sorted(states(ledger).values()) == sorted([state, "closed", "open"])
    asked = review.question(ledger.home, number)
    assert (asked.state, asked.decided_by, asked.decided_why) == (state, "张", "已核实")
    with pytest.raises(JudgementRefused, match="无需重复"):
        review.decide(ledger.home, number, answer, **WHO)


def test_an_answer_may_be_changed_and_taken_back(ledger: Master) -> None:
    ledger.run(TWO, questions=QUESTIONS[:1])
    review.decide(ledger.home, 1, "reject", **WHO)
    review.decide(ledger.home, 1, "accept", actor="李", reason=None)
    assert standing(ledger) == {pair("s/2", "u/1"): "positive"}
    review.reopen(ledger.home, 1, actor="李", reason=None)
    assert standing(ledger) == {}
    ledger.run(TWO, questions=QUESTIONS[:1])
    assert states(ledger) == {1: "closed", 2: "open"}


def test_to_accept_withdraws_what_keeps_others_of_the_two_apart(ledger: Master) -> None:
    ledger.run(TWO, questions=[QUESTIONS[1], QUESTIONS[0]])
    number = review.questions(ledger.home)[0][0].number
    review.decide(ledger.home, number, "reject", **WHO)
    ledger.write(
        "INSERT INTO review (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, reason, "
        "left_master, right_master, run_id) VALUES ('person', 's', '2', 'person', 't', '2', 'person', 'bridge', %s, %s, 'r')",
        master("A"), master("B"),
    )  # fmt: skip
    done = review.decide(ledger.home, max(states(ledger)), "accept", **WHO)
    assert done.overruled == 1
    assert standing(ledger) == {pair("s/2", "t/2"): "positive"}


def test_a_question_that_new_data_has_closed_is_not_answered(ledger: Master) -> None:
    ledger.run(TWO, questions=QUESTIONS[:1])
    ledger.run(TWO)
    with pytest.raises(JudgementRefused, match="关闭"):
        review.decide(ledger.home, 1, "accept", **WHO)
