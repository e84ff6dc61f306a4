"""The REST connector against the real stand-in server on a loopback port: reading, writing, and every staged fault."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support import Running, change_of, manifest_of, rows_of, seed

from connectors.base import Context, LoginRefused, Malformed, Unreachable, Variables
from connectors.http import scrub
from connectors.kinds.rest import RestConnector
from connectors.kinds.rest_listing import Watermark
from connectors.kinds.rest_session import BusinessError
from connectors.manifest.model import Manifest
from connectors.quota import RateLimiter
from sandbox.faults import Fault
from sandbox.servers.rest import RestServer
from sandbox.store import Store
from schemas.records import Change, Outcome

FIXTURES = Path(__file__).parents[1] / "fixtures" / "rest"
START = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001
SETS = {"t_token": "persons", "t_signed": "volunteers"}


@dataclass
class Clock:
    """The time that both sides share; sleeping only moves it."""

    now: datetime = START
    slept: float = 0.0

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += timedelta(seconds=seconds)


@dataclass
class Station:
    """Both stand-ins running, the connectors to them, and the clock."""

    home: Path
    server: RestServer
    running: Running
    clock: Clock
    manifests: dict[str, Manifest]

    def context(self, **variables: str) -> Context:
        given = Variables({**self.running.variables, **variables})
        return Context(self.home, self.home, given, now=self.clock, sleep=self.clock.sleep)

    def connector(self, system: str) -> RestConnector:
        return RestConnector(self.manifests[system], self.context())

    def row(self, system: str, key: str) -> dict[str, str | None]:
        store = Store.open(self.home, self.manifests[system])
        found = store.row(SETS[system], key)
        store.close()
        assert found is not None
        return dict(found.columns)

    def edit(self, system: str, key: str, **columns: str | None) -> None:
        self.running.run(self.server.edit(system, SETS[system], key, columns))

    def phone(self, system: str, key: str, old: str | None, new: str | None, number: str = "1") -> Change:
        record = f"{SETS[system]}/{key}" if self.manifests[system].prefixed else key
        return change_of(self.manifests[system], record, {"phone": (old, new)}, number=number)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    manifests = {m.id: m for m in (manifest_of("rest_token"), manifest_of("rest_signed"))}
    for manifest in manifests.values():
        for dataset in manifest.datasets:
            with (FIXTURES / f"{dataset.name}.csv").open(encoding="utf-8") as file:
                rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
            seed(tmp_path, manifest, rows, dataset.name)
    clock = Clock()
    server = RestServer(list(manifests.values()), tmp_path, now=clock)
    with Running(server) as running:
        yield Station(tmp_path, server, running, clock, manifests)


def keys(rows: list[dict[str, str | None]]) -> list[str | None]:
    return [row["rkid"] for row in rows]


def push(connector: RestConnector, *changes: Change) -> dict[str, Outcome]:
    outcomes = list(connector.push(changes))
    assert sorted(o.change_id for o in outcomes) == sorted(c.change_id for c in changes)
    return {outcome.change_id: outcome for outcome in outcomes}


both = pytest.mark.parametrize("system", ["t_token", "t_signed"])


# --- reading ----------------------------------------------------------------------------------------------------------


@both
def test_a_first_reading_brings_every_row_once_and_is_a_snapshot(station: Station, system: str) -> None:
    pages = list(station.connector(system).pull(SETS[system], None))
    assert keys(rows_of(pages)) == [f"{(system[2] == 't' and 'p') or 'v'}{n}" for n in range(1, 8)]
    assert [page.snapshot for page in pages] == [False, False, True]
    assert pages[0].rows.to_pylist()[0]["contact.lxdh"] == "13800000001"
    assert [page.cursor for page in pages][:2] == [None, None]
    assert (pages[-1].cursor or "").startswith("2026-01-06")


@both
def test_the_next_reading_brings_what_changed_and_the_last_second_again(station: Station, system: str) -> None:
    connector = station.connector(system)
    cursor = list(connector.pull(SETS[system], None))[-1].cursor
    first = "p2" if system == "t_token" else "v2"
    station.edit(system, first, xm="李四四")
    (page,) = connector.pull(SETS[system], cursor)
    assert keys(rows_of([page])) == [first.replace("2", "7"), first]
    assert page.cursor == station.row(system, first)["gxsj"]
    assert not page.snapshot


def test_a_row_that_slips_between_numbered_pages_is_found(station: Station) -> None:
    # v1 changes while page 1 is in hand: it moves to the end, v4 moves up to page 1 and would never be seen.
    reading = station.connector("t_signed").pull("volunteers", None)
    pages = [next(reading)]
    station.edit("t_signed", "v1", xm="张三丰")
    pages += list(reading)
    found = {row["rkid"]: row["xm"] for row in rows_of(pages)}
    assert len(found) == 7
    assert found["v1"] == "张三丰"


def test_a_list_without_since_is_always_read_whole(station: Station) -> None:
    (page,) = station.connector("t_signed").pull("leaders", None)
    assert [(r["tdh"], r["xh"], r["xm"]) for r in rows_of([page])] == [
        ("A", "1", "张三"),
        ("A", "2", "李四"),
        ("B", "1", "王五"),
    ]
    assert page.snapshot
    assert page.cursor is None


def test_read_back_takes_composite_keys_and_leaves_out_unknown_ones(station: Station) -> None:
    table = station.connector("t_signed").read_back("leaders", ["leaders/A|2", "leaders/C|9"])
    assert table.column("xm").to_pylist() == ["李四"]


def test_check_finds_login_and_columns(station: Station) -> None:
    for system in SETS:
        assert station.connector(system).check().ok
    changed = station.manifests["t_token"].model_dump(by_alias=True)
    changed["datasets"][0]["local"] = {"tag": {"title": "标签"}}
    check = RestConnector(Manifest.model_validate(changed), station.context()).check()
    assert not check.ok
    assert "tag" in check.lines[-1][2]


def test_check_finds_a_system_that_caps_its_pages(station: Station) -> None:
    changed = station.manifests["t_signed"].model_dump(by_alias=True)
    changed["datasets"][0]["source"]["paging"]["size"] = 600
    store = Store.open(station.home, station.manifests["t_signed"])
    for number in range(500):
        store.upsert("volunteers", None, {"xm": "某"}, None, None, station.clock.now)
        assert number < 500
    store.close()
    check = RestConnector(Manifest.model_validate(changed), station.context()).check()
    assert next(line for line in check.lines if not line[1])[2].endswith("set paging.size to 500")


# --- the cursor -------------------------------------------------------------------------------------------------------

STAMPS = ["2026-01-01 08:00:00", "2026-01-05 08:00:00", "2026-01-03 08:00:00"]


@pytest.mark.parametrize(
    ("pages", "server_clock", "cursor"),
    [
        ([STAMPS], None, STAMPS[1]),  # one answer is one moment: its order does not matter
        ([STAMPS[:1], STAMPS[1:2]], None, STAMPS[1]),  # in order: the greatest
        ([STAMPS[:2], STAMPS[2:]], None, "before"),  # not in order, no clock: stays
        ([STAMPS[:2], STAMPS[2:]], datetime(2026, 2, 1), STAMPS[1]),  # noqa: DTZ001  # all long ago
        ([STAMPS[:2], STAMPS[2:]], datetime(2026, 1, 5, 9), "2026-01-04 18:00:00"),  # noqa: DTZ001  # held back
        ([[], []], None, "before"),
    ],
)
def test_the_cursor_never_overtakes_a_change(
    pages: list[list[str | None]], server_clock: datetime | None, cursor: str
) -> None:
    mark = Watermark(["%Y-%m-%d %H:%M:%S"], started=server_clock)
    for stamps in pages:
        mark.add(stamps)
    assert mark.cursor("before") == cursor


# --- login ------------------------------------------------------------------------------------------------------------


@both
def test_a_wrong_secret_is_refused(station: Station, system: str) -> None:
    context = station.context(**{f"{system.upper()}_SECRET": "wrong"})
    connector = RestConnector(station.manifests[system], context)
    with pytest.raises(LoginRefused, match="refuses our login") as refusal:
        list(connector.pull(SETS[system], None))
    assert "wrong" not in str(refusal.value)
    assert not connector.check().ok


def test_a_token_is_reused_renewed_when_it_expires_and_when_it_is_revoked(station: Station) -> None:
    connector = station.connector("t_token")
    assert len(rows_of(connector.pull("persons", None))) == 7
    station.clock.now += timedelta(hours=3)
    assert len(rows_of(connector.pull("persons", None))) == 7
    station.server.revoke_tokens("t_token")
    assert len(rows_of(connector.pull("persons", None))) == 7


def test_a_clock_that_is_off_is_refused(station: Station) -> None:
    late = replace(station.context(), now=lambda: START - timedelta(minutes=6))
    with pytest.raises(LoginRefused):
        list(RestConnector(station.manifests["t_signed"], late).pull("leaders", None))


def test_a_request_that_is_sent_twice_is_refused(station: Station) -> None:
    connector = station.connector("t_signed")
    url = station.running.variables["T_SIGNED_URL"]
    login = connector._session._login
    headers = dict(login.headers("GET", "/t_signed/openapi/leaders", (), b""))
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{url}/openapi/leaders", headers=headers).status_code == 200
        assert client.get(f"{url}/openapi/leaders", headers=headers).status_code == 401
        assert client.get(f"{url}/openapi/volunteers", headers=headers).status_code == 401


# --- faults while reading ---------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("kind", ["down", "error", "throttle"])
def test_a_passing_fault_is_survived(station: Station, system: str, kind: str) -> None:
    station.server.fault(system, Fault(kind, seconds=7, times=2))  # type: ignore[arg-type]
    assert len(rows_of(station.connector(system).pull(SETS[system], None))) == 7
    assert station.clock.slept == (14 if kind == "throttle" else 1.5)


@pytest.mark.parametrize("kind", ["down", "error", "throttle"])
def test_a_lasting_fault_is_unreachable(station: Station, kind: str) -> None:
    station.server.fault("t_signed", Fault(kind))  # type: ignore[arg-type]
    with pytest.raises(Unreachable) as trouble:
        list(station.connector("t_signed").pull("volunteers", None))
    assert (trouble.value.system, trouble.value.place) == ("t_signed", "/openapi/volunteers")


def test_a_wish_to_wait_for_an_hour_ends_the_run(station: Station) -> None:
    station.server.fault("t_signed", Fault("throttle", seconds=3600))
    with pytest.raises(Unreachable, match="429"):
        list(station.connector("t_signed").pull("volunteers", None))
    assert station.clock.slept == 0


def test_nobody_listens(station: Station) -> None:
    context = station.context(T_SIGNED_URL="http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="no connection"):
        list(RestConnector(station.manifests["t_signed"], context).pull("volunteers", None))


def test_no_answer_in_time(station: Station) -> None:
    hasty = station.manifests["t_signed"].model_dump(by_alias=True)
    hasty["connection"]["timeout_seconds"] = 0.05
    station.server.fault("t_signed", Fault("slow", seconds=0.2))
    with pytest.raises(Unreachable, match="in time"):
        list(RestConnector(Manifest.model_validate(hasty), station.context()).pull("volunteers", None))


def test_a_gateways_page_is_malformed(station: Station) -> None:
    station.server.fault("t_signed", Fault("not_json"))
    with pytest.raises(Malformed, match="not JSON") as trouble:
        list(station.connector("t_signed").pull("volunteers", None))
    assert trouble.value.place == "/openapi/volunteers"


def test_http_200_with_an_error_code_is_an_error(station: Station) -> None:
    station.server.fault("t_signed", Fault("refuse_in_200"))
    with pytest.raises(BusinessError, match="系统繁忙"):
        list(station.connector("t_signed").pull("volunteers", None))


# --- writing ----------------------------------------------------------------------------------------------------------


@both
def test_a_write_is_verified_by_reading_back(station: Station, system: str) -> None:
    key = "p1" if system == "t_token" else "v1"
    outcome = push(station.connector(system), station.phone(system, key, "13800000001", "13900000001"))["1"]
    assert (outcome.state, outcome.code) == ("verified", "ok")
    assert (outcome.receipt or "").startswith(f"{system.upper()}-20260301-")
    row = station.row(system, key)
    assert row["contact.lxdh"] == "13900000001"
    assert (row["gxsj"] or "").replace("T", " ") == "2026-03-01 09:30:00"


def test_only_changed_columns_are_written(station: Station) -> None:
    before = station.row("t_token", "p3")
    push(station.connector("t_token"), station.phone("t_token", "p3", "13800000003", None))
    after = station.row("t_token", "p3")
    assert after == before | {"contact.lxdh": "", "bbh": "6", "gxsj": "2026-03-01T09:30:00"}


def test_a_batch_larger_than_allowed_is_cut(station: Station) -> None:
    changes = [
        station.phone("t_token", f"p{n}", f"1380000000{n}", f"1390000000{n}", number=str(n)) for n in range(1, 7)
    ]
    outcomes = push(station.connector("t_token"), *changes)
    assert {outcome.state for outcome in outcomes.values()} == {"verified"}


def test_two_changes_of_one_record_both_arrive_in_order(station: Station) -> None:
    first = station.phone("t_token", "p1", "13800000001", "13900000001", number="1")
    second = station.phone("t_token", "p1", "13900000001", "13900000002", number="2")
    outcomes = push(station.connector("t_token"), first, second)
    assert {outcome.state for outcome in outcomes.values()} == {"verified"}
    assert station.row("t_token", "p1")["contact.lxdh"] == "13900000002"


def test_a_bad_row_does_not_hold_up_the_others(station: Station) -> None:
    good = station.phone("t_token", "p1", "13800000001", "13900000001", number="good")
    long = change_of(station.manifests["t_token"], "p2", {"name": ("李四", "李" * 300)}, number="long")
    gone = station.phone("t_token", "p99", None, "13900000009", number="gone")
    lost = change_of(station.manifests["t_token"], "p4", {"sex": ("2", "9")}, number="lost")
    outcomes = push(station.connector("t_token"), good, long, gone, lost)
    assert {n: (o.state, o.code) for n, o in outcomes.items()} == {
        "good": ("verified", "ok"),
        "long": ("rejected", "row_4003"),
        "gone": ("rejected", "not_found"),
        "lost": ("rejected", "inexpressible"),
    }
    assert "李李" not in outcomes["long"].message


@both
def test_a_value_that_changed_there_is_a_conflict_and_stays(station: Station, system: str) -> None:
    key = "p1" if system == "t_token" else "v1"
    station.edit(system, key, **{"contact.lxdh": "13700000001"})
    outcome = push(station.connector(system), station.phone(system, key, "13800000001", "13900000001"))["1"]
    assert (outcome.state, outcome.code) == ("conflict", "changed_there")
    assert station.row(system, key)["contact.lxdh"] == "13700000001"


def test_a_change_between_reading_and_writing_is_a_conflict_by_version(station: Station) -> None:
    connector = station.connector("t_token")
    write = connector._session.write

    def edited_first(path: str, payload: object) -> object:
        station.edit("t_token", "p1", xm="张三丰")
        return write(path, payload)  # type: ignore[arg-type]

    connector._session.write = edited_first  # type: ignore[assignment,method-assign]
    outcome = push(connector, station.phone("t_token", "p1", "13800000001", "13900000001"))["1"]
    assert (outcome.state, outcome.code) == ("conflict", "row_409")
    assert station.row("t_token", "p1")["contact.lxdh"] == "13800000001"


def test_what_is_there_already_is_verified_without_a_write(station: Station) -> None:
    station.server.fault("t_token", Fault("error", writes_only=True))
    station.edit("t_token", "p1", **{"contact.lxdh": "13900000001"})
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", "13800000001", "13900000001"))["1"]
    assert outcome.state == "verified"


def test_a_new_record_gets_the_targets_key(station: Station) -> None:
    change = change_of(
        station.manifests["t_token"],
        None,
        {"name": (None, "郑十"), "sex": (None, "1")},
        current={"phone": "13800000010"},
    )
    outcome = push(station.connector("t_token"), change)["1"]
    assert (outcome.state, outcome.code) == ("verified", "ok")
    row = station.row("t_token", outcome.record_key or "")
    assert (row["xm"], row["xb"], row["contact.lxdh"]) == ("郑十", "男", "13800000010")


def test_a_repeated_push_creates_nothing_twice(station: Station) -> None:
    change = change_of(station.manifests["t_token"], None, {"name": (None, "郑十")})
    first = push(station.connector("t_token"), change)["1"]
    again = push(station.connector("t_token"), change)["1"]
    assert again == first
    assert len(rows_of(station.connector("t_token").pull("persons", None))) == 8


def test_a_dataset_without_a_way_in_is_refused(station: Station) -> None:
    change = change_of(station.manifests["t_signed"], "leaders/A|1", {"name": ("张三", "张四")}, dataset="leaders")
    assert push(station.connector("t_signed"), change)["1"].code == "no_write_path"


# --- faults while writing ---------------------------------------------------------------------------------------------


@both
def test_an_answer_lost_after_the_commit_is_verified_by_reading_back(station: Station, system: str) -> None:
    key = "p1" if system == "t_token" else "v1"
    station.server.fault(system, Fault("drop_answer", writes_only=True))
    outcome = push(station.connector(system), station.phone(system, key, "13800000001", "13900000001"))["1"]
    assert (outcome.state, outcome.code, outcome.receipt) == ("verified", "ok", None)
    assert station.row(system, key)["contact.lxdh"] == "13900000001"


@pytest.mark.parametrize("kind", ["down", "error", "not_json"])
def test_a_write_without_effect_and_answer_is_no_answer(station: Station, kind: str) -> None:
    station.server.fault("t_token", Fault(kind, writes_only=True))  # type: ignore[arg-type]
    change = station.phone("t_token", "p1", "13800000001", "13900000001")
    assert push(station.connector("t_token"), change)["1"].state == "no_answer"
    station.server.fault("t_token", None)
    assert push(station.connector("t_token"), change)["1"].state == "verified"


def test_a_lost_answer_to_a_new_record_is_healed_by_the_idempotency_key(station: Station) -> None:
    change = change_of(station.manifests["t_token"], None, {"name": (None, "郑十")})
    station.server.fault("t_token", Fault("drop_answer", times=1, writes_only=True))
    assert push(station.connector("t_token"), change)["1"].state == "no_answer"
    assert push(station.connector("t_token"), change)["1"].state == "verified"
    assert len(rows_of(station.connector("t_token").pull("persons", None))) == 8


def test_a_batch_refused_for_being_busy_stays_planned_row_by_row(station: Station) -> None:
    station.server.fault("t_token", Fault("refuse_in_200", writes_only=True))
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", "13800000001", "13900000001"))["1"]
    assert (outcome.state, outcome.code) == ("planned", "code_5001")


def test_a_throttled_write_is_sent_again(station: Station) -> None:
    station.server.fault("t_token", Fault("throttle", seconds=3, times=1, writes_only=True))
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", "13800000001", "13900000001"))["1"]
    assert outcome.state == "verified"
    assert station.clock.slept == 3


def test_a_system_that_is_down_raises_before_anything_is_sent(station: Station) -> None:
    station.server.fault("t_token", Fault("down"))
    with pytest.raises(Unreachable):
        list(station.connector("t_token").push([station.phone("t_token", "p1", "13800000001", "13900000001")]))


# --- the shared parts -------------------------------------------------------------------------------------------------


def test_the_rate_limiter_never_exceeds_its_quota() -> None:
    clock = Clock()
    limiter = RateLimiter(5, 3, clock.seconds, clock.sleep)
    for _ in range(23):
        limiter.take()
    assert clock.slept == pytest.approx(4.0, abs=0.01)  # 3 at once, 20 at 5 a second


def test_messages_lose_values_and_long_numbers() -> None:
    assert scrub("号码13800000001与姓名张三不符", ["张三"]) == "号码…与姓名…不符"


def test_requests_are_not_delayed_by_nagle(station: Station) -> None:
    connector = station.connector("t_signed")
    list(connector.pull("leaders", None))
    begin = time.perf_counter()
    for _ in range(20):
        list(connector.pull("leaders", None))
    assert (time.perf_counter() - begin) / 20 < 0.03
