"""消息队列: a real NATS broker and the stand-in on it; what is lost, late, twice or broken on the way does no harm."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import timedelta

import nats
import pytest

from connectors.base import LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.kinds.queue import QueueConnector, token
from connectors.registry import connect
from sandbox.servers.queue import QueueServer
from tests.connectors.support import NOW, Running, change_of, context_of, manifest_of, rows_of, seed

ROWS = [
    {"no": f"E{n:03d}", "unit": f"测试单位{n}", "tel": f"1390000{n:04d}", "state": "在业", "ts": "2026-02-01T08:00:00",
     "gone": "0", "remark": "无"}
    for n in range(1, 121)
]  # fmt: skip
SUBJECT = "test.place.changed"


@pytest.fixture
def running(tmp_path):
    manifest = manifest_of("t_queue")
    seed(tmp_path, manifest, ROWS)
    clock = iter(range(10**6))
    server = QueueServer([manifest], tmp_path, now=lambda: NOW + timedelta(seconds=next(clock)))
    with Running(server) as running:
        yield running


@pytest.fixture
def connector(running, tmp_path):
    connector = connect(manifest_of("t_queue"), context_of(tmp_path, running.variables))
    yield connector
    connector.close()


def publish(running, *messages: tuple[str, bytes]) -> None:
    """Publish with the rights of the system itself."""

    async def work() -> None:
        client = await nats.connect(running.server.owner_url)
        for subject, body in messages:
            await client.jetstream().publish(subject, body)
        await client.close()

    asyncio.run(work())


def event(event_id: str, key: str, version: int, *, op: str = "U", **columns: str) -> tuple[str, bytes]:
    row = {**ROWS[0], "no": key, **columns}
    body = {"event_id": event_id, "op": op, "key": key, "version": version, "row": {} if op == "D" else row}
    return f"{SUBJECT}.{token(key)}", json.dumps(body).encode()


def edit(running, key: str, **columns: str) -> None:
    running.run(running.server.edit("t_queue", "places", key, columns))


def test_history_then_only_what_is_new(running, connector):
    pages = list(connector.pull("places", None))
    assert sorted(rows_of(pages), key=lambda r: r["no"]) == ROWS
    assert sum(p.duplicates for p in pages) == 1  # the stand-in tells every 97th event twice
    cursor = pages[-1].cursor
    assert list(connector.pull("places", cursor)) == []
    edit(running, "E005", tel="13911112222")
    (page,) = connector.pull("places", cursor)
    assert [(r["no"], r["tel"]) for r in rows_of([page])] == [("E005", "13911112222")]
    assert page.rows.column("_place").to_pylist()[0].startswith(f"{SUBJECT}#")


def test_a_crash_before_the_cursor_is_stored_reads_again(connector):
    first = list(connector.pull("places", None))
    assert rows_of(connector.pull("places", None)) == rows_of(first)


def test_poison_is_rejected_and_the_others_go_on(running, connector):
    cursor = list(connector.pull("places", None))[-1].cursor
    bad_row = json.dumps({"event_id": "x1", "key": "E002", "op": "U", "version": 9, "row": {"no": "E002"}}).encode()
    publish(
        running,
        (f"{SUBJECT}.00", b"\xff not json"),
        (f"{SUBJECT}.{token('E002')}", bad_row),
        event("x2", "E003", 9, unit="新名"),
        (f"{SUBJECT}.01", b"[]"),
    )
    (page,) = connector.pull("places", cursor)
    assert [r["unit"] for r in rows_of([page])] == ["新名"]
    rejects = page.rejects.to_pylist()
    assert [(r["rule"], r["record_key"], r["column"]) for r in rejects] == [
        ("event.poison", None, None), ("event.missing_column", "E002", "ts"), ("event.poison", None, None),
    ]  # fmt: skip
    assert all(r["level"] == "record" and r["place"].startswith(f"{SUBJECT}#") for r in rejects)
    assert list(connector.pull("places", page.cursor)) == []


def test_late_and_repeated_events_do_not_win(running, connector):
    cursor = list(connector.pull("places", None))[-1].cursor
    publish(
        running,
        event("n3", "E010", 3, unit="第三版"),
        event("n2", "E010", 2, unit="第二版"),
        event("n3", "E010", 3, unit="第三版"),
    )
    (page,) = connector.pull("places", cursor)
    assert [r["unit"] for r in rows_of([page])] == ["第三版"]
    assert page.duplicates == 2
    publish(running, event("n2b", "E010", 2, unit="又来第二版"), event("n3", "E010", 3, unit="第三版"))
    (page,) = connector.pull("places", page.cursor)  # in another pull as well
    assert (rows_of([page]), page.duplicates) == ([], 2)


def test_a_deleted_row_carries_its_flag(running, connector):
    cursor = list(connector.pull("places", None))[-1].cursor
    publish(running, event("d1", "E020", 2, op="D"))
    (page,) = connector.pull("places", cursor)
    assert [(r["no"], r["gone"]) for r in rows_of([page])] == [("E020", "1")]


def test_a_new_stream_is_read_from_its_beginning(connector):
    cursor = json.dumps({"stream": "2020-01-01T00:00:00+00:00", "sequence": 3})
    assert len(rows_of(connector.pull("places", cursor))) == len(ROWS)
    with pytest.raises(Malformed):
        list(connector.pull("places", "yesterday"))


def test_push_is_verified_by_the_event(connector):
    manifest = connector.manifest
    change = change_of(manifest, "E007", {"phone": ("13900000007", "13812345678"), "status": ("01", "03")})
    (outcome,) = connector.push([change])
    assert (outcome.state, outcome.receipt) == ("verified", token(change.key))
    (row,) = connector.read_back("places", ["E007"]).to_pylist()
    assert (row["tel"], row["state"], row["unit"], row["remark"]) == ("13812345678", "停业", "测试单位7", "无")


def test_many_at_once_each_get_one_outcome(connector):
    changes = [
        change_of(connector.manifest, f"E{n:03d}", {"phone": (f"1390000{n:04d}", f"1380000{n:04d}")}, number=str(n))
        for n in range(1, 101)
    ]
    outcomes = list(connector.push(changes))
    assert sorted((o.change_id for o in outcomes), key=int) == [c.change_id for c in changes]
    assert {o.state for o in outcomes} == {"verified"}


def test_create_gets_the_key_of_the_system(connector):
    change = change_of(
        connector.manifest, None, {"name": (None, "新店")}, current={"name": "新店", "phone": "13800000000"}
    )
    (outcome,) = connector.push([change])
    assert outcome.state == "verified"
    (row,) = connector.read_back("places", [outcome.record_key]).to_pylist()
    assert (row["unit"], row["tel"]) == ("新店", "13800000000")


def test_what_somebody_changed_meanwhile_is_not_overwritten(running, connector):
    edit(running, "E011", tel="13700000000")
    changes = [
        change_of(connector.manifest, "E011", {"phone": ("13900000011", "13811111111")}, number="foreign"),
        change_of(connector.manifest, "E012", {"phone": ("13900000099", "13900000012")}, number="there already"),
    ]
    outcomes = {o.change_id: o for o in connector.push(changes)}
    assert (outcomes["foreign"].state, outcomes["foreign"].code) == ("conflict", "changed_there")
    assert (outcomes["there already"].state, outcomes["there already"].code) == ("verified", "already")
    assert connector.read_back("places", ["E011"]).to_pylist()[0]["tel"] == "13700000000"


def test_the_systems_refusal_comes_without_the_value(connector):
    long = "长" * 150
    (outcome,) = connector.push([change_of(connector.manifest, "E001", {"name": ("测试单位1", long)})])
    assert (outcome.state, outcome.code) == ("rejected", "ack_4003")
    assert "超长" in outcome.message
    assert long not in outcome.message


def test_a_silent_system_is_followed_up(running, tmp_path):
    connector = QueueConnector(manifest_of("t_queue"), context_of(tmp_path, running.variables), ack_seconds=0.3)
    running.run(running.server.pause("t_queue"))
    change = change_of(connector.manifest, "E030", {"phone": ("13900000030", "13812340030")})
    (sent,) = connector.push([change])
    assert (sent.state, sent.code) == ("sent", "no_ack_yet")
    (waiting,) = connector.follow_up([("1", sent.receipt)])
    assert waiting.state == "sent"
    running.run(running.server.resume("t_queue"))
    again = next(iter(connector.push([change])))  # a restart repeats the push: the command is not carried out twice
    assert again.state == "verified"
    (late,) = connector.follow_up([("1", sent.receipt)])
    assert (late.state, late.record_key) == ("verified", "E030")
    (unknown,) = connector.follow_up([("2", "00ff")])
    assert unknown.state == "no_answer"
    connector.close()


def test_a_repeated_command_has_one_effect(running, connector):
    change = change_of(connector.manifest, "E040", {"phone": ("13900000040", "13812340040")})
    assert next(iter(connector.push([change]))).state == "verified"
    edit(running, "E040", tel="13900000040")  # set back by hand: the old command must not be carried out once more
    (outcome,) = connector.push([change])
    assert connector.read_back("places", ["E040"]).to_pylist()[0]["tel"] == "13900000040"
    assert (outcome.state, outcome.code) == ("rejected", "readback_differs")


def test_history_survives_a_restart(tmp_path):
    manifest = manifest_of("t_queue")
    seed(tmp_path, manifest, ROWS[:3])
    cursors = []
    for _ in range(2):
        with Running(QueueServer([manifest], tmp_path)) as running:
            connector = connect(manifest, context_of(tmp_path, running.variables))
            cursors.append(list(connector.pull("places", None))[-1].cursor)
            connector.close()
            pid = int((tmp_path / "sandbox/nats/nats.pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert cursors[0] == cursors[1]


def test_check_and_trouble(running, connector, tmp_path):
    check = connector.check()
    assert check.ok
    assert [what for what, _, _ in check.lines] == ["broker", "places"]
    url = running.variables["T_QUEUE_URL"]
    password = url.split(":")[2].partition("@")[0]
    wrong = QueueConnector(connector.manifest, context_of(tmp_path, {"T_QUEUE_URL": url.replace(password, "guess")}))
    with pytest.raises(LoginRefused) as refused:
        list(wrong.pull("places", None))
    assert "guess" not in str(refused.value)
    assert not wrong.check().ok
    nobody = QueueConnector(connector.manifest, context_of(tmp_path, {"T_QUEUE_URL": "nats://u:p@127.0.0.1:1"}))
    with pytest.raises(Unreachable):
        list(nobody.pull("places", None))
    closed = QueueConnector(
        manifest_of("t_queue", capabilities={"read": "none", "create": True}), context_of(tmp_path, running.variables)
    )
    with pytest.raises(NotAllowed):
        list(closed.pull("places", None))


def test_our_account_cannot_tell_events(running):
    async def forge() -> None:
        client = await nats.connect(running.variables["T_QUEUE_URL"])
        try:
            await client.jetstream(timeout=0.5).publish(*event("forged", "E001", 99))
        finally:
            await client.close()

    with pytest.raises(nats.errors.Error):
        asyncio.run(forge())
