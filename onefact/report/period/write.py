"""Write the period's report: read the facts once, place them in each wanted form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from onefact.acting import acted
from onefact.home import Home
from onefact.report.period import excel, pdf, view
from onefact.report.period.collect import Report, collect
from onefact.report.period.span import Period, month_of

Form = Literal["html", "pdf", "xlsx"]

FORMS: tuple[Form, ...] = ("html", "pdf", "xlsx")

PDF_ROWS = 60
"""Failing rows in print."""

FOLDER = "reports"
"""Folder of the home in which the monthly reports are put."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report, the period that it is about, and its total score (None = 未评价)."""

    period: str
    files: tuple[Path, ...]
    total: float | None
    failing: int
    did_not_run: int


def write(home: Home, period: Period, out: Path, forms: Sequence[Form] = FORMS) -> Written:
    """Write the report of a period into a folder.

    Raises:
        onefact.report.period.pdf.NoPrinter: a PDF was asked for and cannot be made; what does not need it is written.
    """
    report = collect(home, period)
    acted(home, "report", "report", (period.name,), forms=sorted(forms), rows=len(report.quality.failing))
    out.mkdir(parents=True, exist_ok=True)
    # The PDF last: where it cannot be made, the others are there.
    wanted = [f for f in ("html", "xlsx", "pdf") if f in forms]
    files = tuple(WRITERS[f](report, out / f"onefact-report-{period.name}.{f}") for f in wanted)
    q = report.quality
    return Written(period.name, files, q.total.score, q.run.failing if q.run else 0, len(q.did_not_run))


def last_month(home: Home) -> Written:
    """Write the report of the month before into the home, for the scheduler."""
    month = month_of(home.now().date().replace(day=1) - timedelta(days=1))
    return write(home, month, home.path / FOLDER / month.name)


def _html(report: Report, path: Path) -> Path:
    path.write_text(view.html(report), encoding="utf-8")
    return path


def _pdf(report: Report, path: Path) -> Path:
    return pdf.write(view.html(report, rows=PDF_ROWS), path)


WRITERS: Mapping[str, Callable[[Report, Path], Path]] = {"html": _html, "pdf": _pdf, "xlsx": excel.write}
"""Form -> what writes it."""
