"""The report in a real Chromium: styled under its own policy, nothing loaded, nothing cut off on a phone."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import facts
from linkage.score import Score
from onefact.demo import Arrival, Burden, DemoResult
from onefact.home import Home
from onefact.report.demo import write
from onefact.report.period import view
from onefact.status import Status, SystemStatus

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the report was not opened in a browser"),
]

PROBE = """<!doctype html><title>probe</title><iframe src="report.html" style="width:{width}px;height:3000px;border:0"></iframe>
<script>addEventListener('load', () => {{
  const view = document.querySelector('iframe').contentWindow, page = view.document, style = view.getComputedStyle(page.body);
  const labels = [...page.querySelectorAll('svg.wheel text.name')].map(t => t.getBoundingClientRect());
  const frame = (page.querySelector('svg.wheel') || page.body).getBoundingClientRect();
  const states = [...page.querySelectorAll('.state, .heat')];
  document.title = JSON.stringify({{
    background: style.backgroundColor, wide: page.documentElement.scrollWidth,
    loaded: view.performance.getEntriesByType('resource').map(e => e.name),
    cut: labels.filter(b => b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1).length,
    labels: labels.length, cells: page.querySelectorAll('td.heat').length,
    wordless: states.filter(e => !/[\\u4e00-\\u9fff]/.test(e.textContent) || !e.querySelector('i').textContent.trim()).length,
    small: [...page.querySelectorAll('p, td, th, li, dd, dt')].filter(e => parseFloat(view.getComputedStyle(e).fontSize) < 12).length,
  }});
}});</script>"""


def result(home: Home) -> DemoResult:
    systems = tuple(
        SystemStatus(m.id, m.name, 9, 9, 0, 0, 0, 1, None, None, {"verified": 4}) for m in home.manifests.values()
    )
    return DemoResult(
        people=20,
        systems=40,
        records=360,
        entities={"address": 12, "house": 9, "organisation": 3, "person": 20},
        duplicates={"person": 180},
        burden=Burden(1000, 250),
        states={"verified": 160},
        readable_equal=1.0,
        awaiting_person=0,
        exported=0,
        scores={"person": Score(100, 99, 99)},
        arrivals=(Arrival("sg_etong", "社管e通", "verified", "1"),),
        second_run_pushed=0,
        errors=(),
        seconds={"pull": 1.0},
        status=Status(systems, {}),
        sharing={
            m.id: tuple(sorted({f"{e.type}.{n}" for d in m.datasets for e in d.entities for n in e.fields}))
            for m in home.manifests.values()
        },
    )


@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_in_a_browser(tmp_path: Path, width: int) -> None:
    home = Home(path=tmp_path / "home", now=lambda: datetime(2026, 11, 23, 14, 5))  # noqa: DTZ001
    write(tmp_path / "report.html", home, result(home))
    seen = opened(tmp_path, width)
    assert seen["background"] == "rgb(251, 250, 246)", "the page's own policy keeps its style sheet out"
    assert seen["wide"] <= width, "the page is wider than the screen"
    assert seen["loaded"] == []
    assert (seen["labels"], seen["cut"]) == (40, 0), "labels of the picture are cut off"
    assert seen["small"] == 0, "text smaller than 12 px"


@pytest.mark.parametrize("width", [400, 1280])
def test_the_periods_report_in_a_browser(tmp_path: Path, width: int) -> None:
    (tmp_path / "report.html").write_text(view.html(facts(300)), encoding="utf-8")
    seen = opened(tmp_path, width)
    assert seen["background"] == "rgb(251, 250, 246)", "the page's own policy keeps its style sheet out"
    assert seen["wide"] <= width, "the page is wider than the screen"
    assert seen["loaded"] == []
    assert seen["small"] == 0, "text smaller than 12 px"
    assert seen["cells"] == 40 * 7
    assert seen["wordless"] == 0, "a status without a word or without a shape"


def opened(tmp_path: Path, width: int) -> dict[str, Any]:
    """Open `report.html` of the folder in a frame of so many pixels; return what the probe saw."""
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width), encoding="utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,3000",
            "--dump-dom", probe.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert title, done.stderr[-500:]
    found: dict[str, Any] = json.loads(title.group(1))
    return found
