"""Samples: the same seed draws the same values, strata get their share, sheets are masked and can be drawn again."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from road_support import MakeHome, Town, citizen, flat, manifests, row
from typer.testing import CliRunner

from onefact import consolidate, pull
from onefact.cli.app import app
from onefact.sample import NothingToSample, Sample, allocate, sample
from onefact.sample_sheet import FINDINGS, HEAD, write


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=12),
    st.integers(1, 300),
)
def test_places_add_up_and_are_fair(sizes: dict[str, int], size: int) -> None:
    places = allocate(sizes, size)
    total = sum(sizes.values())
    wanted = min(size, total)
    assert sum(places.values()) == wanted
    assert all(0 <= places[n] <= sizes[n] for n in sizes)
    if wanted >= len(sizes):
        assert min(places.values()) >= 1
    assert allocate(dict(reversed(sizes.items())), size) == places


def test_places_in_proportion() -> None:
    assert allocate({"a": 600, "b": 300, "c": 100}, 20) == {"a": 12, "b": 6, "c": 2}
    assert allocate({"a": 990, "b": 10}, 10) == {"a": 9, "b": 1}
    assert allocate({"a": 5, "b": 5, "c": 5}, 2) == {"a": 1, "b": 1, "c": 0}


@pytest.fixture(scope="module")
def town(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Town:
    made = Town(make_home(tmp_path_factory.mktemp("sampled"), manifests("ybss", "sg_etong", "volunteer")))
    people = [
        row(str(i), f"张{chr(0x4E00 + i)}", id_number=citizen(i), phone=f"139000000{i:02d}", home=flat(i))
        for i in range(1, 31)
    ]
    made.write("ybss", people)
    made.write("sg_etong", [{**p, "id": f"s{p['id']}"} for p in people[:10]])
    pull.pull(made.home)
    consolidate.consolidate(made.home)
    return made


def drawn(found: Sample) -> list[tuple[str, str, str]]:
    return [(v.entity_type, v.master_id, v.field) for v in found.values]


def test_the_same_seed_draws_the_same(town: Town) -> None:
    first = sample(town.home, 25, 7)
    assert len(set(drawn(first))) == 25
    again = sample(town.home, 25, 7)
    assert (drawn(again), again.digest) == (drawn(first), first.digest)
    assert drawn(sample(town.home, 25, 8)) != drawn(first)
    # More of the same: the smaller sample is part of the larger.
    assert set(drawn(first)) < set(drawn(sample(town.home, 60, 7)))


def test_every_value_is_what_the_master_says(town: Town) -> None:
    for v in sample(town.home, 40, 1, "entity").values:
        (golden,) = town.query(
            f'SELECT "{v.field}"::text AS value, provenance ->> %s AS ref FROM {v.entity_type} WHERE master_id = %s',
            v.field,
            v.master_id,
        )
        assert golden["value"] == v.value
        assert golden["ref"].split("|")[:2] == [v.system_id, v.record_key]


@pytest.mark.parametrize("by", ["system", "street", "field", "grid", "community", "entity"])
def test_strata_are_all_met(town: Town, by: str) -> None:
    found = sample(town.home, 60, 3, by)  # type: ignore[arg-type]
    assert found.population == sample(town.home, 1, 3).population
    for layer in found.layers:
        assert sum(v.stratum == layer.name for v in found.values) == layer.drawn >= 1


def test_only_what_is_asked_for_is_drawn(town: Town) -> None:
    found = sample(town.home, 500, 3, entities=["person"], fields=["phone"])
    assert {(v.entity_type, v.field) for v in found.values} == {("person", "phone")}
    assert len(found.values) == found.population == 30
    with pytest.raises(NothingToSample):
        sample(town.home, 5, 3, entities=["person"], fields=["death_date"])


def test_religion_is_never_drawn(town: Town) -> None:
    assert not {"religion"} & {v.field for v in sample(town.home, 10_000, 1).values}


def test_the_sheet_is_masked_and_has_places_to_sign(town: Town, tmp_path: Path) -> None:
    found = sample(town.home, 12, 1, "field", ["person"], ["phone", "id_number", "name"])
    path = write(town.home, found, tmp_path / "sheet.xlsx")
    book = openpyxl.load_workbook(path)
    head, *rows = list(book["核查表"].iter_rows(values_only=True))
    assert list(head) == [t for t, _ in HEAD]
    assert len(rows) == 12
    text = "\n".join(str(c) for r in rows for c in r)
    assert not any(v.value in text for v in found.values)
    assert all(r[head.index("核查结果")] is None and r[head.index("核查人签名")] is None for r in rows)
    (rule,) = book["核查表"].data_validations.dataValidation
    assert all(f in rule.formula1 for f in FINDINGS)
    about = {r[0]: r[1] for r in book["抽样说明"].iter_rows(values_only=True)}
    assert about["样本校验值"] == f"SHA-256 {found.digest}"
    assert about["随机种子"] == "1"


def test_the_command(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFACT_DATABASE_URL", town.home.database_url or "")
    base = [
        "--home",
        str(town.home.path),
        "--systems",
        str(town.home.systems),
        "sample",
        "--out",
        str(tmp_path / "s.xlsx"),
    ]
    done = CliRunner().invoke(app, [*base, "--size", "5", "--seed", "2", "--stratify", "system"])
    assert done.exit_code == 0, done.output
    assert "种子 2" in done.output
    assert (tmp_path / "s.xlsx").exists()
    refused = CliRunner().invoke(app, [*base, "--size", "201", "--full"])
    assert refused.exit_code != 0
    assert "200" in str(refused.exception)
