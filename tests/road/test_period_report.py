"""The period's report: every number from the tables, 未评价 where one is missing, nothing personal, the same facts in each form."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from road_support import MakeHome, Town, citizen, flat, manifests, row

from onefact import consolidate, enter, log, merge, pull, reconcile
from onefact.quality.check import check
from onefact.report.period import pdf, view
from onefact.report.period.collect import Report, collect
from onefact.report.period.span import NoPeriod, Period, asked, month_of
from onefact.report.period.write import last_month, write
from warehouse import sealed

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(("month", "since", "until", "first", "last"), [
    (None, None, None, "2026-11-01", "2026-11-30"),
    ("2026-02", None, None, "2026-02-01", "2026-02-28"),
    (None, "2026-11-03", "2026-11-05", "2026-11-03", "2026-11-05"),
    (None, "2026-10-30", None, "2026-10-30", "2026-11-20"),
    (None, None, "2026-10-30", "2026-10-01", "2026-10-30"),
])  # fmt: skip
def test_a_period_is_a_month_or_a_span_of_days(
    month: str | None, since: str | None, until: str | None, first: str, last: str
) -> None:
    period = asked(TODAY, month, since, until)
    assert (str(period.first), str(period.last)) == (first, last)


@pytest.mark.parametrize(
    "said",
    [("2026-13", None, None), (None, "2026-11-05", "2026-11-03"), ("2026-11", "2026-11-01", None), (None, "x", None)],
)
def test_a_period_that_is_none_is_refused_with_the_way_out(said: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(NoPeriod, match="--period 2026-11"):
        asked(TODAY, *said)


def test_the_period_before_is_the_month_before_or_as_many_days() -> None:
    assert month_of(date(2026, 3, 9)).before == month_of(date(2026, 2, 1))
    assert Period(date(2026, 11, 11), date(2026, 11, 20)).before == Period(date(2026, 11, 1), date(2026, 11, 10))


def this_month(town: Town) -> Period:
    """The month of the test's clock; deliveries and runs carry PostgreSQL's time, the month of today."""
    return Period(min(town.home.now().date(), date.today()), max(town.home.now().date(), date.today()))  # noqa: DTZ011


def settle(town: Town, system: str, rows: list[dict[str, str]]) -> None:
    town.write(system, rows)
    pull.pull(town.home)
    consolidate.consolidate(town.home)


def filled(town: Town) -> Town:
    """A town with one person whom two systems know, one with a wrong sex, an entry, a comparison and a quality run."""
    ming = dict(row("1", "张明", id_number=citizen(1), phone="13900000001", home=flat(1)))
    hong = dict(row("2", "李红", id_number=citizen(2), sex="男", home=flat(2)))
    settle(town, "ybss", [ming, hong])
    settle(town, "sg_etong", [{**ming, "id": "7"}])
    enter.enter(town.home, citizen(1), "phone", "13900000009", actor="王网格员")
    consolidate.consolidate(town.home)
    reconcile.reconcile(town.home)
    check(town.home)
    return town


@pytest.fixture(scope="module")
def told(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> tuple[Town, Report]:
    """A filled town that tests only read, and its report."""
    town = filled(Town(make_home(tmp_path_factory.mktemp("told"), manifests("ybss", "sg_etong", "volunteer"))))
    return town, collect(town.home, this_month(town))


def test_the_facts_are_those_of_the_tables(told: tuple[Town, Report]) -> None:
    town, report = told
    assert report.quality.run is not None
    failing = town.query("SELECT failing FROM quality_run")[0]["failing"]
    assert report.quality.run.failing == failing == len(report.quality.failing)
    person = next(m for m in report.merging if m.cn == "实有人口")
    assert (person.records, person.entities, person.found, person.before, person.new) == (3, 2, 1, 0, 1)
    flow = {f.system_id: f for f in report.flows}
    assert {s: f.received for s, f in flow.items() if f.received} == {
        r["system_id"]: r["n"]
        for r in town.query("SELECT system_id, sum(received) AS n FROM batch GROUP BY 1")
        if r["n"]
    }
    assert sum(f.planned + f.count("superseded") for f in report.flows) == len(town.outbox())
    assert all(f.balanced for f in report.flows)
    assert flow["ybss"].compared == 2
    assert {r.verb for r in report.runs} == {"consolidate", "reconcile"}


def test_the_burden_counts_what_the_outbox_carries(told: tuple[Town, Report]) -> None:
    town, report = told
    carrying = [s for s, _, field, _, new in town.changes() if (field, new) == ("phone", "13900000009")]
    (worker,) = report.burden.workers
    assert (worker.unit, worker.entered, worker.asked) == ("王网格员", 1, len(carrying))
    assert carrying
    assert [load.unit for load in report.burden.systems] == sorted(carrying)
    assert [load.unit for load in report.burden.months] == [f"{town.home.now():%Y-%m}"]


def test_a_value_typed_twice_saves_nothing_twice(town: Town) -> None:
    filled(town)
    before = collect(town.home, this_month(town)).burden.total
    enter.enter(town.home, citizen(1), "phone", "13900000009", actor="李网格员")
    after = collect(town.home, this_month(town)).burden.total
    assert before is not None
    assert after is not None
    assert (after.entered, after.asked) == (before.entered + 1, before.asked)


def test_what_has_no_input_is_not_evaluated_with_the_reason(town: Town) -> None:
    report = collect(town.home, this_month(town))
    page = view.html(report)
    assert report.quality.total.score is None
    assert "没有质量检查" in report.quality.total.why
    assert report.burden.total is None
    assert all(f.compared is None and f.why for f in report.flows)
    assert "100" not in re.findall(r'class="heat [^"]*"[^>]*>[^<]*<i[^>]*>[^<]*</i>([^<]*)<', page)
    for reason in ("没有质量检查", "没有录入", "没有核对"):
        assert reason in page


def test_the_cover_names_the_checkpoint_of_the_log(town: Town) -> None:
    assert "没有签发检查点" in str(collect(town.home, this_month(town)).checkpoint)
    made, _ = log.issue(town.home)
    found = collect(town.home, this_month(town)).checkpoint
    assert not isinstance(found, str)
    assert (found.size, found.root, found.key) == (made.seq, made.hash, made.key)
    assert made.hash in view.html(collect(town.home, this_month(town)))


def test_writing_a_report_is_noted(told: tuple[Town, Report], tmp_path: Path) -> None:
    town, _ = told
    write(town.home, this_month(town), tmp_path, ("html",))
    with town.home.engine.connect() as connection:
        (act,) = sealed.entries(connection, act="report", limit=1)
    assert act.subjects == (this_month(town).name,)


def test_a_person_undoes_and_it_is_counted(town: Town) -> None:
    filled(town)
    master = town.id_of("ybss", "1")
    merge.split(town.home, master, ["sg_etong/7"], actor="赵复核", reason="同号不同人")
    consolidate.consolidate(town.home)
    person = next(m for m in collect(town.home, this_month(town)).merging if m.cn == "实有人口")
    assert person.negative >= 1
    assert person.found == 0


def test_the_page_loads_nothing_and_holds_no_value(told: tuple[Town, Report]) -> None:
    _, report = told
    page = view.html(report)
    assert not re.search(r"""(?:src|href)=|url\(|@import|<script""", page)
    assert "default-src 'none'" in page
    for value in ("张明", "李红", citizen(1), citizen(2), "13900000001", "13900000009", flat(1)):
        assert value not in page


def test_every_form_is_written_and_says_the_same(told: tuple[Town, Report], tmp_path: Path) -> None:
    town, report = told
    written = write(town.home, this_month(town), tmp_path)
    assert [p.suffix for p in written.files] == [".html", ".xlsx", ".pdf"]
    assert written.files[2].read_bytes().startswith(b"%PDF-")
    book = openpyxl.load_workbook(written.files[1], read_only=True)
    failing = list(book["不合格记录"].iter_rows(values_only=True))
    assert len(failing) - 1 == written.failing == len(report.quality.failing)
    scores = {r[0]: r[2] for r in book["评分"].iter_rows(min_row=2, values_only=True)}
    assert scores["总分"] == pytest.approx(written.total)
    assert {r[0] for r in book["系统评分"].iter_rows(min_row=2, values_only=True)} == set(town.home.manifests)


def test_without_a_printer_the_other_forms_are_there(
    told: tuple[Town, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town, _ = told
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(pdf.NoPrinter, match="libpango"):
        write(town.home, this_month(town), tmp_path / "out")
    assert {p.suffix for p in (tmp_path / "out").iterdir()} == {".html", ".xlsx"}


def test_the_scheduler_writes_the_month_before(town: Town) -> None:
    filled(town)
    town.home.now.moment = datetime(2026, 12, 1, 6, 0)  # type: ignore[attr-defined]  # noqa: DTZ001
    written = last_month(town.home)
    assert written.period == "2026-11"
    assert written.total is not None
    assert {p.parent for p in written.files} == {town.home.path / "reports" / "2026-11"}


def test_a_formula_in_a_name_stays_text(town: Town, tmp_path: Path) -> None:
    filled(town)
    enter.enter(town.home, citizen(2), "phone", "13900000008", actor="=1+1")
    consolidate.consolidate(town.home)
    written = write(town.home, this_month(town), tmp_path, ("xlsx",))
    cells = [
        c for r in openpyxl.load_workbook(written.files[0])["填报负担"].iter_rows() for c in r if c.value == "=1+1"
    ]
    assert [c.data_type for c in cells] == ["s"]
