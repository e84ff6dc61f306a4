"""An explanation adds up to the weight that scoring gave, whichever record is named first."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_linkage_cases import CASES, groups

from linkage.explain import Explanation, explain, take_apart
from linkage.model import shipped
from linkage.waterfall import Bar, draw
from warehouse.duck import open_warehouse

MODEL = shipped("person")


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    con = open_warehouse(tmp_path_factory.mktemp("explain") / "warehouse.duckdb", threads=1, memory="300MB")
    rows = [
        {**r, "record": f"{case}/{r['record']}"} for (f, case), found in CASES.items() if f == "people" for r in found
    ]
    groups(con, "person", rows)
    yield con
    con.close()


def total(told: Explanation) -> float:
    return told.prior + sum(step.counted for step in told.steps)


def test_the_steps_of_every_weighed_pair_add_up_to_its_weight(con) -> None:  # type: ignore[no-untyped-def]
    pairs = con.execute("SELECT l, r, weight FROM link_edge_person ORDER BY ALL").fetchall()
    assert len(pairs) > 20
    for left, right, weight in pairs:
        told, turned = (explain(con, MODEL, "link_record_person", *ends) for ends in ((left, right), (right, left)))
        assert told.weight == pytest.approx(weight)
        assert total(told) == pytest.approx(weight)
        assert told == turned


def rid(con, record: str) -> int:  # type: ignore[no-untyped-def]
    return int(con.execute("SELECT rid FROM link_record_person WHERE record_key = ?", [record]).fetchall()[0][0])


def test_numbers_and_contradictions_are_told(con) -> None:  # type: ignore[no-untyped-def]
    def told(one: str, other: str) -> Explanation:
        return explain(con, MODEL, "link_record_person", rid(con, one), rid(con, other))

    assert told("one phone/1", "one phone/2").two_numbers
    assert told("renamed/1", "renamed/2").same_number
    assert "birth_y" in told("contradiction/1", "contradiction/2").contradicted
    with pytest.raises(KeyError):
        explain(con, MODEL, "link_record_person", 1, 2)


def test_the_picture_is_a_picture_and_says_its_rows(tmp_path: Path) -> None:
    bars = [Bar("起点", 0, -20), Bar("姓名：完全相同", -20, -5.5), Bar("合计权重", 0, -5.5, total=True)]
    picture = ET.fromstring(draw("两条记录", bars, [("归并", 10.5)]))
    words = "".join(picture.itertext())
    assert all(bar.label in words for bar in bars)
    assert "归并 10.5" in words


def test_what_is_published_with_a_question_adds_up_to_its_weight(con) -> None:  # type: ignore[no-untyped-def]
    asked = con.execute("SELECT weight, compared FROM review_now WHERE entity_type = 'person'").fetchall()
    assert asked
    for weight, compared in asked:
        prior, _, steps = take_apart(MODEL, json.loads(compared))
        assert prior + sum(step.counted for step in steps) == pytest.approx(weight)
