"""The Excel connector against real workbooks: exports, an official template, error workbooks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from running import Loop, until
from support import change_of, context_of, manifest_of, seed

from connectors.base import Context, Malformed, Unreachable
from connectors.kinds.excel import ExcelConnector
from connectors.manifest.model import Manifest
from sandbox.servers.excel import ExcelServer
from schemas.records import Change, Outcome

FIXTURES = Path(__file__).parents[1] / "fixtures" / "connectors"
HEADER = ["RYBH", "GXSJ", "GMSFHM", "XM", "LXDH", "XB", "XZZ", "LYDM"]


@dataclass
class Desk:
    """A running stand-in, its tray, and a connector."""

    home: Path
    manifest: Manifest
    server: ExcelServer
    loop: Loop
    context: Context
    connector: ExcelConnector

    @property
    def tray(self) -> Path:
        return self.home / "sandbox/trays/testexcel"

    def rest(self) -> None:
        """The worker goes home: nothing is picked up any more."""
        self.loop.run(self.server.stop())

    def drop(self, name: str, rows: list[list[object]], header_row: int = 2, hidden: str | None = None) -> None:
        """Put an export there by hand."""
        with xlsxwriter.Workbook(str(self.tray / "out" / name)) as book:
            sheet = book.add_worksheet("花名册")
            sheet.write_string(0, 0, "花名册（导出）")
            for at, row in enumerate(rows, start=header_row - 1):
                sheet.write_row(at, 0, row)
            if hidden:
                sheet.set_column(hidden, None, None, {"hidden": True})

    def push(self, *changes: Change) -> dict[str, Outcome]:
        outcomes = list(self.connector.push(changes))
        assert len(outcomes) == len(changes)
        return {outcome.change_id: outcome for outcome in outcomes}

    def settled(self, sent: dict[str, Outcome]) -> dict[str, Outcome]:
        """Ask for error workbooks until nothing is waiting any more."""
        pending = [(n, o.receipt or "") for n, o in sent.items() if o.state == "sent"]
        answers: dict[str, Outcome] = {}

        def asked() -> bool:
            answers.update({o.change_id: o for o in self.connector.follow_up(pending)})
            return all(o.state != "sent" for o in answers.values())

        until(asked)
        return answers


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    manifest = manifest_of("excel")
    persons = csv.DictReader((FIXTURES / "persons.csv").open(encoding="utf-8"))
    rows = [{name: row[name] or None for name in HEADER} | {"GXSJ": "2026年01月01日"} for row in persons]
    seed(tmp_path, manifest, rows)
    loop, server = Loop(), ExcelServer([manifest], tmp_path, poll_seconds=0.05)
    context = context_of(tmp_path, loop.run(server.start()))
    yield Desk(tmp_path, manifest, server, loop, context, ExcelConnector(manifest, context))
    loop.run(server.stop())
    loop.close()


def test_check_names_template_and_export(desk: Desk) -> None:
    check = desk.connector.check()
    assert check.ok
    assert check.lines[3] == ("persons template", True, "7 columns found")
    (desk.tray / "template.xlsx").unlink()
    assert not desk.connector.check().ok


def test_an_export_is_read_once_with_its_cells_as_places(desk: Desk) -> None:
    (page,) = desk.connector.pull("persons", None)
    assert page.rows.column("XM").to_pylist() == ["张三", "李四", "王五", "赵六"]
    assert page.rows.column("GMSFHM").to_pylist()[0] == "42019919900307001X"
    assert page.rows.column("_place").to_pylist()[0].endswith("!花名册!3")
    assert page.snapshot
    assert list(desk.connector.pull("persons", page.cursor)) == []


def test_an_edit_shows_in_the_next_export(desk: Desk) -> None:
    (page,) = desk.connector.pull("persons", None)
    desk.loop.run(desk.server.edit("testexcel", "persons", "R2", {"LXDH": "13900000002"}))
    (following,) = until(lambda: list(desk.connector.pull("persons", page.cursor)))
    phones = {row["RYBH"]: row["LXDH"] for row in following.rows.to_pylist()}
    assert phones["R2"] == "13900000002"


def test_a_numeric_identity_cell_is_rejected_with_its_place(desk: Desk) -> None:
    desk.drop("花名册9.xlsx", [HEADER, ["R1", "", 420199199003070012, "张三", 13800000001, "男", "", ""]])
    (page,) = desk.connector.pull("persons", None)
    (row,) = page.rows.to_pylist()
    assert (row["GMSFHM"], row["LXDH"]) == (None, "13800000001")
    (reject,) = page.rejects.to_pylist()
    assert (reject["rule"], reject["place"], reject["column"]) == (
        "excel.numeric_id",
        "花名册9.xlsx!花名册!3",
        "GMSFHM",
    )


def test_hidden_columns_and_text_dates_are_read(desk: Desk) -> None:
    desk.drop("花名册9.xlsx", [HEADER, ["R1", "2026年3月1日", "", "张三", "", "", "", ""]], hidden="B:B")
    (page,) = desk.connector.pull("persons", None)
    assert page.rows.column("GXSJ").to_pylist() == ["2026年3月1日"]


def test_a_moved_header_is_found_and_named(desk: Desk) -> None:
    desk.drop("花名册9.xlsx", [["", ""], HEADER, ["R1"]])
    with pytest.raises(Malformed, match="header_row: 3") as caught:
        list(desk.connector.pull("persons", None))
    assert caught.value.place.startswith("花名册9.xlsx")


def test_half_a_workbook_and_a_missing_tray_are_named(desk: Desk) -> None:
    (page,) = desk.connector.pull("persons", None)
    (desk.tray / "out/花名册9.xlsx").write_bytes(b"PK\x03\x04half")
    with pytest.raises(Malformed, match="no whole Excel workbook"):
        list(desk.connector.pull("persons", page.cursor))
    broken = ExcelConnector(desk.manifest, context_of(desk.home, {"TESTEXCEL_DIR": "nowhere"}))
    with pytest.raises(Unreachable):
        list(broken.pull("persons", None))


def test_the_filled_template_is_still_the_official_one(desk: Desk) -> None:
    desk.rest()
    change = change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222"), "sex": (None, "1")})
    outcome = desk.push(change)["1"]
    assert outcome.state == "sent"
    (path,) = (desk.tray / "in").glob("OF_persons_*.xlsx")
    filled, official = openpyxl.load_workbook(path), openpyxl.load_workbook(desk.tray / "template.xlsx")
    sheet, template = filled["填报"], official["填报"]
    assert [cell.value for cell in sheet[3]] == ["编号", "身份证号", "姓名", "联系电话", "性别(下拉)", "现住址", "来源"]
    assert [cell.value for cell in sheet[4]][:5] == ["R1", "42019919900307001X", "张三", "13911112222", "男"]
    assert all(isinstance(cell.value, str) and cell.number_format == "@" for cell in sheet[4])
    assert sheet["A3"].fill.fgColor.rgb == template["A3"].fill.fgColor.rgb
    assert sheet.merged_cells.ranges == template.merged_cells.ranges
    rules = [(str(v.sqref), v.formula1) for v in sheet.data_validations.dataValidation]
    assert rules == [(str(v.sqref), v.formula1) for v in template.data_validations.dataValidation] != []
    assert filled["代码表"].sheet_state == "hidden"
    assert [cell.value for cell in filled["代码表"]["A"]] == ["男", "女", "未知"]
    assert set(filled.defined_names) == set(official.defined_names) == {"DM_1"}


def test_an_update_is_sent_answered_and_verified(desk: Desk) -> None:
    sent = desk.push(change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222")}))
    assert (sent["1"].receipt or "").endswith(".xlsx#1")
    outcome = desk.settled(sent)["1"]
    assert (outcome.state, outcome.record_key) == ("verified", "R1")
    (row,) = desk.connector.read_back("persons", ["R1"]).to_pylist()
    assert (row["LXDH"], row["XM"], row["LYDM"]) == ("13911112222", "张三", "派出所")


def test_clearing_a_field_and_creating_a_record(desk: Desk) -> None:
    clear = change_of(desk.manifest, "R1", {"phone": ("13800000001", None)}, number="1")
    create = change_of(desk.manifest, None, {"name": (None, "孙八")}, number="2", current={"sex": "1"})
    answers = desk.settled(desk.push(clear, create))
    assert [answers[n].state for n in "12"] == ["verified", "verified"]
    assert desk.connector.read_back("persons", ["R1"]).column("LXDH").to_pylist() == [None]
    (new,) = desk.connector.read_back("persons", [answers["2"].record_key or ""]).to_pylist()
    assert (new["XM"], new["XB"], new["LYDM"]) == ("孙八", "男", "网格")


def test_refused_rows_come_back_with_the_systems_words(desk: Desk) -> None:
    good = change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222")}, number="1")
    long = change_of(desk.manifest, "R2", {"name": ("李四", "长" * 81)}, number="2")
    answers = desk.settled(desk.push(good, long))
    assert answers["1"].state == "verified"
    assert (answers["2"].state, answers["2"].code) == ("rejected", "row_refused")
    assert "超长" in answers["2"].message


def test_a_row_whose_identity_number_the_export_lost_is_not_overwritten(desk: Desk) -> None:
    desk.rest()
    desk.drop("花名册9.xlsx", [HEADER, ["R1", "", 420199199003070012, "张三", "13800000001", "男", "", ""]])
    outcome = desk.push(change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222")}))["1"]
    assert (outcome.state, outcome.code) == ("rejected", "excel.numeric_id")
    assert not list((desk.tray / "in").iterdir())


def test_many_rows_are_split_over_files(desk: Desk) -> None:
    desk.rest()
    connector = ExcelConnector(desk.manifest, desk.context, file_rows=2)
    changes = [
        change_of(desk.manifest, key, {"residence_address": (old, f"粮道街胭脂路{i}号")}, number=str(i))
        for i, (key, old) in enumerate(
            [("R1", "粮道街胭脂路1号2栋301室"), ("R2", "粮道街胭脂路1号2栋302室"), ("R3", "粮道街胭脂路3号")], start=5
        )
    ]
    outcomes = list(connector.push(changes))
    assert {o.state for o in outcomes} == {"sent"}
    assert len(list((desk.tray / "in").glob("OF_*.xlsx"))) == 2
    assert len({o.receipt for o in outcomes}) == 3


def test_another_version_of_the_template_is_named_before_anything_is_sent(desk: Desk) -> None:
    desk.rest()
    book = openpyxl.load_workbook(desk.tray / "template.xlsx")
    book["填报"]["D3"] = "手机"
    book.save(desk.tray / "template.xlsx")
    change = change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222")})
    with pytest.raises(Malformed, match="no column for LXDH"):
        list(desk.connector.push([change]))
    book["填报"].insert_rows(1)
    book.save(desk.tray / "template.xlsx")
    with pytest.raises(Malformed, match="template_header_row: 4"):
        list(desk.connector.push([change]))
    assert not list((desk.tray / "in").iterdir())


def test_without_an_error_workbook_it_stays_sent(desk: Desk) -> None:
    desk.rest()
    sent = desk.push(change_of(desk.manifest, "R1", {"phone": ("13800000001", "13911112222")}))["1"]
    (answer,) = desk.connector.follow_up([("1", sent.receipt or "")])
    assert (answer.state, answer.code) == ("sent", "waiting")
