"""The commands of bulk entry and forms, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from forms_support import form
from town import settle_town
from typer.testing import CliRunner

from onefact.cli.app import app
from onefact.home import Home
from warehouse.tables import ENTRY


@pytest.fixture
def run(make_home: Callable[..., Home], tmp_path: Path) -> Callable[..., Any]:
    home = make_home(
        tmp_path, {"ybss": (Path(__file__).parents[2] / "connectors/systems/ybss.yaml").read_text(encoding="utf-8")}
    )
    settle_town(home)

    def typed(*words: str) -> Any:
        options = ["--home", str(home.path), "--systems", str(home.systems)]
        done = CliRunner().invoke(app, [*options, *words], env={"ONEFACT_DATABASE_URL": home.database_url or ""})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return json.loads(done.output) if "--json" in words else done.output

    typed.home = home  # type: ignore[attr-defined]
    return typed


def test_a_template_is_filled_checked_and_entered(run: Any, tmp_path: Path) -> None:
    file, bad = tmp_path / "t.xlsx", tmp_path / "bad.xlsx"
    run("bulk", "template", "person", "--out", str(file))
    book = openpyxl.load_workbook(file)
    page = book["填报"]
    titles = {str(c.value).strip("*"): c.column for c in page[1]}
    for row, (name, number, phone) in enumerate(
        [("钱壮", "42019919700505003X", "13911110000"), ("钱壮", "1", "13911110001")], start=3
    ):
        page.cell(row, titles["姓名"], name)
        page.cell(row, titles["公民身份号码/证件号码"], number)
        page.cell(row, titles["联系方式"], phone)
    book.save(file)
    said = run("bulk", "check", str(file), "--json")
    assert (said["rows"], said["updated"], said["bad"], said["examples"]) == (2, 1, 1, 1)
    done = run("bulk", "enter", str(file), "--out", str(bad), "--actor", "小王", "--json")
    assert (done["facts"], done["bad_rows"]) == (1, str(bad))
    with run.home.engine.connect() as connection:
        assert connection.execute(sa.select(ENTRY.c.actor, ENTRY.c.value)).all() == [("小王", "13911110000")]
    assert "错误原因" in [c.value for c in openpyxl.load_workbook(bad)["填报"][1]]


def test_a_form_is_matched_taught_filled_and_judged(run: Any, tmp_path: Path) -> None:
    file, out = tmp_path / "f.xlsx", tmp_path / "out.xlsx"
    file.write_bytes(form("household"))
    found = run("form", "match", "姓名、身份证号、常住电话", "--json")
    assert [c["meaning"] for c in found["columns"]][:2] == ["name", "id_number"]
    run("form", "teach", "常住电话", "phone")
    again = run("form", "match", "姓名、身份证号、常住电话", "--json")
    assert again["columns"][2] | {"others": []} == {
        "heading": "常住电话", "meaning": "phone", "confidence": 1.0, "sure": True, "reason": "人工确认过", "others": [], "free": False,
    }  # fmt: skip
    done = run("form", "fill", str(file), "--grid", "G1", "--out", str(out), "--json")
    assert (done["rows"], done["withheld"].keys()) == (4, {"家庭成员 > 政治面貌"})
    assert openpyxl.load_workbook(out).sheetnames == ["Sheet", "待补", "填报说明"]
    assert len(run("form", "tasks", "--json")) == done["tasks"]
    judged = run("form", "gate", str(file), "--grid", "G1", "--json")
    assert judged["counts"]["不得收集"] == 1
    assert "不必再问" in run("form", "gate", str(file))


def test_the_log_has_who_took_a_filled_form_away(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.xlsx"
    file.write_bytes(form("household"))
    run(
        "form",
        "fill",
        str(file),
        "--grid",
        "G1",
        "--out",
        str(tmp_path / "o.xlsx"),
        "--actor",
        "小王",
        "--purpose",
        "普查",
    )
    with run.home.engine.connect() as connection:
        last = connection.execute(sa.text("SELECT body::text FROM sealed_log ORDER BY seq DESC LIMIT 1")).scalar_one()
    assert "小王" in last
    assert "export" in last
    assert "钱老" not in last
