"""Review, merge, unmerge and whois as people use them: in Chinese, masked, on records that came along the road."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from road_support import Run, Town, citizen, flat, row

from onefact import pull
from onefact.consolidate import consolidate
from onefact.home import Home
from warehouse.duck import open_warehouse

WANG = citizen(11)


@pytest.fixture
def asked(town: Town) -> Town:
    """Two records that are two entities, and the question whether they are one."""
    town.write("ybss", [row("Y1", "王伟", id_number=WANG, phone="13900000001", home=flat(1))])
    town.write("sg_etong", [row("G1", "王玮", phone="13900000009", home=flat(1))])
    town.write("volunteer", [row("V1", "李娜", phone="13900000003"), row("V2", "王伟", id_number=WANG)])
    pull.pull(town.home)
    consolidate(town.home)
    ask(town, ("sg_etong", "G1"), ("ybss", "Y1"))
    return town


def ask(town: Town, left: tuple[str, str], right: tuple[str, str]) -> None:
    masters = [town.id_of(*left), town.id_of(*right)]
    town.query(
        "INSERT INTO review (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, weight, reason, "
        "left_master, right_master, gain, model, run_id) VALUES ('person', %s, %s, 'person', %s, %s, 'person', 3.25, 'uncertain', "
        "%s, %s, 2, 'v1', 'r') RETURNING review_id",
        *left, *right, *masters,
    )  # fmt: skip


@pytest.fixture
def say(asked: Town, say: Run) -> Run:
    return say


def test_the_list_and_the_comparison_are_chinese_and_masked(say: Run) -> None:
    listed = say("review")
    assert "待复核 1 项" in listed
    assert all(x in listed for x in ("王*", "sg_etong/G1", "ybss/Y1", "相似，但不足以自动判定", "3.2"))
    shown = say("review", "show", "1")
    assert all(x in shown for x in ("逐项对比", "姓名", "联系方式", "139****0001", "139****0009", "异"))
    assert all(x in shown for x in ("匹配权重", "姓名：同音不同字", "累计", "++++", "权重低于复核阈值"))
    secrets = ("王伟", "王玮", "13900000001", WANG, flat(1))
    assert [s for s in secrets if s in listed + shown] == []
    document = say("review", "show", "1", "--json")
    assert [s for s in secrets if s in document + say("review", "--json")] == []
    assert json.loads(document)["fields"][0]["left"] is None
    assert "王伟" in say("review", "show", "1", "--full")
    assert "没有已关闭的事项" in say("review", "--state", "closed")


@pytest.mark.parametrize(("answer", "says"), [
    ("accept", "同一"), ("reject", "不是同一"), ("undecided", "无法判断"),
])  # fmt: skip
def test_an_answer_is_recorded_and_applied_at_once(say: Run, asked: Town, answer: str, says: str) -> None:
    told = say("review", answer, "1", "--actor", "李主任", "--reason", "上门核实")
    assert f"第 1 号：{says}" in told
    assert "李主任" in told
    assert "归集后" in told
    assert asked.query("SELECT actor, reason FROM edge WHERE judgement <> 'auto'") == [
        {"actor": "李主任", "reason": "上门核实"}
    ]
    assert "没有待复核的事项" in say("review")
    why = say("whois", "ybss", "Y1")
    assert "李主任：上门核实" in why
    assert f"人工：{says}" in why


def test_later_leaves_it_to_the_next_consolidation(say: Run, asked: Town) -> None:
    runs = asked.query("SELECT count(*) AS n FROM run")
    assert "下次 onefact consolidate 时生效" in say("review", "accept", "1", "--later")
    assert asked.query("SELECT count(*) AS n FROM run") == runs
    for _ in range(2):  # the second finds nothing to do
        consolidate(asked.home)
    assert asked.query("SELECT count(*) AS n FROM run")[0]["n"] == runs[0]["n"] + 1


def test_a_judgement_is_kept_when_the_warehouse_is_in_use(say: Run, asked: Town, busy: Callable[[Home], Any]) -> None:
    with busy(asked.home):
        assert "正在使用工作副本" in say("review", "reject", "1")
    assert len(asked.query("SELECT 1 FROM edge WHERE judgement = 'negative'")) == 1


@pytest.fixture
def busy() -> Callable[[Home], Any]:
    """Another process that holds the warehouse file."""
    import subprocess
    import sys
    from contextlib import contextmanager

    @contextmanager
    def hold(home: Home) -> Any:
        path = home.path / "warehouse.duckdb"
        open_warehouse(path).close()
        program = f"import duckdb; c = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            yield
            other.communicate("\n")

    return hold


def test_merge_says_which_judgement_it_recorded(say: Run, asked: Town) -> None:
    one, other = asked.id_of("ybss", "Y1"), asked.id_of("volunteer", "V1")
    assert f"{one} 与 {other} 是同一实有人口" in say("merge", one, other, "--actor", "李主任", "--later")
    found = json.loads(say("merge", one, asked.id_of("sg_etong", "G1"), "--json", "--later"))
    assert (found["applied"], found["recorded"], found["two_numbers"]) == (False, 1, False)


def test_whois_tells_identity_fellows_and_life_masked(say: Run, asked: Town) -> None:
    told = say("whois", "ybss", "Y1")
    assert all(x in told for x in (asked.id_of("ybss", "Y1"), "王*", "当时同属的其他记录 1 条", "当时有效的证据与判定"))
    assert "王伟" not in told
    document = json.loads(say("whois", "ybss", "Y1", "--json"))
    assert document["identities"][0]["title"] == "王*"
    assert document["identities"][0]["held"]["master_id"] == asked.id_of("ybss", "Y1")


def test_a_day_before_a_change_is_told_as_it_was(say: Run, asked: Town) -> None:
    before = asked.id_of("sg_etong", "G1")
    asked.home.now.advance(48)  # type: ignore[attr-defined]
    asked.write(
        "sg_etong", [row("G1", "王玮", id_number=WANG, phone="13900000009", home=flat(1))]
    )  # now with the number
    pull.pull(asked.home)
    consolidate(asked.home)
    after = asked.id_of("sg_etong", "G1")
    assert after == asked.id_of("ybss", "Y1") != before
    assert before in say("whois", "sg_etong", "G1", "--on", "2026-11-01")
    now = say("whois", "sg_etong", "G1")
    assert after in now
    assert "ybss/Y1" in now
    assert "这条记录的历次归属" in now
    assert "并入" in say("whois", "sg_etong", "G1", "--on", "2026-11-01")


@pytest.mark.parametrize(("words", "says"), [
    (("review", "accept", "7"), "没有第 7 号复核事项"), (("unmerge", "x"), "不是主数据编号"),
    (("whois", "ybss", "Y9"), "没有系统 ybss 的记录 Y9"), (("whois", "ybss", "Y1", "--on", "昨天"), "不是日期"),
    (("review", "reopen", "1"), "没有可撤回的判定"),
])  # fmt: skip
def test_errors_are_sentences(say: Run, words: tuple[str, ...], says: str) -> None:
    assert says in say(*words, code=1)


def test_a_record_that_is_numbered_by_citizen_number_is_masked_too(say: Run, asked: Town) -> None:
    asked.write("volunteer", [row(WANG, "王伟", id_number=WANG)])
    pull.pull(asked.home)
    consolidate(asked.home)
    masked = f"volunteer/{WANG[:6]}********{WANG[14:]}"
    for told in (say("whois", "ybss", "Y1"), say("whois", "volunteer", WANG)):
        assert masked in told
        assert WANG not in told
    assert f"volunteer/{WANG}" in say("whois", "ybss", "Y1", "--full")
