"""网页表单: a website as a worker sees it, read page by page; written by a person, or by us only where that is authorised."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from connectors.base import LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.kinds.form import FormConnector
from connectors.kinds.html_form import NoOption, edit_form
from sandbox.servers.form import FormServer
from tests.connectors.support import NOW, Running, change_of, context_of, manifest_of, rows_of, seed

PLACES = [
    {"bh": f"XF/{n:04d}", "mc": f"测试<场所>{n}", "zt": "在业", "dh": f"1390000{n:04d}", "mj": f"{n}.5",
     "gxsj": "2026-02-01 08:00:00", "bz": None}
    for n in range(1, 121)
]  # fmt: skip
VISITS = [{"xh": "7&8 甲", "xm": "测试人", "sj": "13900000001"}]
AUTOMATION = {"document": "测试函4号", "expires": date(2099, 12, 31), "automation": True}


class Clock:
    """The website's time; each look takes a second."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def running(tmp_path, clock):
    manifest = manifest_of("t_form")
    seed(tmp_path, manifest, PLACES, "places")
    seed(tmp_path, manifest, VISITS, "visits")
    with Running(FormServer([manifest], tmp_path, now=clock)) as running:
        yield running


@pytest.fixture
def by_hand(running, tmp_path):
    connector = FormConnector(manifest_of("t_form"), context_of(tmp_path, running.variables))
    yield connector
    connector.close()


@pytest.fixture
def automatic(running, tmp_path):
    manifest = manifest_of("t_form", authorisation=AUTOMATION)
    connector = FormConnector(manifest, context_of(tmp_path, running.variables))
    yield connector
    connector.close()


def held(running, key: str, dataset: str = "places"):
    return running.server.systems["t_form"].store.row(dataset, key)


def edit(running, key: str, **columns: str) -> None:
    running.run(running.server.edit("t_form", "places", key, columns))


def update(connector, key: str, number: str = "1", **fields):
    return change_of(connector.manifest, f"places/{key}", fields, number=number)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_all_list_pages_are_read_as_a_snapshot(by_hand):
    pages = list(by_hand.pull("places", None))
    assert [p.rows.num_rows for p in pages] == [50, 50, 20]
    assert rows_of(pages) == [{c: row[c] for c in ("bh", "gxsj", "mc", "zt", "dh", "mj", "bz")} for row in PLACES]
    assert [p.snapshot for p in pages] == [False, False, True]
    assert pages[1].rows.column("_place").to_pylist()[2] == "/place/list.do?page=2#3"
    assert rows_of(by_hand.pull("visits", None)) == VISITS


def test_a_session_that_ends_midway_is_renewed(by_hand, running):
    pages = by_hand.pull("places", None)
    got = [next(pages)]
    running.server.systems["t_form"].sessions.end_all()
    got += list(pages)
    assert len(rows_of(got)) == len(PLACES)


def test_a_row_that_moves_while_paging_makes_no_false_snapshot(by_hand, running):
    pages = by_hand.pull("places", None)
    got = [next(pages)]
    edit(running, "XF/0001", bz="改过")  # sorted by time of change, it goes to the end and the others move up
    got += list(pages)
    keys = [r["bh"] for r in rows_of(got)]
    assert len(keys) == len(PLACES)
    assert "XF/0051" not in keys
    assert not any(p.snapshot for p in got)


def test_a_changed_page_is_malformed(running, tmp_path):
    data = manifest_of("t_form").model_dump(mode="json", by_alias=True)
    data["datasets"][0]["local"]["xin"] = {"title": "新列"}
    connector = FormConnector(manifest_of("t_form", datasets=data["datasets"]), context_of(tmp_path, running.variables))
    with pytest.raises(Malformed, match="xin"):
        list(connector.pull("places", None))
    assert [(what, ok) for what, ok, _ in connector.check().lines] == [
        ("login", True),
        ("places", False),
        ("visits", True),
    ]


def test_read_back_shows_what_the_edit_page_shows(by_hand):
    rows = by_hand.read_back("places", ["places/XF/0003", "places/nobody", "places/XF/0002"])
    assert rows_of([type("P", (), {"rows": rows})]) == [
        {c: PLACES[n][c] for c in ("bh", "gxsj", "mc", "zt", "dh", "mj", "bz")} for n in (2, 1)
    ]
    assert by_hand.read_back("visits", ["visits/7&8 甲"]).to_pylist()[0]["xm"] == "测试人"


