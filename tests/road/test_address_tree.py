"""The standard address tree: whole after every run, equal after a rebuild, and found from the command line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from road_support import Town, citizen, flat, row
from typer.testing import CliRunner
from workbench import Record, Workbench, person

from onefact import address, pull, rebuild
from onefact.cli.app import app
from onefact.consolidate import consolidate

FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HOMES = (
    "武昌区中南路街道付家坡社区武珞路8号东亭花园5栋1单元301室", "武珞路8号5栋1单元301室", "东亭花园5栋301室",
    "武珞路8号东亭花园5栋2单元301室", "武珞路9号", "武昌区中南路街道付家坡社区", "洪山区武珞路8号紫阳公寓1栋101室", "不详",
)  # fmt: skip


def fill(town: Town, homes: tuple[str, str, str] = (flat(1), "武汉市" + flat(1), flat(2))) -> None:
    town.write("ybss", [row("Y1", "王伟", id_number=citizen(11), phone="13900000001", home=homes[0])])
    town.write("sg_etong", [row("G1", "王伟", id_number=citizen(11), phone="13900000001", home=homes[1])])
    town.write("volunteer", [row("V1", "李敏", id_number=citizen(13), phone="13900000003", home=homes[2])])
    town.home.now.advance()  # type: ignore[attr-defined]
    assert [p.error for p in pull.pull(town.home)] == [None, None, None]
    consolidate(town.home)


def tree(town: Town) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return (
        town.query("SELECT * FROM address_node ORDER BY node_id"),
        town.query("SELECT * FROM address_point ORDER BY entity_type, master_id, field"),
    )


def test_every_golden_record_points_at_its_node_and_the_way_up_is_whole(town: Town) -> None:
    fill(town)
    nodes, points = tree(town)
    by_id = {n["node_id"]: n for n in nodes}
    assert {n["parent_id"] for n in nodes} - {None} <= by_id.keys()
    assert all(p["node_id"] in by_id and p["exact"] for p in points)
    golden = {(e, r["master_id"]) for e in ("person", "house") for r in town.query(f"SELECT master_id FROM {e}")}
    assert golden <= {(p["entity_type"], p["master_id"]) for p in points}
    home = next(
        p
        for p in points
        if p["master_id"] == town.query("SELECT master_id FROM person WHERE name = '王伟'")[0]["master_id"]
    )
    way, node = [], by_id[home["node_id"]]
    while node:
        way.append((node["level"], node["name"]))
        node = by_id.get(node["parent_id"])
    assert way == [
        ("room", "501室"), ("unit", "2单元"), ("building", "3栋"), ("plate", "1号"), ("41", "武珞路"),
        ("23", "中南路街道"), ("13", "武昌区"), ("12", "武汉市"), ("11", "湖北省"),
    ]  # fmt: skip


def test_a_rebuild_gives_the_same_tree(town: Town) -> None:
    fill(town)
    fill(town, (flat(3), "武汉市" + flat(3), "武珞路2号3栋501室"))
    before = tree(town)
    assert rebuild.rebuild(town.home).consolidated.changed == 0
    assert tree(town) == before


def test_nodes_that_nobody_points_at_go(town: Town) -> None:
    fill(town)
    fill(town, (flat(7), flat(7), flat(7)))
    names = {n["name"] for n in tree(town)[0]}
    assert "7号" in names
    assert not {"1号", "2号"} & names


def test_the_place_is_shown_in_chinese_with_counts_only(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(town)
    found = address.look(town.home, "武珞路1号")
    assert [n.name for n in found.path][-1] == "1号"
    assert {(p.entity_type, p.here, p.below) for p in found.pointing} >= {("person", 0, 1)}
    assert address.look(town.home, found.path[-1].node_id).path == found.path
    assert address.look(town.home, "武珞路1号3幢2单元501").path[-1].name == "501室"
    with pytest.raises(address.NoSuchPlace, match="没有这个地址"):
        address.look(town.home, "没有路999号")
    monkeypatch.setenv("ONEFACT_DATABASE_URL", str(town.home.database_url))
    shown = CliRunner().invoke(
        app, ["--home", str(town.home.path), "--systems", str(town.home.systems), "address", "武珞路1号"]
    )
    assert shown.exit_code == 0, shown.output
    assert "标准地址路径" in shown.output
    assert "王伟" not in shown.output


@st.composite
def a_resident(draw: st.DrawFn) -> Record:
    return person(
        draw(st.sampled_from("ab")), f"k{draw(st.integers(0, 5))}", f"2026-10-{draw(st.integers(1, 28)):02d}T00:00:00",
        id_number=citizen(draw(st.integers(1, 5))), name="王伟", residence_address=draw(st.none() | st.sampled_from(HOMES)),
        registered_address=draw(st.none() | st.sampled_from(HOMES)), deleted=draw(st.integers(0, 9)) == 0,
    )  # fmt: skip


def nodes_and_points(bench: Workbench) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    group = {master: record for record, master in sorted(bench.ids().items(), reverse=True)}
    nodes = bench.con.execute("SELECT node_id, parent_id, level, name, full_text FROM address_node ORDER BY ALL")
    found = nodes.fetchall()
    points = bench.con.execute(
        "SELECT master_id::VARCHAR, field, node_id::VARCHAR, exact, text FROM address_point"
    ).fetchall()
    return found, sorted((group[master], *rest) for master, *rest in points)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / f"{n}.duckdb" for n in range(1_000_000))  # type: ignore[return-value]


@FEW
@given(st.lists(st.lists(a_resident(), max_size=6), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_tree_of_many_runs_is_the_tree_of_one(
    folders: Iterator[Path], history: list[list[Record]], chance: random.Random
) -> None:
    with Workbench(next(folders)) as many, Workbench(next(folders)) as once:
        now: dict[tuple[str, str], Record] = {}
        for batch in history:
            newest = {(r["system"], r["key"]): r for r in batch}
            many.load(newest.values())
            many.run()
            now |= newest
        rows = [r for r in now.values() if not r["deleted"]]
        chance.shuffle(rows)
        once.load(rows)
        once.run()
        assert nodes_and_points(many) == nodes_and_points(once)


def test_what_others_say_of_a_building_moves_a_pointer_that_nobody_touched(tmp_path: Path) -> None:
    """5栋301室 was a flat as long as the building had one staircase; a second one makes it undecided."""

    def rows(home: str, number: int) -> Record:
        return person("a", f"k{number}", id_number=citizen(number), name="王伟", residence_address=home)

    with Workbench(tmp_path / "w.duckdb") as bench:
        bench.load([rows("武珞路8号东亭花园5栋1单元301室", 1), rows("东亭花园5栋301室", 2)])
        bench.run()
        same = {point[2] for point in nodes_and_points(bench)[1]}
        bench.load([rows("武珞路8号东亭花园5栋2单元301室", 3)])
        bench.run()
        points = {record: (node, exact) for record, _, node, exact, _ in nodes_and_points(bench)[1]}
        names = dict(bench.con.execute("SELECT node_id::VARCHAR, name FROM address_node").fetchall())
    assert len(same) == 1
    assert {record: (names[node], exact) for record, (node, exact) in points.items()} == {
        "a/k1": ("301室", True), "a/k2": ("5栋", False), "a/k3": ("301室", True),
    }  # fmt: skip
