"""Answers of a REST system that are none: login pages, errors within a 200, batches answered in part, lists that drift."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from test_rest import Station, push, rows_of, station

import sandbox.servers.rest as stand_in
from connectors.answers import TargetStopped
from connectors.base import LoginRefused, Malformed
from sandbox.servers.rest import RestSystem

__all__ = ["station"]
LOGIN = "<html><form><input name=u><input type='password' name=p></form></html>"
OLD, NEW = "13800000001", "13900000001"
Answer = Callable[[RestSystem], Response]


def instead(monkeypatch: pytest.MonkeyPatch, answer: Answer, *, times: int, writes: bool) -> list[int]:
    """Give another answer the first times; the request is not processed then. Returns the log of requests so answered."""
    original, log = RestSystem.answer, list[int]()

    def answered(self: RestSystem, request: Any, path: str, body: bytes) -> Response:
        if not self.is_token(path) and (request.method == "POST") == writes and len(log) < times:
            log.append(1)
            return answer(self)
        return original(self, request, path, body)

    monkeypatch.setattr(RestSystem, "answer", answered)
    return log


def rewritten(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change the list of row results of every batch after it was processed."""
    original = RestSystem._write

    def written(self: RestSystem, *args: Any) -> Response:
        body = json.loads(bytes(original(self, *args).body))
        body["data"]["results"] = change(body["data"]["results"])
        return JSONResponse(body)

    monkeypatch.setattr(RestSystem, "_write", written)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: HTMLResponse(LOGIN),
        lambda _: RedirectResponse("/sso/login?back=1"),
        lambda system: system.refuse(401, "token"),
        lambda system: system.refuse(9999, "登录超时，请重新登录"),
        lambda _: JSONResponse({"message": "unauthorized"}, 401),
    ],
    ids=["login page", "redirect to a login", "401 in a 200", "words in a 200", "401"],
)
@pytest.mark.parametrize("writes", [False, True])
def test_a_lost_login_is_renewed_once_and_the_request_repeated(
    station: Station, monkeypatch: pytest.MonkeyPatch, answer: Answer, writes: bool
) -> None:
    connector = station.connector("t_token")
    ask: Callable[[], Any] = lambda: list(connector.pull("persons", None))  # noqa: E731 - one of two, side by side
    if writes:
        ask = lambda: push(connector, station.phone("t_token", "p1", OLD, NEW))["1"].state  # noqa: E731
    log = instead(monkeypatch, answer, times=1, writes=writes)
    got = ask()
    assert got == "verified" if writes else len(rows_of(got)) == 7
    assert log == [1]
    station.edit("t_token", "p1", **{"contact.lxdh": OLD})
    always = instead(monkeypatch, answer, times=99, writes=writes)
    with pytest.raises(LoginRefused):
        ask()
    assert len(always) == 2


@pytest.mark.parametrize(
    ("code", "words", "state", "stable"),
    [
        (5001, "系统繁忙", "planned", "code_5001"),
        (500, "内部错误", "no_answer", "no_answer"),
        (4999, "业务校验不通过", "rejected", "code_4999"),
    ],
)
def test_an_error_within_a_200(
    station: Station, monkeypatch: pytest.MonkeyPatch, code: int, words: str, state: str, stable: str
) -> None:
    instead(monkeypatch, lambda system: system.refuse(code, words), times=9, writes=True)
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", OLD, NEW))["1"]
    assert (outcome.state, outcome.code) == (state, stable)


def test_a_reading_that_was_too_much_is_asked_for_again(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, lambda system: system.refuse(5001, "系统繁忙，请稍后再试"), times=2, writes=False)
    assert len(rows_of(station.connector("t_token").pull("persons", None))) == 7
    assert station.clock.slept == 5


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda results: results[:1], "verified"),
        (lambda _: [], "verified"),
        (lambda results: [{**r, "code": 4003} for r in results] + results, "verified"),
        (lambda _: None, "verified"),
    ],
    ids=["one row missing", "no rows", "both yes and no", "no list"],
)
def test_a_batch_answered_in_part_is_read_back(
    station: Station, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], list[Any]], state: str
) -> None:
    rewritten(monkeypatch, change)
    changes = [station.phone("t_token", "p1", OLD, NEW), station.phone("t_token", "p2", "13800000002", NEW, "2")]
    outcomes = push(station.connector("t_token"), *changes)
    assert {o.state for o in outcomes.values()} == {state}
    assert station.row("t_token", "p1")["bbh"] == "2"  # written once


def test_a_row_that_was_answered_in_part_and_not_written_stays_unknown(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RestSystem, "_write", lambda self, *_: self._ok({"data": {"results": []}}))
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", OLD, NEW))["1"]
    assert (outcome.state, outcome.code) == ("no_answer", "no_row_answer")


def test_what_stops_a_system_in_one_row_ends_its_push_after_all_were_told(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = station.manifests["t_token"].model_copy(update={"answers": {"row_4003": "stop_target"}})
    station.manifests["t_token"] = manifest
    rewritten(monkeypatch, lambda results: [{**r, "code": 4003} for r in results])
    monkeypatch.setattr(RestSystem, "_write_row", lambda *_: {"key": "p1", "message": "x"})
    told = station.connector("t_token").push([station.phone("t_token", "p1", OLD, NEW)])
    outcome = next(told)
    assert (outcome.state, outcome.code) == ("planned", "row_4003")
    with pytest.raises(TargetStopped, match="row_4003"):
        next(told)


def test_a_conflict_told_by_the_system_shows_what_it_holds(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    original = RestSystem._write

    def raced(self: RestSystem, *args: Any) -> Response:
        self.store.edit("persons", "p1", {"contact.lxdh": "13711110000"}, station.clock())
        return original(self, *args)

    monkeypatch.setattr(RestSystem, "_write", raced)
    outcome = push(station.connector("t_token"), station.phone("t_token", "p1", OLD, NEW))["1"]
    assert (outcome.state, outcome.code, outcome.held) == ("conflict", "row_409", {"phone": "13711110000"})


@pytest.mark.parametrize("renamed", [None, "xingming", "xm1"])
def test_a_column_that_left_the_list_is_named(
    station: Station, monkeypatch: pytest.MonkeyPatch, renamed: str | None
) -> None:
    record = stand_in._record

    def drifted(columns: Any) -> dict[str, Any]:
        row = record(columns)
        name = row.pop("xm", None)
        return {**row, renamed: name} if renamed else row

    monkeypatch.setattr(stand_in, "_record", drifted)
    with pytest.raises(Malformed, match="no row of the list has the column xm"):
        list(station.connector("t_token").pull("persons", None))


def test_a_column_that_is_new_or_a_number_does_no_harm(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    record = stand_in._record

    def drifted(columns: Any) -> dict[str, Any]:
        row = record(columns)
        phone = row["contact"]["lxdh"]
        return {**row, "new": {"a": [1]}, "contact": {"lxdh": int(phone) if phone else None}}

    monkeypatch.setattr(stand_in, "_record", drifted)
    rows = rows_of(station.connector("t_token").pull("persons", None))
    assert rows[0]["contact.lxdh"] == OLD
    assert len(rows) == 7
