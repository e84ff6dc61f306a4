"""Great Expectations inside PostgreSQL counts the same failing golden records as the SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("great_expectations", reason="an extra: make test-gx installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from dataclasses import replace

from road_support import MakeHome, Town, citizen, flat, manifests, row

from onefact import consolidate, pull
from quality import gx
from quality.catalogue import load
from quality.inputs import Inputs
from quality.run import run


@pytest.fixture
def town(make_home: Callable[..., MakeHome], tmp_path: Path) -> Town:
    return Town(make_home(tmp_path / "town", manifests("ybss")))  # type: ignore[arg-type]


def test_both_count_the_same_golden_records(town: Town) -> None:
    town.write(
        "ybss",
        [
            row("1", "张三", id_number=citizen(1), phone="13900000001", home=flat(1)),
            row("2", "李四", id_number=citizen(2), home=flat(2)),
            row("3", "王五", id_number=citizen(3)),
        ],
    )
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    native = [
        r for r in gx.native(load().rules) if r.entity == "person" and r.check.kind in {"not_null", "codes", "length"}
    ]
    rules = tuple(replace(r, relation="golden") for r in native)
    with town.home.warehouse() as con:
        run(con, replace(load(), rules=rules), Inputs(town.home.now()))
        ours = dict(con.execute("SELECT rule_id, count(*) FROM q_failing GROUP BY 1").fetchall())
    theirs = gx.on_postgres(rules, town.home.database.url(), "person")
    assert {rule: failed for rule, (_, failed) in theirs.items() if failed} == ours
    assert ours["person.phone.filled"] == 2
