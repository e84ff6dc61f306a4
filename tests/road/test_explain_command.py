"""`onefact explain` as people use it: what it says of pairs of every fate, masked, in words, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from road_support import Row, Run, Town, citizen, flat, row

from onefact import pull
from onefact.consolidate import consolidate

WANG, LI = citizen(11), citizen(13)
PHONE, OTHER_PHONE = "13900000001", "13900000009"


def settle(town: Town, **systems: Sequence[Row]) -> None:
    for system, rows in systems.items():
        town.write(system, rows)
    pull.pull(town.home)
    consolidate(town.home)


NUMBERED = row("Y1", "王伟", id_number=WANG, phone=PHONE, home=flat(1))
FATES: Mapping[str, tuple[Mapping[str, Sequence[Row]], tuple[str, str], str]] = {
    "same number": (
        {"ybss": [NUMBERED], "volunteer": [row("V1", "赵六", id_number=WANG)]},
        ("ybss/Y1", "volunteer/V1"),
        "目前归为同一：有效证件号码相同，直接归并，不看权重。",
    ),
    "enough weight": (
        {"ybss": [NUMBERED], "sg_etong": [row("G1", "王伟", phone=PHONE, home=flat(1))]},
        ("ybss/Y1", "sg_etong/G1"),
        "目前归为同一：权重达到归并阈值",
    ),
    "through a third record": (
        {
            "ybss": [NUMBERED],
            "volunteer": [row("V1", "王伟", id_number=WANG, phone=OTHER_PHONE, home=flat(7))],
            "sg_etong": [row("G1", "王伟", phone=OTHER_PHONE, home=flat(7))],
        },
        ("ybss/Y1", "sg_etong/G1"),
        "是经由同组的其他记录归为同一的。",
    ),
    "two numbers": (
        {"ybss": [NUMBERED], "volunteer": [row("V1", "李娜", id_number=LI)]},
        ("ybss/Y1", "volunteer/V1"),
        "目前未归为同一：双方各有不同的有效证件号码，不会自动归并。",
    ),
    "two numbers, very alike": (
        {"ybss": [NUMBERED], "volunteer": [row("V1", "王伟", id_number=LI, phone=PHONE)]},
        ("ybss/Y1", "volunteer/V1"),
        "目前未归为同一：双方各有不同的有效证件号码，不会自动归并，待复核。",
    ),
    "nothing in common": (
        {"ybss": [NUMBERED], "sg_etong": [row("G1", "李娜", phone=OTHER_PHONE)]},
        ("ybss/Y1", "sg_etong/G1"),
        "目前未归为同一：权重低于复核阈值",
    ),
    "uncertain": (
        {"ybss": [NUMBERED], "sg_etong": [row("G1", "王玮", phone=PHONE)]},
        ("ybss/Y1", "sg_etong/G1"),
        "由人判定，待复核。",
    ),
    "ambiguous": (
        {
            "ybss": [NUMBERED, row("Y2", "王伟", id_number=LI, phone=PHONE, home=flat(1))],
            "sg_etong": [row("G1", "王伟", phone=PHONE, home=flat(1))],
        },
        ("ybss/Y1", "sg_etong/G1"),
        "另有同样相近、又互相排斥的对象，两边都不归，待复核。",
    ),
}


@pytest.mark.parametrize("fate", FATES)
def test_the_verdict_says_what_became_of_two_records_and_why(say: Run, town: Town, fate: str) -> None:
    systems, pair, says = FATES[fate]
    settle(town, **systems)
    told = say("explain", *pair)
    assert says in told, told
    document = json.loads(say("explain", *pair, "--json"))
    assert document["weight"] == pytest.approx(document["prior"] + sum(s["counted"] for s in document["steps"]))
    assert document["verdict"] in told


@pytest.mark.parametrize(("answer", "says"), [
    ("accept", "目前归为同一：由人判定为同一。"), ("reject", "目前未归为同一：由人判定为不是同一。"),
    ("undecided", "有人看过这两条记录，无法判断。"),
])  # fmt: skip
def test_what_a_person_judged_is_told_as_judged(say: Run, town: Town, answer: str, says: str) -> None:
    systems, pair, _ = FATES["uncertain"]
    settle(town, **systems)
    say("review", answer, str(town.query("SELECT review_id AS n FROM review WHERE state = 'open'")[0]["n"]))
    assert says in say("explain", *pair)


def test_entities_are_explained_by_their_likeliest_records(say: Run, town: Town) -> None:
    systems, pair, _ = FATES["uncertain"]
    settle(town, **systems, volunteer=[row("V1", "王伟", id_number=WANG)])
    ids = town.id_of("ybss", "Y1"), town.id_of("sg_etong", "G1")
    document = json.loads(say("explain", *ids, "--json"))
    assert {document["left"], document["right"]} == set(pair)


def test_a_key_that_is_a_citizen_number_is_masked_unless_in_full(say: Run, town: Town) -> None:
    settle(town, ybss=[NUMBERED], volunteer=[row(WANG, "王伟", id_number=WANG)])
    pair = ("ybss/Y1", f"volunteer/{WANG}")
    masked = f"volunteer/{WANG[:6]}********{WANG[14:]}"
    for words in (pair, (*pair, "--json")):
        told = say("explain", *words)
        assert masked in told
        assert WANG not in told
        assert f"volunteer/{WANG}" in say("explain", *words, "--full")


def test_every_document_of_machines_masks_such_keys(say: Run, town: Town) -> None:
    settle(town, ybss=[NUMBERED], sg_etong=[row(LI, "王玮", phone=PHONE)])
    one, other = town.id_of("ybss", "Y1"), town.id_of("sg_etong", LI)
    asked = ("review", "show", "1")
    for words in (("review",), asked, ("whois", "sg_etong", LI), ("review", "reject", "1"), ("merge", one, other)):
        told = say(*words, "--json")
        assert json.loads(told)
        assert LI not in told, words
    assert LI in say(*asked, "--json", "--full")
    ended = {one, other} - {town.id_of("ybss", "Y1")}
    assert LI not in say("unmerge", *ended, "--json")


def test_the_picture_is_an_svg_without_values(say: Run, town: Town, tmp_path: Path) -> None:
    systems, pair, _ = FATES["uncertain"]
    settle(town, **systems)
    out = tmp_path / "why.svg"
    assert f"瀑布图：{out}" in say("explain", *pair, "--out", str(out)).replace("\n", "")
    drawn = out.read_text(encoding="utf-8")
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert "姓名" in drawn
    assert [s for s in ("王伟", "王玮", PHONE, WANG, "武珞路") if s in drawn] == []


@pytest.mark.parametrize(("names", "says"), [
    (("ybss/Y9", "ybss/Y1"), "没有名为“ybss/Y9”的记录或主数据。用 onefact trace"), (("王伟", "ybss/Y1"), "请写作 系统/记录号"),
    (("ybss/Y1", "ybss/Y1"), "两个名称指同一条记录"),
])  # fmt: skip
def test_names_that_cannot_be_explained_are_told_with_a_remedy(
    say: Run, town: Town, names: tuple[str, str], says: str
) -> None:
    settle(town, ybss=[NUMBERED])
    assert says in say("explain", *names, code=1)
