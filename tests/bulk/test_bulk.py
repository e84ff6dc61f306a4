"""Bulk entry: each row of a readable fixture ends where it says, once; bad rows come back; a second upload changes nothing."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from bulk_support import fill_master, rows, workbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onefact.bulk.enter import OUTCOMES, BulkDone, TooManyErrors, bulk
from onefact.bulk.guard import UploadRefused
from onefact.bulk.layout import NoSuchLayout, layout, layouts
from onefact.bulk.returns import write_bad
from onefact.bulk.settings import Limits
from onefact.bulk.sheet import read
from onefact.bulk.template import write_template
from onefact.home import Home
from schemas.entities import ENTITIES
from warehouse.tables import BULK_UPLOAD, ENTRY, TICKET

LENIENT = Limits(errors=1)
CASES = rows("persons.tsv")


@pytest.fixture
def home(make_home: Callable[..., Home], tmp_path: Path) -> Home:
    made = make_home(tmp_path, {})
    made.__dict__["manifests"] = {}
    fill_master(made)
    return made


def bad_rows(done: BulkDone, folder: Path) -> Path:
    write_bad(done, folder / "bad.xlsx")
    return folder / "bad.xlsx"


def entries(home: Home) -> list[tuple[str, str, str]]:
    with home.engine.connect() as connection:
        query = sa.select(ENTRY.c.master_id, ENTRY.c.field, ENTRY.c.value).order_by(ENTRY.c.master_id, ENTRY.c.field)
        return [(m, f, v) for m, f, v in connection.execute(query)]


def test_every_row_ends_where_the_fixture_says(home: Home, tmp_path: Path) -> None:
    done = bulk(home, workbook("person", CASES), "tester", limits=LENIENT)
    assert done.counts == {o: Counter(c["outcome"] for c in CASES)[o] for o in OUTCOMES}
    assert sum(done.counts.values()) == done.rows == len(CASES)
    book = openpyxl.load_workbook(bad_rows(done, tmp_path))
    sheet = book["填报"]
    back = {row[1]: row[0] for row in sheet.iter_rows(min_row=2, values_only=True)}
    wanted = {i: c["reason"] for i, c in enumerate(CASES, start=2) if c["outcome"] == "bad"}
    assert back.keys() == wanted.keys()
    assert {i: r for i, r in wanted.items() if not str(back[i]).startswith(r)} == {}


def test_wrong_cells_are_red_and_formulas_are_text(home: Home, tmp_path: Path) -> None:
    done = bulk(home, workbook("person", CASES), "tester", limits=LENIENT)
    sheet = openpyxl.load_workbook(bad_rows(done, tmp_path))["填报"]
    red = {c.value for row in sheet.iter_rows(min_row=2, min_col=3) for c in row if c.fill.fgColor.rgb == "FFFFC7CE"}
    assert {"420199201203030038", "1380000", "火星族"} <= red
    injected = next(c for row in sheet.iter_rows() for c in row if str(c.value).startswith("=cmd"))
    assert injected.data_type == "s"
    assert injected.quotePrefix


def test_what_went_in(home: Home) -> None:
    done = bulk(home, workbook("person", CASES), "tester", limits=LENIENT)
    kept = entries(home)
    by_field = {(f, v) for _, f, v in kept}
    assert done.facts == len(kept)
    assert {("phone", "13911112222"), ("visited_on", "2026-10-30"), ("name", "孙三三"), ("ethnicity", "03")} <= by_field
    born = {m: {f: v for n, f, v in kept if n == m} for m in {m for m, f, v in kept if v == "420199195505050053"}}
    (new,) = born.values()
    assert new["name"] == "王七"
    assert (new["sex"], new["birth_date"]) == ("1", "1955-05-05")
    with home.engine.connect() as connection:
        asked = {(f, v) for f, v in connection.execute(sa.select(TICKET.c.field, TICKET.c.value))}
    assert asked == {("name", "孙三三"), ("ethnicity", "01"), ("id_number", "420199200101010112")}
    assert done.tickets == 3


def test_a_second_upload_changes_nothing(home: Home) -> None:
    data = workbook("person", CASES)
    first = bulk(home, data, "tester", limits=LENIENT)
    kept = entries(home)
    again = bulk(home, data, "tester", limits=LENIENT)
    assert entries(home) == kept
    assert (again.facts, again.tickets, again.counts["created"], again.counts["updated"]) == (0, 0, 0, 0)
    assert again.counts["unchanged"] == sum(first.counts[o] for o in ("created", "updated", "unchanged"))
    assert again.earlier == 1


def test_corrected_rows_go_in_from_the_file_that_came_back(home: Home, tmp_path: Path) -> None:
    done = bulk(home, workbook("person", CASES), "tester", limits=LENIENT)
    path = bad_rows(done, tmp_path)
    book = openpyxl.load_workbook(path)
    for row in book["填报"].iter_rows(min_row=2):
        for cell in row:
            cell.value = {"420199201203030038": "420199201203030039", "火星族": "土家族"}.get(
                str(cell.value), cell.value
            )
    book.save(path)
    again = bulk(home, path.read_bytes(), "tester", limits=LENIENT)
    assert again.rows == done.counts["bad"]
    assert (again.counts["created"], again.counts["bad"]) == (0, again.rows), (
        "two rows say different things of one number"
    )


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(home: Home) -> None:
    data = workbook("person", CASES)
    said = bulk(home, data, "tester", dry_run=True, limits=LENIENT)
    assert entries(home) == []
    with home.engine.connect() as connection:
        assert connection.execute(sa.select(BULK_UPLOAD)).all() == []
    done = bulk(home, data, "tester", limits=LENIENT)
    assert (said.counts, said.facts, said.tickets) == (done.counts, done.facts, done.tickets)


def test_a_file_with_too_many_errors_is_refused_whole(home: Home) -> None:
    with pytest.raises(TooManyErrors) as refused:
        bulk(home, workbook("person", CASES), "tester", limits=Limits(errors=0.3, few=2))
    assert refused.value.done.counts["bad"] == 8
    assert entries(home) == []
    with home.engine.connect() as connection:
        assert [r.refused for r in connection.execute(sa.select(BULK_UPLOAD))] == [True]


def test_rows_of_another_grid_are_not_the_workers(home: Home) -> None:
    done = bulk(home, workbook("person", CASES), "tester", within=["G1"], dry_run=True, limits=LENIENT)
    outside = {done.sheet.values["name"][p.row].as_py() for p in done.problems if p.rule == "bulk.outside"}
    assert outside == {"孙三三"}


def test_a_number_in_a_numeric_cell_has_lost_its_last_digits(home: Home) -> None:
    row: dict[str, Any] = {"name": "刘一", "id_number": 420199198506120010}
    done = bulk(home, workbook("person", [row]), "tester", dry_run=True)
    assert [p.rule for p in done.problems] == ["excel.numeric_id"]


def test_an_authoritys_newer_value_does_not_hide_what_the_worker_says_again(home: Home) -> None:
    data = workbook("person", [{"name": "陈二", "id_number": "420199197702030042", "phone": "13911112222"}])
    assert bulk(home, data, "tester").facts == 1
    assert bulk(home, data, "tester").facts == 0, "on its way"
    newer = "UPDATE person SET provenance = jsonb_set(provenance, '{phone}', '\"x|1|person|2026-12-01T00:00:00\"') WHERE phone = ANY(:lying)"
    lying = home.seals.equal(ENTITIES["person"].field("phone"), "13800000002")
    with home.engine.begin() as connection:
        connection.execute(sa.text(newer), {"lying": lying})
    assert bulk(home, data, "tester").facts == 1, "somebody has said otherwise since"


@pytest.mark.parametrize("entity", list(layouts()))
def test_the_template_reads_back_and_holds_only_its_example(entity: str, tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_template(layout(entity), path)
    sheet = read(path.read_bytes(), Limits())
    assert (sheet.layout.entity_type, sheet.rows, sheet.examples, sheet.unknown) == (entity, 0, 1, ())
    book = openpyxl.load_workbook(path)
    page = book["填报"]
    assert page.protection.sheet
    assert page["B1"].protection.locked
    assert not page["B2"].protection.locked
    lists = [v for v in page.data_validations.dataValidation if v.type == "list"]
    assert len(lists) == sum(bool(c.choices) for c in layout(entity).columns)
    assert [book[n].sheet_state for n in ("代码", "onefact")] == ["hidden", "veryHidden"]


def test_the_example_of_each_template_would_be_taken(make_home: Callable[..., Home], tmp_path: Path) -> None:
    home = make_home(tmp_path, {})
    home.__dict__["manifests"] = {}
    for entity, known in layouts().items():
        done = bulk(home, workbook(entity, [dict(known.example)]), "tester", dry_run=True)
        assert (entity, done.counts["created"], done.problems) == (entity, 1, ())


def test_unknown_templates_and_headings() -> None:
    with pytest.raises(NoSuchLayout):
        layout("address")
    with pytest.raises(UploadRefused, match="标题行"):
        read(workbook("person", [{"name": "x"}], titles={"name": "甲"}), Limits(), "person")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"name": st.text(max_size=8), "id_number": st.text("0123456789Xx０１ ", max_size=19), "phone": st.text(max_size=12), "residence_address": st.text(max_size=12)}), max_size=6))  # fmt: skip
def test_whatever_is_typed_every_row_is_counted_once(home: Home, typed: list[dict[str, str]]) -> None:
    clean = [{n: "".join(c for c in v if c.isprintable()) for n, v in row.items()} for row in typed]
    try:
        done = bulk(
            home, workbook("person", [{"name": "", "id_number": ""}, *clean]), "tester", limits=LENIENT, dry_run=True
        )
    except UploadRefused:
        return
    assert sum(done.counts.values()) == done.rows
