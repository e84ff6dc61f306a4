"""回调: the receiver lets in only what is genuine, once; the spool is read from a position; commands are read back."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from connectors.base import LoginRefused, Malformed, Unreachable
from connectors.kinds.webhook_receiver import SIGNATURE, TIMESTAMP, Spool, sign
from connectors.registry import connect
from sandbox.servers.queue import QueueServer
from tests.connectors.support import NOW, Running, change_of, context_of, manifest_of, rows_of, seed

RESIDENTS = [
    {"memberId": f"wl_{n:03d}", "userName": f"住户{n}", "mobile": f"1390000{n:04d}", "updatedAt": "2026-02-01T08:00:00",
     "unbound": "false"}
    for n in range(1, 121)
]  # fmt: skip
REPORTS = [{"reportNo": "BS/1 甲", "reporter": "住户1", "reporterMobile": "13900000001"}]


@pytest.fixture
def running(tmp_path):
    manifest = manifest_of("t_webhook")
    seed(tmp_path, manifest, RESIDENTS, "residents")
    seed(tmp_path, manifest, REPORTS, "reports")
    with Running(QueueServer([manifest], tmp_path, now=lambda: NOW)) as running:
        yield running


@pytest.fixture
def connector(running, tmp_path):
    connector = connect(manifest_of("t_webhook"), context_of(tmp_path, running.variables))
    yield connector
    connector.close()


def post(running, body: bytes, *, age: int = 0, signature: str | None = None) -> httpx.Response:
    url = running.variables["T_WEBHOOK_URL"].replace("/t_webhook", "/inbox/t_webhook/")
    timestamp = str(int(NOW.timestamp()) - age)
    signed = signature or sign(running.variables["T_WEBHOOK_SECRET"], timestamp, body)
    return httpx.post(url, content=body, headers={TIMESTAMP: timestamp, SIGNATURE: signed}, trust_env=False)


def event(event_id: str, key: str, version: int, **columns: str) -> dict:
    row = {**RESIDENTS[0], "memberId": key, **columns}
    return {"type": "resident.changed", "event_id": event_id, "op": "U", "key": key, "version": version, "row": row}


def last_cursor(connector, dataset: str = "residents") -> str:
    return list(connector.pull(dataset, None))[-1].cursor


def test_history_then_only_what_is_new(running, connector):
    pages = list(connector.pull("residents", None))
    assert sorted(rows_of(pages), key=lambda r: r["memberId"]) == RESIDENTS
    assert rows_of(connector.pull("reports", None)) == REPORTS
    assert list(connector.pull("residents", pages[-1].cursor)) == []
    running.run(running.server.edit("t_webhook", "residents", "wl_007", {"mobile": "13911112222"}))
    (page,) = connector.pull("residents", pages[-1].cursor)
    assert [(r["memberId"], r["mobile"]) for r in rows_of([page])] == [("wl_007", "13911112222")]


def test_the_receiver_stores_each_event_once(running, connector, tmp_path):
    lines = [json.loads(x) for f in (tmp_path / "inbox/t_webhook").iterdir() for x in f.read_text().splitlines()]
    assert len(lines) == 121  # though the stand-in posts every 97th event twice
    assert max(Counter(e["event_id"] for e in lines).values()) == 1
    body = json.dumps(event("once", "wl_001", 2)).encode()
    assert [post(running, body).json() for _ in range(2)] == [
        {"stored": 1, "repeated": 0}, {"stored": 0, "repeated": 1},
    ]  # fmt: skip
    spool = Spool(tmp_path / "inbox/t_webhook", lambda: NOW)  # after a restart it still knows
    assert spool.append([event("once", "wl_001", 2), event("other", "wl_001", 3)]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "how", "status"),
    [
        (b'{"type":"resident.changed","event_id":"a"}', {"signature": "sha256=00"}, 401),
        (b'{"type":"resident.changed","event_id":"a"}', {"age": 301}, 401),
        (b'{"type":"resident.changed","event_id":"a"}', {"age": -301}, 401),
        (b"x" * 1_000_001, {}, 413),
        (b"not json", {}, 400),
        (b'{"events":[{"type":"resident.changed"}]}', {}, 400),
    ],
)
def test_the_receiver_refuses(running, tmp_path, body, how, status):
    before = [f.read_bytes() for f in (tmp_path / "inbox/t_webhook").iterdir()]
    assert post(running, body, **how).status_code == status
    assert [f.read_bytes() for f in (tmp_path / "inbox/t_webhook").iterdir()] == before


def test_late_events_do_not_win(running, connector):
    cursor = last_cursor(connector)
    post(
        running,
        json.dumps(
            {"events": [event("v3", "wl_010", 3, userName="新"), event("v2", "wl_010", 2, userName="旧")]}
        ).encode(),
    )
    (page,) = connector.pull("residents", cursor)
    assert ([r["userName"] for r in rows_of([page])], page.duplicates) == (["新"], 1)
    post(running, json.dumps(event("v2b", "wl_010", 2, userName="旧")).encode())
    (page,) = connector.pull("residents", page.cursor)
    assert (rows_of([page]), page.duplicates) == ([], 1)


def test_broken_lines_are_rejected_once_and_a_torn_line_waits(connector, tmp_path):
    cursors = {name: last_cursor(connector, name) for name in ("residents", "reports")}
    (file,) = (tmp_path / "inbox/t_webhook").iterdir()
    unknown = json.dumps({"type": "pet.changed", "event_id": "p"})
    good = json.dumps(event("good", "wl_020", 2, userName="好"))
    with file.open("a") as spool:
        spool.write(f"torn by a crash\n{unknown}\n{good}\n" + '{"type":"resident.changed","event_id":"half')
    (page,) = connector.pull("residents", cursors["residents"])
    assert [r["rule"] for r in page.rejects.to_pylist()] == ["event.poison", "event.unknown_type"]
    assert [r["userName"] for r in rows_of([page])] == ["好"]
    (other,) = connector.pull("reports", cursors["reports"])
    assert (other.rows.num_rows, other.rejects.num_rows) == (0, 0)
    Spool(tmp_path / "inbox/t_webhook", lambda: NOW).append([event("next", "wl_021", 2, userName="后")])
    (page,) = connector.pull("residents", page.cursor)
    assert [r["rule"] for r in page.rejects.to_pylist()] == ["event.poison"]
    assert [r["userName"] for r in rows_of([page])] == ["后"]


def test_hours_and_a_clock_set_back(tmp_path, connector):
    cursor = last_cursor(connector)
    folder = tmp_path / "inbox/t_webhook"
    Spool(folder, lambda: NOW + timedelta(hours=2)).append([event("h2", "wl_030", 2, userName="两点后")])
    (page,) = connector.pull("residents", cursor)
    Spool(folder, lambda: NOW).append([event("h0", "wl_031", 2, userName="钟拨回")])
    (later,) = connector.pull("residents", page.cursor)
    assert [r["userName"] for r in rows_of([page, later])] == ["两点后", "钟拨回"]
    assert len(list(folder.iterdir())) == 2


def test_push_is_read_back(connector):
    manifest = connector.manifest
    change = change_of(manifest, "residents/wl_005", {"phone": ("13900000005", "13812345678")})
    (outcome,) = connector.push([change])
    assert outcome.state == "verified"
    (row,) = connector.read_back("residents", ["residents/wl_005"]).to_pylist()
    assert (row["mobile"], row["userName"]) == ("13812345678", "住户5")
    odd = change_of(manifest, "reports/BS/1 甲", {"phone": ("13900000001", "13812340000")}, dataset="reports")
    assert next(iter(connector.push([odd]))).state == "verified"  # a key with slash, space and Chinese


def test_create_returns_the_key(connector):
    values = {"name": "新住户", "phone": "13800000000"}
    change = change_of(connector.manifest, None, {"name": (None, "新住户")}, current=values)
    (outcome,) = connector.push([change])
    assert outcome.state == "verified"
    assert connector.read_back("residents", [outcome.record_key]).to_pylist()[0]["userName"] == "新住户"


def test_conflict_refusal_and_unknown_record(running, connector):
    running.run(running.server.edit("t_webhook", "residents", "wl_011", {"mobile": "13700000000"}))
    long = "长" * 120
    changes = [
        change_of(connector.manifest, "residents/wl_011", {"phone": ("13900000011", "13811111111")}, number="foreign"),
        change_of(connector.manifest, "residents/wl_012", {"name": ("住户12", long)}, number="long"),
        change_of(connector.manifest, "residents/nobody", {"name": ("甲", "乙")}, number="gone"),
        change_of(connector.manifest, "residents/wl_013", {"phone": ("1", "13900000013")}, number="already"),
    ]
    outcomes = {o.change_id: o for o in connector.push(changes)}
    assert {k: (o.state, o.code) for k, o in outcomes.items()} == {
        "foreign": ("conflict", "changed_there"), "long": ("rejected", "command_4003"),
        "gone": ("rejected", "not_shown"), "already": ("verified", "already"),
    }  # fmt: skip
    assert long not in outcomes["long"].message


def test_check_and_trouble(running, connector, tmp_path):
    assert [(what, ok) for what, ok, _ in connector.check().lines] == [
        ("inbox", True),
        ("residents", True),
        ("reports", True),
    ]
    forged = connect(connector.manifest, context_of(tmp_path, {**running.variables, "T_WEBHOOK_SECRET": "guess"}))
    assert [ok for _, ok, _ in forged.check().lines] == [True, False, False]
    with pytest.raises(LoginRefused):
        forged.read_back("residents", ["residents/wl_001"])
    nobody = {**running.variables, "T_WEBHOOK_URL": "http://127.0.0.1:1"}
    with pytest.raises(Unreachable):
        connect(connector.manifest, context_of(tmp_path, nobody)).read_back("residents", ["residents/wl_001"])
    with pytest.raises(Malformed):
        list(connector.pull("residents", "{}"))


def test_an_answer_that_never_comes_is_settled_by_reading(running, connector, monkeypatch):
    send = connector._http._client.request
    lost: list[str] = []

    def losing(method, url, **kwargs):
        if method == "POST":
            lost.append(url)
            if len(lost) == 1:  # the first command is carried out and its answer lost, the second never arrives
                send(method, url, **kwargs)
            raise httpx.ReadTimeout("no answer")
        return send(method, url, **kwargs)

    monkeypatch.setattr(connector._http._client, "request", losing)
    changes = [
        change_of(
            connector.manifest, f"residents/wl_04{n}", {"phone": (f"1390000004{n}", f"1380000004{n}")}, number=str(n)
        )
        for n in (1, 2)
    ]
    assert [(o.change_id, o.state) for o in connector.push(changes)] == [("1", "verified"), ("2", "no_answer")]
    assert len(lost) == 2  # a write is never sent twice by itself
