"""What stewards, auditors and administrators do on their pages, and that each act stands in the sealed log."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openpyxl
import pytest
import sqlalchemy as sa
from portal_support import FOREIGN, OWN, Portal

from onefact import log
from portal.security import sessions
from portal.security.headers import HEADERS
from portal.serve import running
from portal.settings import Settings
from portal.view import export
from warehouse import sealed
from warehouse.tables import EXPORT_REQUEST

REVEAL = "/reveal/person/{}/{}"
FULL_NUMBER = re.compile(r"(?<![0-9a-f])\d{17}[\dX](?![0-9a-f])")  # a hash may hold eighteen digits in a row


def acts(portal: Portal, actor: str, limit: int = 3) -> list[sealed.Sealed]:
    with portal.home.engine.connect() as connection:
        return sealed.entries(connection, actor=actor, limit=limit)


# --- one hidden value


def test_one_value_is_shown_for_a_reason_and_the_log_has_it_first(portal: Portal) -> None:
    person, auditor = portal.ids("person")[OWN], portal.signed_in("auditor")
    shown = auditor.post(REVEAL.format(person, "id_number"), data={"reason": "审计取证"})
    assert shown.status_code == 200
    assert FULL_NUMBER.search(shown.text)
    [last] = acts(portal, "auditor", 1)
    assert (last.act, last.subjects, last.purpose, last.detail) == (
        "read", (person,), "审计取证", {"field": "id_number", "whole": True},
    )  # fmt: skip
    assert not FULL_NUMBER.search(str(last))


@pytest.mark.parametrize(("field", "data", "status"), [
    ("id_number", {}, 403), ("id_number", {"reason": "好奇"}, 403), ("mental_disorder", {"reason": "审计取证"}, 403),
    ("no_such_field", {"reason": "审计取证"}, 404), ("wechat_id", {"reason": "审计取证"}, 404),
])  # fmt: skip
def test_a_value_is_not_shown_without_a_reason_nor_when_restricted(
    portal: Portal, field: str, data: dict[str, str], status: int
) -> None:
    answer = portal.signed_in("auditor").post(REVEAL.format(portal.ids("person")[OWN], field), data=data)
    assert answer.status_code == status


def test_values_are_shown_so_often_and_no_more(portal: Portal) -> None:
    person, client = portal.ids("person")[OWN], portal.signed_in("worker")
    before = portal.app.state.settings
    portal.app.state.settings = before.model_copy(update={"reveals_per_hour": 2})
    try:
        statuses = [
            client.post(REVEAL.format(person, "phone"), data={"reason": "电话联系"}).status_code for _ in range(4)
        ]
    finally:
        portal.app.state.settings = before
    assert statuses == [200, 200, 403, 403]
    assert sum(bool(a.detail.get("whole")) for a in acts(portal, "worker", 10)) == 2


def test_pages_show_no_whole_number(portal: Portal) -> None:
    client = portal.signed_in("steward")
    person = portal.ids("person")[OWN]
    found = client.post("/trace", data={"wanted": "陈建国"})
    pages = [
        found,
        client.get(f"/trace/person/{person}"),
        client.get("/outbox"),
        client.get("/outbox/1"),
        client.get("/tickets/1"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert not FULL_NUMBER.search(page.text)
        assert "13900000001" not in page.text


def test_a_worker_reads_names_of_the_own_grid_and_numbers_masked(portal: Portal) -> None:
    page = portal.signed_in("worker").get(f"/trace/person/{portal.ids('person')[OWN]}").text
    assert re.search(r"陈建[国囯]|李秀英", page)
    assert not FULL_NUMBER.search(page)


# --- deliveries, systems, tickets


@pytest.fixture
def stopped(portal: Portal) -> Iterator[None]:
    yield
    portal.signed_in("sysadmin").post("/systems/doors/release")


@pytest.mark.usefixtures("stopped")
def test_the_system_administrator_stops_a_system_and_lets_it_go_on(portal: Portal) -> None:
    client = portal.signed_in("sysadmin")
    assert client.post("/systems/doors/hold", data={"why": "对方割接"}).status_code == 303
    assert "已暂停" in client.get("/systems/doors").text
    assert acts(portal, "sysadmin", 1)[0].act == "hold"
    assert client.post("/systems/doors/release").status_code == 303
    assert "已暂停" not in client.get("/systems/doors").text
    assert client.post("/systems/doors/hold", data={"why": " "}).status_code == 404


def test_the_steward_decides_about_a_change(portal: Portal) -> None:
    client = portal.signed_in("steward")
    assert client.post("/outbox/1", data={"what": "cancel", "why": "对方要求"}).status_code == 303
    assert "已终止" in client.get("/outbox/1").text
    assert client.post("/outbox/1", data={"what": "retry"}).status_code == 303
    assert "待发" in client.get("/outbox/1").text
    assert [a.act for a in acts(portal, "steward", 8) if a.act != "read"] [:2] == [
        "retry", "cancel",
    ]  # fmt: skip
    assert client.post("/outbox/1", data={"what": "drop"}).status_code == 422


def test_a_ticket_is_answered(portal: Portal) -> None:
    client = portal.signed_in("steward")
    assert client.post("/tickets/1", data={"what": "reminded", "words": "已电话催办"}).status_code == 303
    assert "已电话催办" in client.get("/tickets/1").text


@pytest.mark.parametrize(
    "path", ["/systems/none", "/outbox/999999", "/tickets/999999", "/quality/rules/none", "/trace/person/x"]
)
def test_what_is_not_there_is_not_there(portal: Portal, path: str) -> None:
    answer = portal.signed_in("steward").get(path)
    assert answer.status_code == 404
    assert "没有找到" in answer.text


# --- the sealed log


def test_the_log_says_when_a_row_was_touched(portal: Portal) -> None:
    client = portal.signed_in("auditor")
    assert "日志完好" in client.post("/log/verify").text
    with portal.home.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE sealed_log DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE sealed_log SET body = body || ' ' WHERE seq = 3"))
    try:
        answer = client.post("/log/verify").text
        assert "日志被动过" in answer
        assert "第 3 条" in answer
    finally:
        with portal.home.engine.begin() as connection:
            connection.execute(sa.text("UPDATE sealed_log SET body = rtrim(body) WHERE seq = 3"))
            connection.execute(sa.text("ALTER TABLE sealed_log ENABLE TRIGGER USER"))
    assert "日志完好" in client.post("/log/verify").text


def test_the_page_looks_at_the_same_as_the_command(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are where the setting says, and a ledger that was touched is no sound log."""
    monkeypatch.setenv(log.FOLDER_VARIABLE, str(tmp_path))
    log.issue(portal.home)
    client = portal.signed_in("auditor")
    assert "1 个检查点相符" in client.post("/log/verify").text
    assert "还没有签发过检查点" not in client.get("/log").text
    with portal.home.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ticket_event DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE ticket_event SET actor = actor || 'x'"))
    try:
        assert "流水表 ticket_event" in client.post("/log/verify").text
    finally:
        with portal.home.engine.begin() as connection:
            connection.execute(sa.text("UPDATE ticket_event SET actor = left(actor, -1)"))
            connection.execute(sa.text("ALTER TABLE ticket_event ENABLE TRIGGER USER"))


