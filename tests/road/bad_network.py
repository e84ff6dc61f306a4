"""Changes over a bad network (坏网络演练), to every kind that is reached by one."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from fleet import Fleet
from support import Running

from sandbox.fault_proxy import FaultProxy, Weather
from sandbox.faults import Fault
from warehouse.tables import OUTBOX

STORM = Weather(latency=0.01, reset=0.10, drop_answer=0.05)
CHATTY = Weather(latency=0.002, reset=0.01, drop_answer=0.01)
"""For protocols that say many small things to do one (SSH, NATS)."""

MIX = (
    Fault("error", share=0.10), Fault("slow", share=0.05, seconds=6.0), Fault("refuse_in_200", share=0.02),
    Fault("twice", share=0.01),
)  # fmt: skip
"""10 % errors, 5 % time-outs (the client waits 5 s), 2 % HTTP 200 with an error inside, 1 % delivered twice."""

REACHED = ("rest", "form", "webhook", "queue", "sftp_csv")
ADDRESSES: Mapping[str, str] = {
    "rest": "T_TOKEN_URL", "form": "T_FORM_URL", "webhook": "T_WEBHOOK_URL", "queue": "T_QUEUE_URL"
}  # fmt: skip


@dataclass(frozen=True)
class Crossing:
    """What became of the changes.

    Attributes:
        ended: state -> changes; retried: changes rejected by a business error, tried again as a person would.
        attempts: attempts a change needed -> changes.
        wrong: records with a value lost, doubled or out of order.
        weather: what befell the connections.
    """

    kind: str
    ended: Mapping[str, int]
    attempts: Mapping[int, int]
    rounds: int
    wrong: tuple[str, ...]
    weather: Mapping[str, int]
    seconds: float


@contextmanager
def storm(fleet: Fleet, weather: Weather = STORM, seed: int = 1) -> Iterator[Mapping[str, FaultProxy]]:
    """Put a proxy in front of every stand-in that is reached by a network; the installation only knows the proxies."""
    path = fleet.path / "endpoints.json"
    calm = json.loads(path.read_text("utf-8"))
    stormy, proxies = dict(calm), dict[str, FaultProxy]()
    with ExitStack() as stack:
        for kind in (k for k in REACHED if k in fleet.kinds):
            address = ADDRESSES.get(kind)
            url = urlsplit(calm[address]) if address else None
            port = url.port if url else int(calm["TESTSFTP_PORT"])
            proxy = FaultProxy("127.0.0.1", port or 0, CHATTY if kind in {"queue", "sftp_csv"} else weather, seed)
            where = stack.enter_context(Running(proxy)).variables
            proxies[kind] = proxy
            if url is not None and address:
                stormy[address] = calm[address].replace(f":{port}", f":{where['PORT']}")
            else:
                stormy["TESTSFTP_PORT"] = where["PORT"]
        path.write_text(json.dumps(stormy), "utf-8")
        log = logging.getLogger("uvicorn.error")
        log.disabled = True  # the stand-ins report each connection that we break
        try:
            yield proxies
        finally:
            log.disabled = False
            path.write_text(json.dumps(calm), "utf-8")


def cross(fleet: Fleet, kind: str, proxy: FaultProxy, changes: int, seconds: float = 120) -> Crossing:
    """Push one change of each of so many records, round after round with the pauses left out, until all are settled."""
    begin, start = time.monotonic(), fleet.position(kind)
    wanted = {n: fleet.fresh() for n in range(min(changes, fleet.records))}
    ids = [fleet.plan(kind, n, fleet.held(kind, n), value) for n, value in wanted.items()]
    rounds = 0
    while time.monotonic() - begin < seconds:
        rounds += 1
        fleet.push(kind)
        _no_pauses(fleet)
        states = Counter(state for state, _ in fleet.states(ids))
        if not any(states[s] for s in ("planned", "pending", "sent", "no_answer")):
            break
    with fleet.home.engine.connect() as connection:
        tries = Counter(connection.execute(sa.select(OUTBOX.c.attempts).where(OUTBOX.c.change_id.in_(ids))).scalars())
    ended = Counter(f"{state}/{code}" if state != "verified" else state for state, code in fleet.states(ids))
    settled = {n for n, (state, _) in zip(wanted, fleet.states(ids), strict=True) if state == "verified"}
    wrong = [
        f"record {n}: {len(found)} effects" for n in settled if (found := fleet.effects(kind, n, start)) != [wanted[n]]
    ]
    return Crossing(
        kind, ended, dict(sorted(tries.items())), rounds, tuple(wrong), dict(proxy.counts), time.monotonic() - begin
    )


def _no_pauses(fleet: Fleet) -> None:
    with fleet.home.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET next_try_at = NULL WHERE next_try_at IS NOT NULL")
        connection.exec_driver_sql("UPDATE target SET until = now() WHERE until IS NOT NULL")
