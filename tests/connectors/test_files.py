"""The folder connector against files as they really arrive; `fixtures/nasty/expected.yaml` says what must come of each."""

from __future__ import annotations

import csv
import json
import os
import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from connectors.base import ConnectorError, Context, Malformed, Unreachable, Variables
from connectors.kinds.files import FilesConnector
from connectors.kinds.readers import chunk
from connectors.manifest import Manifest
from schemas.records import PLACE, Change, FieldChange, Page

NASTY = Path(__file__).parents[1] / "fixtures" / "nasty"
EXPECTED: Mapping[str, Any] = yaml.safe_load((NASTY / "expected.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 3, 5, 10, 20, 30)  # noqa: DTZ001 - local time, as everywhere in the manifests
TITLES = ("编号", "姓名", "证件号", "电话")


def connector(
    folder: Path, source: Mapping[str, Any], columns: Mapping[str, str] | None = None, **connection: str
) -> FilesConnector:
    at = {title: (columns or {}).get(title, title) for title in TITLES}
    fields = {"name": at["姓名"], "id_number": at["证件号"], "phone": at["电话"]}
    dataset = {
        "name": "persons", "title": "人员", "key": at["编号"], "source": source,
        "entities": [{"type": "person", "fields": fields}],
    }  # fmt: skip
    manifest = Manifest.model_validate(
        {
            "id": "demo",
            "name": "示例",
            "department": "示例",
            "kind": "files",
            "cadence": "daily",
            "purpose": "测试",
            "legal_basis": "测试",
            "authorisation": {"document": "测试", "expires": "2030-01-01"},
            "connection": {"folder": ".", **connection},
            "datasets": [dataset],
        }
    )
    return FilesConnector(manifest, Context(folder, folder, Variables({}), now=lambda: NOW))


def rows_of(pages: list[Page], columns: Mapping[str, str] | None = None) -> list[str]:
    names = [(columns or {}).get(title, title) for title in TITLES]
    rows = [row for page in pages for row in page.rows.to_pylist()]
    return ["|".join((row[n] or "").replace("\n", "↵") for n in (*names, PLACE)) for row in rows]


@pytest.mark.parametrize("name", EXPECTED)
def test_nasty_file(name: str) -> None:
    case = EXPECTED[name]
    reader = connector(NASTY, {"pattern": name, **case["source"]}, case.get("columns"))
    if "error" in case:
        with pytest.raises(Malformed) as raised:
            list(reader.pull("persons", None))
        assert case["error"] in str(raised.value)
        assert raised.value.remedy
        return
    pages = list(reader.pull("persons", None))
    assert rows_of(pages, case.get("columns")) == case["rows"]
    told = [f"{r['rule']} {r['place']}" for page in pages for r in page.rejects.to_pylist()]
    assert told == case.get("rejects", [])
    assert [page.snapshot for page in pages[:-1]] == [False] * (len(pages) - 1)
    assert pages[-1].snapshot == (case["snapshot"] == "yes")


def test_every_nasty_file_has_an_expectation() -> None:
    files = {
        p.name for p in NASTY.iterdir() if p.name not in {"make.py", "expected.yaml", "deliveries.yaml"} and p.is_file()
    }
    assert files == set(EXPECTED)


def test_a_moved_header_is_found_for_the_message() -> None:
    reader = connector(NASTY, {"pattern": "moved_header.xlsx", "format": "xlsx"})
    with pytest.raises(Malformed, match="Row 3 holds them: has the header moved\\? Set `header_row: 3`"):
        list(reader.pull("persons", None))


def test_a_missing_sheet_is_answered_with_the_sheets_there_are() -> None:
    reader = connector(NASTY, {"pattern": "moved_header.xlsx", "format": "xlsx", "sheet": "汇总"})
    with pytest.raises(Malformed, match="It has: 名单, 说明"):
        list(reader.pull("persons", None))


def test_dates_in_excel_and_parquet_become_iso(tmp_path: Path) -> None:
    for name, key in (("moved_header.xlsx", "姓名"), ("typed.parquet", "人.姓名")):
        source = {"pattern": name, "format": name.rsplit(".", 1)[1], "header_row": 3 if "xlsx" in name else 1}
        reader = connector(NASTY, source, {"电话": "走访", "姓名": key, "证件号": key})
        values = [row["走访"] for page in reader.pull("persons", None) for row in page.rows.to_pylist()]
        assert values[0] == "2026-03-05"
        assert name == "typed.parquet" or values[1] == "2026-03-05 09:30:00"


def write(path: Path, rows: int, name: str = "张三") -> None:
    lines = ["编号,姓名,证件号,电话", *(f"{i},{name},,13800000001" for i in range(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_an_unchanged_folder_yields_nothing_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 2)
    write(tmp_path / "b.csv", 3)
    reader = connector(tmp_path, {"pattern": "*.csv", "format": "csv"})
    first = list(reader.pull("persons", None))
    assert sum(page.rows.num_rows for page in first) == 5
    assert [page.snapshot for page in first] == [False] * (len(first) - 1) + [True]
    cursor = first[-1].cursor
    assert list(reader.pull("persons", cursor)) == []

    os.utime(tmp_path / "a.csv", ns=(1, 1))  # copied again with the same content
    assert list(reader.pull("persons", cursor)) == []

    write(tmp_path / "a.csv", 4)
    second = list(reader.pull("persons", cursor))
    assert {place.split("!")[0] for page in second for place in page.rows[PLACE].to_pylist()} == {"a.csv"}
    assert not any(page.snapshot for page in second)  # b.csv was not read, so nobody is gone


def test_a_page_before_the_end_of_a_file_does_not_count_the_file_as_seen(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunk, "PAGE_ROWS", 10)
    write(tmp_path / "a.csv", 25)
    pages = list(connector(tmp_path, {"pattern": "*.csv", "format": "csv"}).pull("persons", None))
    assert [page.rows.num_rows for page in pages if page.rows.num_rows] == [10, 10, 5]
    assert json.loads(pages[0].cursor or "") == {}
    assert list(json.loads(pages[-1].cursor or "")) == ["a.csv"]


def test_line_numbers_hold_over_blocks_quotes_and_ragged_lines(tmp_path: Path) -> None:
    """A random file is written line by line with its true line numbers; every row must be found where it stands."""
    draw = random.Random(7)
    lines, where, ragged = ["编号,姓名,证件号,电话"], {}, []
    for i in range(60_000):
        number = sum(line.count("\n") + 1 for line in lines[-1:]) + (where.get("end", 1) - 1 if i else 0)
        where["end"] = number + 1
        kind = draw.random()
        if kind < 0.01:
            ragged.append(number + 1)
            lines.append(f"{i},x")
        elif kind < 0.03:
            where[str(i)] = number + 1
            lines.append(f'{i},"张\n三",,1380000{draw.randint(0, 9999):04}')
        else:
            where[str(i)] = number + 1
            lines.append(
                f"{i},某某某某某某某某某某某某某某某某某某某某某某某某某某某,,1380000{draw.randint(0, 9999):04}"
            )
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pages = list(connector(tmp_path, {"pattern": "a.csv", "format": "csv"}).pull("persons", None))
    found = {row["编号"]: int(row[PLACE].split("!")[1]) for page in pages for row in page.rows.to_pylist()}
    where.pop("end")
    assert found == where
    told = [int(r["place"].split("!")[1]) for page in pages for r in page.rejects.to_pylist()]
    assert told == ragged


def change(number: str, **values: str) -> Change:
    fields = tuple(FieldChange(name, None, value) for name, value in values.items())
    return Change(f"c{number}", "demo", "persons", "person", "person", "update", number, fields, f"k{number}")


def test_without_out_dir_nothing_can_be_written(tmp_path: Path) -> None:
    outcomes = list(connector(tmp_path, {"pattern": "*.csv", "format": "csv"}).push([change("1", name="张三")]))
    assert [(o.change_id, o.state, o.code) for o in outcomes] == [("c1", "rejected", "no_write_path")]


def test_changes_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    source = {"pattern": "*.csv", "format": "csv", "encoding": "gbk"}
    reader = connector(tmp_path, source, out_dir="out")
    changes = [change("1", name="张三", phone="13800000009"), change("2", name="张𠮷")]
    outcomes = {o.change_id: o for o in reader.push(changes)}
    assert (outcomes["c1"].state, outcomes["c2"].code) == ("sent", "unencodable")
    assert list(reader.push([])) == []
    [path] = (tmp_path / "out").glob("*.csv")
    assert path.name == "persons-20260305102030.csv"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {path.name, f"{path.name}.ok"}
    with path.open(encoding="gbk", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"_operation": "update", "编号": "1", "姓名": "张三", "电话": "13800000009"}
        ]
    assert {o.state for o in reader.push([change("3", name="李四")])} == {"sent"}
    assert len(list((tmp_path / "out").glob("*.csv"))) == 2  # the same second does not overwrite


def test_read_back_finds_records_by_key(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 5)
    table = connector(tmp_path, {"pattern": "*.csv", "format": "csv"}).read_back("persons", ["3", "9"])
    assert isinstance(table, pa.Table)
    assert table["编号"].to_pylist() == ["3"]


def test_check_names_what_is_missing(tmp_path: Path) -> None:
    gone = connector(tmp_path / "gone", {"pattern": "*.csv", "format": "csv"})
    assert not gone.check().ok
    with pytest.raises(Unreachable):
        list(gone.pull("persons", None))
    reader = connector(tmp_path, {"pattern": "*.csv", "format": "csv"})
    assert ("dataset persons", False, "no file matches *.csv") in reader.check().lines
    write(tmp_path / "a.csv", 5)
    assert reader.check().ok
    (tmp_path / "b.csv").write_text("编号,电话\n", encoding="utf-8")
    os.utime(tmp_path / "b.csv", (2**31, 2**31))
    assert any(not ok and "姓名" in remark for _, ok, remark in reader.check().lines)


def test_no_message_holds_a_value_of_a_record(tmp_path: Path) -> None:
    for name, case in EXPECTED.items():
        reader = connector(NASTY, {"pattern": name, **case["source"]}, case.get("columns"))
        try:
            said = " ".join(
                r["reason"] + r["place"] for p in reader.pull("persons", None) for r in p.rejects.to_pylist()
            )
        except ConnectorError as error:
            said = str(error)
        assert not any(secret in said for secret in ("张三", "李四", "王五", "420199", "1380"))