def test_the_rate_limit_is_kept(running, tmp_path):
    waited = []
    context = context_of(tmp_path, running.variables)
    object.__setattr__(context, "sleep", waited.append)
    connector = FormConnector(manifest_of("t_form", rate_limit={"per_second": 2, "burst": 1}), context)
    pages = list(connector.pull("places", None))
    # the list, led to the login, login page, its answer and where it leads, then the pages: each half a second after
    assert len(waited) >= len(pages) + 3
    assert waited[0] == pytest.approx(0.5)


# --- assisted entry ---------------------------------------------------------------------------------------------------


def test_without_authorisation_nothing_is_submitted(by_hand, running):
    change = update(by_hand, "XF/0005", phone=("13900000005", "13812345678"), status=("01", "03"), name=("x", "新名"))
    (outcome,) = by_hand.push([change])
    assert (outcome.state, outcome.code, outcome.message) == (
        "awaiting_person",
        "assisted_entry",
        "/place/XF%2F0005/edit.do",
    )
    assert outcome.detail == (("单位名称", "新名"), ("经营状态", "停业"), ("联系电话", "13812345678"))
    assert held(running, "XF/0005").version == 1
    assert not by_hand.automatic


def test_the_deep_link_leads_to_the_record(by_hand, running):
    (outcome,) = by_hand.push([update(by_hand, "XF/0005", phone=("13900000005", "13812345678"))])
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        login = browser.get(running.variables["T_FORM_URL"] + "/user/login")
        token = LexborHTMLParser(login.text).css_first("[name=_csrf]").attributes["value"]
        account = {"username": running.variables["T_FORM_USER"], "password": running.variables["T_FORM_PASSWORD"]}
        browser.post(login.url, data={"_csrf": token, **account})
        page = browser.get(running.variables["T_FORM_URL"] + outcome.message)
    assert "13900000005" in page.text
    assert "测试&lt;场所&gt;5" in page.text


def test_an_expired_authorisation_submits_nothing(running, tmp_path):
    manifest = manifest_of("t_form", authorisation={**AUTOMATION, "expires": date(2026, 2, 28)})
    connector = FormConnector(manifest, context_of(tmp_path, running.variables))
    (outcome,) = connector.push([update(connector, "XF/0005", phone=("13900000005", "13812345678"))])
    assert outcome.state == "awaiting_person"


def test_while_the_website_is_down_the_manifest_gives_the_wording(running, tmp_path):
    down = {**running.variables, "T_FORM_URL": "http://127.0.0.1:1/t_form"}
    connector = FormConnector(manifest_of("t_form"), context_of(tmp_path, down))
    change = update(connector, "XF/0005", phone=("13900000005", None), floor_area_m2=("5.5", "88"))
    (outcome,) = connector.push([change])
    assert outcome.detail == (("联系电话", "（清空）"), ("经营面积(㎡)", "88"))
    with pytest.raises(Unreachable):
        list(connector.pull("places", None))


def test_a_new_record_is_prepared_whole(by_hand):
    change = change_of(
        by_hand.manifest, None, {"name": (None, "新店")}, current={"name": "新店", "phone": "13800000000"}
    )
    (outcome,) = by_hand.push([change])
    assert (outcome.message, outcome.detail) == ("/place/add.do", (("单位名称", "新店"), ("联系电话", "13800000000")))


# --- automation -------------------------------------------------------------------------------------------------------


def test_with_authorisation_the_form_is_sent_and_read_back(automatic, running):
    change = update(automatic, "XF/0007", phone=("13900000007", "13812345678"), status=("01", "03"))
    (outcome,) = automatic.push([change])
    assert outcome.state == "verified"
    row = held(running, "XF/0007").columns
    assert (row["dh"], row["zt"], row["mc"], row["bz"]) == ("13812345678", "停业", "测试<场所>7", None)
    visit = change_of(automatic.manifest, "visits/7&8 甲", {"phone": ("13900000001", "13811112222")}, dataset="visits")
    assert next(iter(automatic.push([visit]))).state == "verified"
    assert held(running, "7&8 甲", "visits").columns["sj"] == "13811112222"


def test_a_new_record_is_created_and_its_key_found(automatic, running):
    change = change_of(automatic.manifest, None, {"name": (None, "新店")}, current={"name": "新店", "status": "01"})
    (outcome,) = automatic.push([change])
    assert outcome.state == "verified"
    assert held(running, outcome.record_key.removeprefix("places/")).columns["mc"] == "新店"


