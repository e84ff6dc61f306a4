"""The report: complete for any result, readable offline, without persons, with pictures that say what the data say."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from linkage.score import Score
from onefact.demo import Arrival, Burden, DemoResult
from onefact.home import Home
from onefact.report.demo import write
from onefact.report.matrix import COLUMNS, matrix
from onefact.report.sharing import OTHER, Sharing, brief, family, shared
from onefact.report.wheel import FACTS, wheel
from onefact.status import Status, SystemStatus

RECEIPT = "receipt-that-must-not-be-printed"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(path=tmp_path_factory.mktemp("home"), now=lambda: datetime(2026, 11, 23, 14, 5))  # noqa: DTZ001


def facts_of(home: Home) -> Mapping[str, tuple[str, ...]]:
    return {
        m.id: tuple(sorted({f"{e.type}.{n}" for d in m.datasets for e in d.entities for n in e.fields}))
        for m in home.manifests.values()
    }


@pytest.fixture(scope="module")
def result(home: Home) -> DemoResult:
    systems = []
    for i, manifest in enumerate(home.manifests.values()):
        outbox = {"export": {"sent": 310}, "form": {"awaiting_person": 96 + i}}.get(
            manifest.kind, {"verified": 180 + 7 * i}
        )
        counts = (520 + 13 * i, 505 + 13 * i, 6, 3, 6, 11 + i)
        systems.append(SystemStatus(manifest.id, manifest.name, *counts, "2026-11-23T14:01:00", None, outbox))
    holders = [m for m in home.manifests.values() if "person.phone" in facts_of(home)[m.id]]
    state = {"form": "awaiting_person", "export": "sent"}
    return DemoResult(
        people=2000,
        systems=len(systems),
        records=sum(s.received for s in systems),
        entities={"address": 1404, "house": 1187, "organisation": 388, "person": 2113},
        duplicates={"address": 7402, "house": 2840, "organisation": 2177, "person": 13844},
        burden=Burden(asked=182_340, once=41_207),
        states={"verified": 9240, "awaiting_person": 802, "sent": 310},
        readable_equal=1.0,
        awaiting_person=1604,
        exported=2170,
        scores={
            "address": Score(41022, 40980, 40877),
            "house": Score(8211, 8200, 8190),
            "organisation": Score(9020, 8800, 8790),
            "person": Score(80231, 77110, 77093),
        },
        arrivals=tuple(Arrival(m.id, m.name, state.get(m.kind, "verified"), RECEIPT) for m in holders),
        second_run_pushed=0,
        errors=(),
        seconds={"sandbox": 12.4, "pull": 14.9, "consolidate": 9.2, "push": 16.8, "enter": 3.1, "second_run": 6.0},
        status=Status(tuple(systems), {"address": 1404, "house": 1187, "organisation": 388, "person": 2113}),
        sharing=facts_of(home),
    )


class Reader(HTMLParser):
    """Collects tags with their attributes, the text, and tags that were not closed in order."""

    VOID = ("meta", "br", "link", "img", "hr", "input")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.style = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def page(home: Home, result: DemoResult, folder: Path) -> tuple[str, Reader]:
    html = write(folder / "report.html", home, result).read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    reader.close()
    return html, reader


def test_the_page_shows_the_figures_and_every_system(home: Home, result: DemoResult, tmp_path: Path) -> None:
    _, reader = page(home, result, tmp_path)
    assert "一次录入，四十个系统同步" in reader.text
    assert re.search(r"联系方式实有人口\d+社管e通", reader.text), (
        "the shared facts can be read without seeing the picture"
    )
    for figure in ("182,340", "41,207", "77.4%", f"{result.records:,}", "80,231", "0.9998", "12.4"):
        assert figure in reader.text, figure
    for manifest in home.manifests.values():
        assert manifest.name in reader.text
        assert manifest.department in reader.text
    assert "未做到" not in reader.text


def test_the_page_is_well_formed_and_loads_nothing(home: Home, result: DemoResult, tmp_path: Path) -> None:
    html, reader = page(home, result, tmp_path)
    assert not reader.wrong
    assert not reader.open
    assert not {t for t, _ in reader.tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    loading = [
        (t, n)
        for t, attributes in reader.tags
        for n in attributes
        if n in {"src", "href", "style"} or n.startswith("on")
    ]
    assert loading == []
    assert "url(" not in html
    assert "@import" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_content_security_policy_admits_exactly_the_style_sheet(
    home: Home, result: DemoResult, tmp_path: Path
) -> None:
    _, reader = page(home, result, tmp_path)
    policy = next(
        a["content"] or "" for t, a in reader.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(reader.style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy


def test_receipts_are_not_printed_because_they_may_hold_a_record_key(
    home: Home, result: DemoResult, tmp_path: Path
) -> None:
    html, reader = page(home, result, tmp_path)
    assert RECEIPT not in html
    assert "回执" in reader.text


def test_states_of_the_entered_fact_are_told_apart(home: Home, result: DemoResult, tmp_path: Path) -> None:
    arrivals = (Arrival("econ_census", "经济普查", "sent", None), Arrival("fltong", "妇联通", "awaiting_person", None))
    _, reader = page(home, replace(result, arrivals=arrivals), tmp_path)
    listed = [
        a["class"] for t, a in reader.tags if t == "li" and a.get("class") in {"exported", "awaiting_person", "sent"}
    ]
    assert sorted(str(c) for c in listed) == ["awaiting_person", "exported"]


def test_a_broken_promise_is_said_and_errors_are_escaped(home: Home, result: DemoResult, tmp_path: Path) -> None:
    bad = replace(result, readable_equal=0.99996, second_run_pushed=3, errors=("<b>volunteer</b> does not answer",))
    html, reader = page(home, bad, tmp_path)
    assert reader.text.count("未做到") == 3
    assert "<b>volunteer</b> does not answer" in reader.text
    assert "&lt;b&gt;volunteer" in html
    assert "99.9%" in reader.text, "an incomplete share is never rounded to 100 %"


def test_an_unbalanced_system_is_marked(home: Home, result: DemoResult, tmp_path: Path) -> None:
    first, *others = result.status.systems
    unbalanced = Status((replace(first, received=first.received + 1), *others), result.status.entities)
    _, reader = page(home, replace(result, status=unbalanced), tmp_path)
    assert "账目有不符之处" in reader.text
    assert f"{first.name} ⚠" in reader.text


def test_rejects_are_counted_by_rule_with_their_sentence(result: DemoResult, tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    with home.warehouse() as con:
        con.execute(
            "INSERT INTO reject BY NAME SELECT 'patrol' AS system_id, 'record' AS level, 'record.no_key' AS rule, "
            "'r' || i AS place FROM range(7) t(i)"
        )
        con.execute("INSERT INTO reject BY NAME SELECT 'fltong' AS system_id, 'value' AS level, 'strange.rule' AS rule")
    _, reader = page(home, result, tmp_path)
    text = re.sub(r"\s+", " ", reader.text)
    assert "这一行没有主键，无法对应到任何记录record.no_key整条记录71" in text
    assert "见退回清单strange.rule单个取值11" in text


def test_an_empty_result_still_makes_a_page(home: Home, result: DemoResult, tmp_path: Path) -> None:
    empty = replace(
        result, systems=0, records=0, entities={}, duplicates={}, burden=Burden(0, 0), states={}, scores={}, arrivals=(),
        seconds={}, status=Status((), {}), sharing={},
    )  # fmt: skip
    _, reader = page(home, empty, tmp_path)
    assert "没有系统收到" in reader.text
    assert not reader.wrong


@pytest.fixture(scope="module")
def sharing(home: Home) -> Sharing:
    return shared(facts_of(home), home.manifests)


def test_sharing_counts_every_place_where_a_fact_is_kept(home: Home, sharing: Sharing) -> None:
    held = facts_of(home)
    assert sharing.slots == sum(len(f) for f in held.values())
    assert sharing.distinct == len({f for facts in held.values() for f in facts})
    assert [len(f.holders) for f in sharing.facts] == sorted((len(f.holders) for f in sharing.facts), reverse=True)
    assert all(len(f.holders) > 1 for f in sharing.facts)
    phone = next(f for f in sharing.facts if f.key == "person.phone")
    assert phone.authority == "sg_etong"
    assert set(phone.holders) == {s for s, facts in held.items() if "person.phone" in facts}


def test_every_department_of_the_forty_has_a_family(home: Home) -> None:
    assert OTHER not in {family(m.department) for m in home.manifests.values()}
    assert family("武昌区气象局") == OTHER
    assert brief("公民身份号码/证件号码") == "公民身份号码"
    assert brief("(空)") == "(空)"


def test_the_matrix_has_a_cell_for_every_held_fact_and_one_star_per_authority(sharing: Sharing) -> None:
    made = matrix(sharing)
    shown = sharing.facts[:COLUMNS]
    assert len(made.rows) == len(sharing.systems)
    assert {(c.system.id, c.fact.key) for c in made.cells} == {(s, f.key) for f in shown for s in f.holders}
    assert {(c.system.id, c.fact.key) for c in made.cells if c.authority} == {
        (f.authority, f.key) for f in shown if f.authority
    }
    assert all(0 < c.x < made.width and 0 < c.y < made.height for c in made.cells)


def test_the_wheel_draws_a_line_for_every_holder_and_its_labels_keep_apart(sharing: Sharing) -> None:
    made = wheel(sharing)
    assert len(made.lines) == sum(len(f.holders) for f in sharing.facts[:FACTS])
    points = [(s.x, s.y) for s in made.spokes]
    gaps = [((x - a) ** 2 + (y - b) ** 2) ** 0.5 for i, (x, y) in enumerate(points) for a, b in points[:i]]
    assert min(gaps) > 15
    nodes = [
        ((m.x - n.x) ** 2 + (m.y - n.y) ** 2) ** 0.5 - m.radius - n.radius
        for i, m in enumerate(made.nodes)
        for n in made.nodes[:i]
    ]
    assert min(nodes) > 20


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_colours_have_the_contrast_of_wcag_aa(home: Home, result: DemoResult, tmp_path: Path) -> None:
    _, reader = page(home, result, tmp_path)
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", reader.style.split("}")[0]))
    texts = [named[n] for n in ("ink", "soft", "good", "bad")]
    texts += re.findall(r"--f: (#[0-9a-f]{6})", reader.style)
    texts += re.findall(r"td\.zero \{ color: (#[0-9a-f]{6})", reader.style)
    assert len(texts) >= 13
    for colour in texts:
        assert contrast(colour, "#ffffff") >= 4.5, colour
    for colour in (named["ink"], named["soft"]):
        assert contrast(colour, named["paper"]) >= 4.5
    for full in re.findall(r"--e: (#[0-9a-f]{6})", reader.style):
        assert contrast(full, "#ffffff") >= 4.5, "the star on an authority's cell"
