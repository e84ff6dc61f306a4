"""The records for measuring linkage hold what their description promises; the foils run on them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks import linkage_data
from schemas.identifiers import citizen_id
from schemas.records import standardised_schema

RECORDS = 20_000


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return linkage_data.write(tmp_path_factory.mktemp("records"), RECORDS, 1)


def share(table, column: str) -> float:
    return table[column].null_count / table.num_rows


def test_columns_are_those_of_standardised_persons(paths) -> None:
    records = pq.read_table(paths[0])
    assert records.num_rows == RECORDS
    assert set(records.column_names) - set(standardised_schema("person").names) == {"id_number_hint"}
    assert len(set(records["system_id"].to_pylist())) == 40
    assert pc.count_distinct(records["record_key"]).as_py() == RECORDS


def test_values_are_missing_and_wrong_as_often_as_promised(paths) -> None:
    records = pq.read_table(paths[0])
    assert share(records, "id_number") == pytest.approx(0.292, abs=0.01)
    assert share(records, "id_number_hint") == pytest.approx(0.988, abs=0.003)
    assert share(records, "phone") == pytest.approx(0.30, abs=0.02)
    assert share(records, "residence_address") == pytest.approx(0.15, abs=0.01)
    assert share(records, "birth_date") == pytest.approx(0.04, abs=0.005)


def test_numbers_are_synthetic_and_hints_fail_their_check(paths) -> None:
    records = pq.read_table(paths[0])
    numbers, hints = (records[c].drop_null().to_pylist() for c in ("id_number", "id_number_hint"))
    assert all(n[:6] == "420199" for n in numbers + hints)
    assert all(citizen_id.check_digit(n[:17]) == n[17] for n in numbers)
    assert all(citizen_id.check_digit(n[:17]) != n[17] for n in hints)


def test_people_have_two_records_and_the_truth_is_in_order(paths) -> None:
    records, truth = (pq.read_table(p) for p in paths)
    for column in ("system_id", "record_key", "role"):
        assert records[column].equals(truth[column])
    assert RECORDS / pc.count_distinct(truth["truth_id"]).as_py() == pytest.approx(2.2, abs=0.1)
    people = duckdb.sql(
        f"SELECT t.truth_id, count(DISTINCT id_number) AS numbers, count(DISTINCT r.system_id) AS systems, count(*) AS n "
        f"FROM read_parquet('{paths[0]}') r JOIN read_parquet('{paths[1]}') t USING (record_key) GROUP BY 1"
    ).fetchall()
    assert all(numbers <= 1 and systems == n for _, numbers, systems, n in people)


def test_names_are_mistyped_in_three_ways(paths) -> None:
    """Records of one person with another name than most: about 5.3 in a hundred, half of them of the same length."""
    odd = duckdb.sql(
        "SELECT name, (mode(name) OVER (PARTITION BY truth_id)) AS usual, count(*) OVER (PARTITION BY truth_id) AS n "
        f"FROM read_parquet('{paths[0]}') r JOIN read_parquet('{paths[1]}') t USING (record_key)"
    ).fetchall()
    many = [(name, usual) for name, usual, n in odd if n >= 4]
    wrong = [(name, usual) for name, usual in many if name != usual]
    assert 0.03 < len(wrong) / len(many) < 0.08
    assert all(name[0] == usual[0] for name, usual in wrong)
    assert {len(usual) - len(name) for name, usual in wrong} >= {0, 1}


def test_the_same_seed_gives_the_same_records(paths, tmp_path: Path) -> None:
    again = linkage_data.write(tmp_path / "again", RECORDS, 1)
    assert all(pq.read_table(a).equals(pq.read_table(b)) for a, b in zip(paths, again, strict=True))
    other = linkage_data.write(tmp_path / "other", RECORDS, 2)
    assert not pq.read_table(other[0]).equals(pq.read_table(paths[0]))


@pytest.mark.slow
def test_the_foils_link_and_ids_alone_are_sure_but_blind(paths, tmp_path: Path) -> None:
    pytest.importorskip("splink")
    from benchmarks.foils import __main__ as foils

    prepared, model = tmp_path / "prepared.parquet", tmp_path / "model.json"
    foils.prepare_file(paths[0], prepared)
    foils.train("lean", prepared, model)
    exact = foils.link("exact", *paths, None, 0.99)
    lean = foils.link("lean", prepared, paths[1], model, 0.99)
    assert exact["precision"] == 1.0
    assert 0.4 < exact["recall"] < 0.6
    assert lean["f1"] > 0.97
    assert lean["records"] == exact["records"] == RECORDS
    assert json.loads(model.read_text(encoding="utf-8"))["comparisons"]
