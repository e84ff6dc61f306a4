"""Organisations by weights: what the shipped model may never do, and that every word of it can be said in Chinese."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files

import pytest
from test_linkage_cases import CASES, groups

from linkage.comparison import kind_of
from linkage.explain import explain
from linkage.model import shipped
from linkage.model.estimate import Shares
from linkage.model.train import _weighed
from warehouse.duck import open_warehouse

MODEL = shipped("organisation")
NUMBERS = {"org_code", "registration"}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    con = open_warehouse(tmp_path_factory.mktemp("organisations") / "warehouse.duckdb", threads=1, memory="300MB")
    yield con
    con.close()


def strongest(group: str | None) -> float:
    """The most that the comparisons of a group can say for a pair, numbers and the name left out."""
    best = sorted(
        (max(level.weight for level in c.levels) for c in MODEL.comparisons if c.group == group and c.name != "name"),
        reverse=True,
    )
    return best[0] + MODEL.discount * sum(best[1:]) if best else 0.0


@pytest.mark.parametrize("level", ["branch_of", "other_branch", "same_name_elsewhere", "different"])
def test_no_telephone_door_or_representative_joins_what_the_names_keep_apart(level: str) -> None:
    others = sum(strongest(c) for c in {c.group for c in MODEL.comparisons if c.name not in NUMBERS})
    assert MODEL.prior + MODEL.comparison("name").weight(level) + others < MODEL.thresholds.review


def test_training_leaves_the_rules_of_the_model_as_they_are() -> None:
    shares = Shares((1 / 17,) * 17, 1000.0)
    before = MODEL.comparison("name")
    after = _weighed(before, shares, shares, None)
    for level in ("branch_of", "other_branch", "same_name_elsewhere", "different"):
        assert after.weight(level) == before.weight(level)
    assert after.weight("exact") == 0.0


def test_only_a_registered_name_links_alone() -> None:
    alone = {e.name for e in MODEL.comparison("name").levels if MODEL.prior + e.weight >= MODEL.thresholds.link}
    assert alone == {"registered"}


def test_every_level_and_comparison_has_words() -> None:
    with files("linkage").joinpath("words.csv").open(encoding="utf-8") as file:
        known = {(row["kind"], row["name"]) for row in csv.DictReader(file)}
    for comparison in MODEL.comparisons:
        assert {("comparison", comparison.name), ("comparison of organisation", comparison.name)} & known
        assert {(comparison.kind, level) for level in kind_of(comparison.kind).levels} <= known


def firm(record: str, name: str, **more: str) -> dict[str, str]:
    columns = ("uscc", "org_code", "registration_no", "address", "phone", "legal_representative", "sign_name")
    return {"record": record, "name": name, **{c: more.get(c, "") for c in columns}}


HEAD = "武汉好吃餐饮有限公司"


@pytest.mark.parametrize(
    ("what", "rows", "one"),
    [
        ("the old code is inside the credit code", [
            firm("1", "武汉黄鹤商贸有限公司", uscc="91420199MA4K000C3X"), firm("2", "武汉长江商贸有限公司", org_code="MA4K000C3")], True),
        ("a credit code in the field of the registration number", [
            firm("1", "武汉黄鹤商贸有限公司", uscc="91420199MA4K000C3X"), firm("2", "长江", registration_no="91420199MA4K000C3X")], True),
        ("head and branch with one telephone, door and representative", [
            firm("1", HEAD, phone="02787000001", address="武珞路11号", legal_representative="王伟", sign_name="好吃"),
            firm("2", f"{HEAD}中南路店", phone="02787000001", address="武珞路11号", legal_representative="王伟", sign_name="好吃")], False),
        ("a sign and a name of one door and one telephone", [
            firm("1", "武汉江利餐饮有限公司", phone="13900000001", address="武珞路11号"),
            firm("2", "江利餐馆", phone="13900000001", address="武珞路11号")], True),
        ("one name in two provinces", [
            firm("1", "武汉江利餐饮有限公司", phone="13900000001"), firm("2", "长沙江利餐饮有限公司", phone="13900000001")], False),
        ("a branch by its full name, its head beside it", [
            firm("1", HEAD, uscc="91420199MA4K000A1X", phone="02787000001"),
            firm("2", f"{HEAD}(中南路店)", phone="02787000001"), firm("3", f"{HEAD}中南路店")], False),
    ],
)  # fmt: skip
def test_who_is_one(con, what: str, rows: list[dict[str, str]], one: bool) -> None:  # type: ignore[no-untyped-def]
    found = groups(con, "organisation", rows)
    assert (frozenset({"1", "2"}) in found) == one, what
    if len(rows) == 3:
        assert frozenset({"2", "3"}) in found


def test_the_steps_of_every_weighed_pair_add_up_to_its_weight(con) -> None:  # type: ignore[no-untyped-def]
    rows = [{**r, "record": f"{case}/{r['record']}"} for (f, case), found in CASES.items() if f == "organisations" for r in found]  # fmt: skip
    groups(con, "organisation", rows)
    pairs = con.execute("SELECT l, r, weight FROM link_edge_organisation ORDER BY ALL").fetchall()
    assert len(pairs) >= 3
    for left, right, weight in pairs:
        told, turned = (
            explain(con, MODEL, "link_record_organisation", *ends) for ends in ((left, right), (right, left))
        )
        assert told.weight == pytest.approx(weight)
        assert told.prior + sum(step.counted for step in told.steps) == pytest.approx(weight)
        assert told == turned