def test_errors_hidden_in_a_good_answer_are_found(automatic, running):
    long = "长" * 150
    outcomes = {o.change_id: o for o in automatic.push([
        update(automatic, "XF/0008", "long", name=("测试<场所>8", long)),
        update(automatic, "nobody", "gone", name=("甲", "乙")),
        update(automatic, "XF/0009", "there", phone=("1", "13900000009")),
    ])}  # fmt: skip
    assert {k: (o.state, o.code) for k, o in outcomes.items()} == {
        "long": ("rejected", "form_error"), "gone": ("rejected", "no_record"), "there": ("verified", "already"),
    }  # fmt: skip
    assert "单位名称" in outcomes["long"].message
    assert long not in outcomes["long"].message
    assert held(running, "XF/0008").version == 1


def test_what_somebody_changed_before_or_while_we_type_is_kept(automatic, running, monkeypatch):
    edit(running, "XF/0010", dh="13700000000")
    (before,) = automatic.push([update(automatic, "XF/0010", phone=("13900000010", "13811111111"))])
    assert (before.state, before.code) == ("conflict", "changed_there")
    post = automatic._site.post

    def somebody_is_faster(path, fields):
        edit(running, "XF/0011", dh="13700000000")
        return post(path, fields)

    monkeypatch.setattr(automatic._site, "post", somebody_is_faster)
    (during,) = automatic.push([update(automatic, "XF/0011", phone=("13900000011", "13811111111"))])
    assert (during.state, during.code) == ("conflict", "conflict")
    assert [held(running, k).columns["dh"] for k in ("XF/0010", "XF/0011")] == ["13700000000"] * 2


def test_a_session_that_ends_between_opening_and_sending(automatic, running, monkeypatch):
    post, times = automatic._site.post, []

    def too_late(path, fields):
        times.append(path)
        if len(times) == 1:
            running.server.systems["t_form"].sessions.end_all()
        return post(path, fields)

    monkeypatch.setattr(automatic._site, "post", too_late)
    (outcome,) = automatic.push([update(automatic, "XF/0012", phone=("13900000012", "13811111111"))])
    assert (outcome.state, len(times), held(running, "XF/0012").version) == ("verified", 2, 2)


def test_a_form_cannot_be_sent_twice(automatic, running, monkeypatch):
    post = automatic._site.post

    def twice(path, fields):
        post(path, fields)
        return post(path, fields)

    monkeypatch.setattr(automatic._site, "post", twice)
    (outcome,) = automatic.push([update(automatic, "XF/0013", phone=("13900000013", "13811111111"))])
    assert (outcome.state, held(running, "XF/0013").version) == ("rejected", 2)
    assert "重复提交" in outcome.message


# --- login and pages --------------------------------------------------------------------------------------------------


def test_login_trouble_is_told_without_the_password(running, tmp_path):
    wrong = FormConnector(
        manifest_of("t_form"), context_of(tmp_path, {**running.variables, "T_FORM_PASSWORD": "guess"})
    )
    with pytest.raises(LoginRefused) as refused:
        list(wrong.pull("places", None))
    assert "guess" not in str(refused.value)
    assert not wrong.check().ok
    closed = FormConnector(
        manifest_of("t_form", capabilities={"read": "none", "create": True}), context_of(tmp_path, running.variables)
    )
    with pytest.raises(NotAllowed):
        list(closed.pull("places", None))


def test_an_idle_session_ends(by_hand, running, clock):
    next(by_hand.pull("places", None))
    clock.now += timedelta(hours=1)
    assert len(rows_of(by_hand.pull("places", None))) == len(PLACES)


def test_form_reading():
    tree = LexborHTMLParser(
        """<form><input name=q></form><form action="/save"><input type=hidden name=t value=9>
        <label for=a>姓名：</label><input id=a name=xm value=" 张三 "><select name=zt><option value="">请选择</option>
        <option value=1 selected> 在业 </option></select><input type=radio name=r value=1>
        <input type=radio name=r value=2 checked><textarea name=bz>两
行</textarea><button name=go>保存</button></form>"""
    )
    form = edit_form(tree, ["xm", "zt", "bz"])
    assert form.action == "/save"
    assert form.shown() == {"xm": " 张三 ", "zt": "在业", "r": "2", "bz": "两\n行"}
    assert form.filled({"zt": "", "xm": "李四"}) == [
        ("t", "9"),
        ("xm", "李四"),
        ("zt", ""),
        ("r", "2"),
        ("bz", "两\n行"),
    ]
    with pytest.raises(NoOption):
        form.filled({"zt": "歇业"})
    assert edit_form(tree, ["nothing"]) is None