def test_who_carries_somebody_on_a_device_has_seen_them(portal: Portal) -> None:
    person = portal.ids("person")[OWN]
    assert portal.signed_in("worker").get("/device/pack").status_code == 200
    assert log.seen(portal.home, "person", person)[0].purpose == "离线携带本网格户表"


def test_a_page_is_one_reading(portal: Portal) -> None:
    before = acts(portal, "auditor", 1)
    portal.signed_in("auditor").get("/outbox/1")
    new = [a for a in acts(portal, "auditor", 5) if not before or a.seq > before[0].seq]
    assert [a.purpose for a in new if a.act == "read"] == ["查看投递"]


def test_reading_the_log_is_an_act_and_a_copy_can_be_taken(portal: Portal) -> None:
    client = portal.signed_in("auditor")
    assert client.get("/log?actor=worker").status_code == 200
    assert acts(portal, "auditor", 1)[0].act == "log"
    copy = client.get("/log/copy.jsonl")
    assert copy.status_code == 200
    assert len(copy.text.splitlines()) >= 10


# --- files that leave


def test_an_export_carries_who_took_it_and_stands_in_the_log(portal: Portal) -> None:
    answer = portal.signed_in("steward").get("/tickets.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    sheet = book.active
    assert sheet is not None
    [last] = acts(portal, "steward", 1)
    assert last.act == "export"
    mark = str(last.detail["mark"])
    first, bottom = str(sheet.cell(1, 1).value), str(sheet.cell(sheet.max_row, 1).value)
    assert mark in first
    assert mark in bottom
    assert "steward" in first
    assert mark in str(sheet.oddHeader.center.text)
    assert mark in str(book.properties.description)


def test_so_many_rows_leave_in_a_day_and_no_more(portal: Portal) -> None:
    client, before = portal.signed_in("auditor"), portal.app.state.settings
    portal.app.state.settings = before.model_copy(update={"exported_rows_per_day": 2})
    try:
        statuses = [client.get("/tickets.xlsx").status_code for _ in range(4)]
    finally:
        portal.app.state.settings = before
    assert statuses == [200, 200, 403, 403]
    assert [a.count for a in acts(portal, "auditor", 20) if a.act == "export" and a.subject_type == "ticket"] == [1, 1]


def waiting(portal: Portal, login: str) -> list[str]:
    c = EXPORT_REQUEST.c
    with portal.home.engine.connect() as connection:
        query = sa.select(c.request_id).where(c.login == login, c.decision.is_(None))
        return [str(i) for i in connection.execute(query).scalars()]


def test_a_large_file_leaves_once_and_only_when_a_second_person_says_yes(portal: Portal) -> None:
    steward, secadmin, before = portal.signed_in("steward"), portal.signed_in("secadmin"), portal.app.state.settings
    portal.app.state.settings = before.model_copy(update={"exported_rows_alone": 0})
    try:
        assert [steward.get("/tickets.xlsx").status_code for _ in range(2)] == [403, 403]
        assert acts(portal, "steward", 1)[0].outcome == "refused"
        [number] = waiting(portal, "steward")  # asked twice, waits once
        assert f'action="/exports/{number}"' in secadmin.get("/exports").text
        assert f'action="/exports/{number}"' not in steward.get("/exports").text
        assert steward.post(f"/exports/{number}", data={"what": "approve"}).status_code == 403, "the own one"
        assert portal.signed_in("auditor").post(f"/exports/{number}", data={"what": "approve"}).status_code == 403
        assert number not in portal.signed_in("auditor").get("/exports").text
        assert secadmin.post(f"/exports/{number}", data={"what": "approve"}).status_code == 303
        assert acts(portal, "secadmin", 1)[0].act == "approve"
        assert secadmin.post(f"/exports/{number}", data={"what": "refuse"}).status_code == 404, "decided already"
        assert "可下载一次" in steward.get("/exports").text
        assert [steward.get("/tickets.xlsx").status_code for _ in range(2)] == [200, 403]
        taken = next(a for a in acts(portal, "steward", 9) if a.act == "export" and a.outcome == "done")
        assert taken.detail["approval"] == number
        [again] = waiting(portal, "steward")
        assert secadmin.post(f"/exports/{again}", data={"what": "refuse"}).status_code == 303
        assert steward.get("/tickets.xlsx").status_code == 403
    finally:
        portal.app.state.settings = before


def test_a_cell_is_never_a_formula(portal: Portal) -> None:
    with portal.home.engine.begin() as connection:
        from portal.security.accounts import by_login

        account = by_login(connection, "steward")
        assert account
        rows = [("=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "-2", "https://evil.test")]
        made = export.sheet(
            connection,
            account,
            "测试",
            tuple("abcde"),
            rows,
            subject_type="ticket",
            purpose="测试",
            now=portal.home.now(),
            what="test",
            settings=Settings(),
        )
    sheet = openpyxl.load_workbook(io.BytesIO(bytes(made.body))).active
    assert sheet is not None
    cells = [sheet.cell(3, c + 1) for c in range(5)]
    assert [c.value for c in cells] == list(rows[0])
    assert {c.data_type for c in cells} == {"s"}
    assert [c.hyperlink for c in cells] == [None] * 5


# --- accounts


def test_the_security_administrator_keeps_accounts(portal: Portal) -> None:
    client = portal.signed_in("secadmin")
    made = client.post("/accounts", data={"login": "li", "name": "李四", "role": "worker", "grids": OWN})
    assert made.status_code == 200
    password = re.search(r'class="secret"[^>]*>([a-z0-9-]{19})<', made.text)
    assert password
    fresh = portal.nobody()
    assert fresh.post("/login", data={"login": "li", "password": password.group(1)}).status_code == 303
    assert fresh.get("/").headers["location"] == "/password"
    account = id_of(portal, "li")
    assert client.post(f"/accounts/{account}", data={"what": "grids", "grids": FOREIGN}).status_code == 303
    assert client.post(f"/accounts/{account}", data={"what": "lock"}).status_code == 303
    assert fresh.get("/").headers["location"] == "/login"
    assert fresh.post("/login", data={"login": "li", "password": password.group(1)}).status_code == 403
    assert client.post(f"/accounts/{account}", data={"what": "unlock"}).status_code == 303
    again = client.post(f"/accounts/{account}", data={"what": "reset"})
    assert "只显示这一次" in again.text
    assert {a.purpose for a in acts(portal, "secadmin", 5)} == {
        "新建账号",
        "调整网格账号",
        "锁定账号",
        "解锁账号",
        "重置口令账号",
    }


def id_of(portal: Portal, login: str) -> str:
    with portal.home.engine.connect() as connection:
        return str(
            connection.execute(sa.text("SELECT account_id FROM account WHERE login = :l"), {"l": login}).scalar_one()
        )


@pytest.mark.parametrize(("data", "sentence"), [
    ({"login": "worker", "name": "重名", "role": "worker"}, "已存在"), ({"login": "x1", "name": "甲", "role": "boss"}, "没有角色"),
    ({"login": "x2", "name": "乙", "role": "auditor", "grids": OWN}, "只有网格员有网格"), ({"login": "", "name": "丙", "role": "worker"}, "请填写"),
    ({"login": "x3", "name": "丁", "role": "worker", "grids": "999"}, "没有网格"),
    ({"login": "13900000012", "name": "戊", "role": "worker"}, "不能是手机号"),
])  # fmt: skip
def test_an_account_that_cannot_be_is_refused_in_words(portal: Portal, data: dict[str, str], sentence: str) -> None:
    answer = portal.signed_in("secadmin").post("/accounts", data=data)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_nobody_changes_the_own_account_here(portal: Portal) -> None:
    client = portal.signed_in("secadmin")
    assert client.post(f"/accounts/{id_of(portal, 'secadmin')}", data={"what": "unbind"}).status_code == 403


@pytest.mark.parametrize(("login", "path"), [
    ("secadmin", "/accounts/" + "-" * 36), ("worker", "/persons/urn:uuid:01900000-0000-7000-8000-00000000abcd"),
    ("worker", "/address/children?node=x"),
])  # fmt: skip
def test_what_is_no_id_is_nobody(portal: Portal, login: str, path: str) -> None:
    client = portal.signed_in(login)
    answer = client.post(path, data={"what": "lock"}) if login == "secadmin" else client.get(path)
    assert answer.status_code == 404


# --- every answer


@pytest.mark.parametrize("path", ["/login", "/", "/no-such-page", "/static/portal.css", "/systems", "/static/none.css"])
def test_every_answer_carries_the_headers(portal: Portal, path: str) -> None:
    for client in (portal.nobody(), portal.signed_in("steward")):
        headers = client.get(path).headers
        assert {n: headers.get(n) for n in HEADERS} == HEADERS
        assert "server" not in headers
        if not path.startswith("/static"):
            assert headers["cache-control"] == "no-store"


def test_an_unexpected_error_shows_nothing_and_logs_no_data(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("420199198001010019 陈建国")

    monkeypatch.setattr("portal.pages.systems.status.status", broken)
    answer = portal.signed_in("steward").get("/systems")
    assert answer.status_code == 500
    assert "陈建国" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"]
    assert "RuntimeError on route systems" in caplog.text
    assert "陈建国" not in caplog.text


def test_many_at_once_are_all_answered(portal: Portal) -> None:
    """More than there are connections and threads: those that wait hold nothing that the others need."""
    cookies = {sessions.COOKIE: portal.fresh("worker").cookies[sessions.COOKIE]}
    path = f"/persons/{portal.ids('person')[OWN]}"
    with (
        running(portal.home, portal.app.state.settings) as address,
        httpx.Client(base_url=address, verify=False, cookies=cookies, timeout=60) as client,
        ThreadPoolExecutor(60) as browsers,
    ):
        answers = browsers.map(lambda _: client.get(path).status_code, range(60))
    assert set(answers) == {200}


def test_a_body_that_is_too_large_is_refused(portal: Portal) -> None:
    client = portal.signed_in("steward")
    assert client.post("/trace", content=b"x" * 20_000_001).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(21):
            yield b"x" * 1_000_000

    answer = client.post("/trace", content=endless(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 413


INJECTIONS = [
    "'; DROP TABLE person; --",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "%' OR '1'='1",
    "\x00",
    "../../etc/passwd",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_typed_stays_text(portal: Portal, text: str) -> None:
    steward, auditor, nobody = portal.signed_in("steward"), portal.signed_in("auditor"), portal.nobody()
    answers = [
        steward.post("/trace", data={"wanted": text}),
        steward.get("/outbox", params={"system": text, "state": text}),
        auditor.get("/log", params={"actor": text, "subject": text, "act": text}),
        nobody.post("/login", data={"login": text, "password": text}),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert "<script>alert" not in answer.text
        assert "49" not in re.findall(r'value="(\d+)"', answer.text)
    assert portal.ids("person")
