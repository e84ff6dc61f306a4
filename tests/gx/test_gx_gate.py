"""The gate held by a checkpoint of Great Expectations: it closes for what the SQL closes for, naming the same rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("great_expectations", reason="an extra: make test-gx installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "road"))

from road_support import MakeHome, Town, citizen, flat, manifests, row

from onefact import consolidate, pull
from onefact.quality import gate
from onefact.quality.gate import GateClosed, GateDisagrees
from quality import gx


@pytest.fixture
def town(make_home: MakeHome, tmp_path: Path) -> Town:
    made = Town(make_home(tmp_path / "town", manifests("ybss", "sg_etong")))
    made.home.path.mkdir(parents=True, exist_ok=True)
    made.home.path.joinpath("quality.yaml").write_text("gate: {great_expectations: true}\n", encoding="utf-8")
    return made


def people(count: int, bad: int = 0) -> list[dict[str, str]]:
    """So many people, of whom the first `bad` have a number with a wrong check digit."""
    numbers = [citizen(i) for i in range(1, count + 1)]
    wrong = [n[:-1] + ("1" if n[-1] != "1" else "2") for n in numbers[:bad]] + numbers[bad:]
    return [dict(row(str(i), f"张{chr(0x4E00 + i)}", id_number=n, home=flat(i))) for i, n in enumerate(wrong, 1)]


def settle(town: Town, **systems: list[dict[str, str]]) -> None:
    for system, rows in systems.items():
        town.write(system, rows)
    pull.pull(town.home)
    consolidate.consolidate(town.home)


def test_what_is_right_passes(town: Town) -> None:
    settle(town, ybss=people(30, bad=3), sg_etong=people(25))
    assert len(town.golden()) >= 30


def test_a_broken_source_closes_it(town: Town) -> None:
    settle(town, ybss=people(30))
    before = town.whole()
    with pytest.raises(GateClosed, match="ybss"):
        settle(town, ybss=people(40, bad=40), sg_etong=people(25))
    assert town.whole() == before


def test_a_checkpoint_that_says_otherwise_publishes_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gx.gate

    def blind(rules, frame):  # type: ignore[no-untyped-def]
        return {rule: (True, set()) for rule in real(rules, frame)}

    monkeypatch.setattr(gx, "gate", blind)
    with pytest.raises(GateDisagrees, match="两者不一致"):
        settle(town, ybss=people(30, bad=3))
    assert town.query("SELECT count(*) AS n FROM person") == [{"n": 0}]


def test_without_it_nothing_is_asked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.home.path.joinpath("quality.yaml").unlink()
    monkeypatch.setattr(gate, "_agree", lambda *_: pytest.fail("asked"))
    settle(town, ybss=people(25))
    assert len(town.golden()) == 25
