"""Quotas and maintenance: nobody asks faster, more at once, or at another time than the holder may."""

from __future__ import annotations

import csv
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support import context_of, manifest_of

from connectors.http import HttpClient, Request, retry_after
from connectors.manifest import ManifestErrors, load_all
from connectors.manifest.model import RateLimit
from connectors.quota import Quota, Quotas

FIXTURES = Path(__file__).parents[1] / "fixtures"
LINES = (FIXTURES / "connectors" / "maintenance.tsv").read_text(encoding="utf-8").splitlines()
CASES = list(csv.reader(LINES[1:], delimiter="\t"))


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.seconds, self.slept = 1_000_000.0, 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept += seconds


def window(text: str) -> Mapping[str, object]:
    times, _, days = text.strip().partition(" ")
    begin, _, end = times.partition("-")
    return {"from": begin, "to": end, **({"days": days.split(",")} if days else {})}


@pytest.mark.parametrize(("windows", "moment", "is_open", "again"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_maintenance_windows(windows: str, moment: str, is_open: str, again: str) -> None:
    manifest = manifest_of("t_form", maintenance=[window(one) for one in windows.split(";") if one.strip()])
    local = datetime.fromisoformat(moment)
    assert manifest.open_at(local) == (is_open == "yes")
    assert manifest.opens_at(local) == datetime.fromisoformat(again)
    abroad = (local - timedelta(hours=8)).replace(tzinfo=UTC)  # Asia/Shanghai is eight hours ahead
    assert manifest.open_at(abroad) == (is_open == "yes")


def test_systems_of_one_holder_share_its_tokens_and_others_do_not() -> None:
    quotas, clock = Quotas(), Clock()
    pace = {"rate_limit": {"per_second": 2, "burst": 1}}
    one = quotas.of(manifest_of("t_form", quota="town", **pace), clock, clock.sleep)
    other = quotas.of(manifest_of("t_webhook", quota="town", **pace), clock, clock.sleep)
    alone = quotas.of(manifest_of("t_queue", **pace), clock, clock.sleep)
    assert one is other
    assert alone is not one
    for _ in range(3):
        one.take()
        other.take()
    assert clock.slept == pytest.approx(2.5)  # one at once, five at two a second


def test_a_pause_that_one_was_asked_for_holds_for_all_of_the_holder() -> None:
    clock = Clock()
    quota = Quota(None, None, clock, clock.sleep)
    quota.pause(30)
    quota.take()
    quota.take()
    assert clock.slept == 30


def test_not_more_requests_at_the_same_time_than_allowed() -> None:
    quota = Quota(RateLimit(per_second=1000, burst=1000), 2, Clock(), lambda _: None)
    now, most, lock, both = 0, 0, threading.Lock(), threading.Barrier(2)

    def ask() -> None:
        nonlocal now, most
        with quota.request():
            with lock:
                now += 1
                most = max(most, now)
            both.wait(5)  # two are always within together, never a third
            with lock:
                now -= 1

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 2


NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Sun, 01 Mar 2026 09:31:00 GMT", 60),
        ("Sunday, 01-Mar-26 09:31:00 GMT", 60),
        ("Sun Mar  1 09:31:00 2026", 60),
        ("Sun, 01 Mar 2026 09:00:00 GMT", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds_and_in_each_form_of_an_http_date(header: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": header}), NOW) == seconds


def test_a_long_wish_is_told_to_whoever_plans_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    client = HttpClient("t", "http://127.0.0.1:9", timeout=1, now=lambda: NOW, sleep=lambda _: None)
    answer = httpx.Response(429, headers={"Retry-After": "3600"})
    monkeypatch.setattr(client._client, "request", lambda *_, **__: answer)
    with pytest.raises(Exception, match="429") as raised:
        client.send(Request("GET", "/"))
    assert raised.value.retry_after == 3600


def test_systems_that_share_a_quota_must_agree_on_its_size(tmp_path: Path) -> None:
    text = (FIXTURES / "manifests" / "good.yaml").read_text(encoding="utf-8")
    for name, pace in (("a", 5), ("b", 6)):
        more = f"id: {name}\nquota: town\nrate_limit: {{per_second: {pace}}}"
        (tmp_path / f"{name}.yaml").write_text(text.replace("id: bad_example", more), encoding="utf-8")
    with pytest.raises(ManifestErrors, match=r"b\.yaml:\d+: quota: the quota 'town' has another size in a\.yaml"):
        load_all(tmp_path)


def test_connectors_made_from_one_set_of_quotas_share_it(tmp_path: Path) -> None:
    context = context_of(tmp_path, {})
    manifest = manifest_of("t_form", rate_limit={"per_second": 1})
    assert context.quota(manifest) is context.quota(manifest)
