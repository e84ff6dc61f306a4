"""The portal under a mixed load of 50 requests a second at a million persons, beside a bare route of the same run.

    python -m benchmarks.portal [persons] [--rate 50] [--seconds 60] [--workers 20] [--home FOLDER] [--searches]

The master is `benchmarks.portal_town`'s: a small town published for real and multiplied, sealed, under row-level security. The portal
is `onefact serve --no-carry` as it ships: one process, HTTPS, embedded PostgreSQL. Requests are sent when they are due,
whether or not earlier ones were answered, and the time counts from then; the client shares the machine's cores. The floor is
a FastAPI application whose one route answers a select by primary key, served, asked and timed in the same way. `--searches`
prints every kind of question by itself; a home that is named is filled once and kept.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx
import psutil
import sqlalchemy as sa

from benchmarks import portal_town
from onefact.home import Home
from portal.security import accounts
from warehouse import postgres

PASSWORD: Final = "珞珈山下东湖水不深不浅清清"
MIX: Final[Mapping[str, int]] = {"tasks": 15, "search": 30, "person": 20, "household": 20, "preview": 10, "enter": 5}
"""Of a hundred requests."""

AIM_MS: Final = 100.0


@dataclass(slots=True)
class Person:
    """Somebody in a worker's grids."""

    id: str
    name: str
    number: str
    phone: str
    node: str
    initials: str
    firm: str


@dataclass(slots=True)
class User:
    """An account that is signed in."""

    client: httpx.AsyncClient
    people: Sequence[Person]


@dataclass(slots=True)
class Measured:
    """Milliseconds from due to answered, by kind of request; and what was not answered as it should be."""

    took: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


PEOPLE: Final = """
SELECT p.master_id::text, p.name, coalesce(p.id_number, ''), coalesce(p.phone, ''), a.node_id::text,
  (SELECT k.key FROM search_key k WHERE k.master_id = p.master_id AND k.kind = 'initials' LIMIT 1),
  (SELECT o.name FROM entity_grid g JOIN organisation o ON o.master_id = g.master_id
   WHERE g.entity_type = 'organisation' AND g.grid = ANY(:grids) AND o.name IS NOT NULL ORDER BY o.master_id LIMIT 1)
FROM entity_grid e JOIN person p ON p.master_id = e.master_id
JOIN address_point a ON a.entity_type = 'person' AND a.master_id = p.master_id AND a.field = 'residence_address'
WHERE e.entity_type = 'person' AND e.field = 'residence_address' AND e.grid = ANY(:grids) ORDER BY md5(p.master_id::text) LIMIT 200
"""

GRIDS: Final = """
SELECT grid, count(DISTINCT master_id) FROM entity_grid WHERE entity_type = 'person' GROUP BY grid
HAVING count(DISTINCT master_id) BETWEEN 200 AND 1500 ORDER BY md5(grid) LIMIT :n
"""


def questions(person: Person) -> dict[str, str]:
    """What a worker may type to find somebody; the beginnings are what the box gets while it is typed."""
    return {
        "surname": person.name[:1], "name": person.name, "initials": person.initials, "two letters": person.initials[:2],
        "ID number": person.number, "ID number, last six": person.number[-6:],
        "phone": person.phone, "phone, last four": person.phone[-4:], "flat": "1栋1单元101室",
        "building": "1栋", "firm": person.firm or "超市", "firm, a word": "服务",
    }  # fmt: skip


def accounts_of(home: Home, workers: int) -> dict[str, list[Person]]:
    """Make so many workers with a grid each, and a steward; return login -> people to ask for."""
    with home.engine.begin() as connection:
        grids = connection.execute(sa.text(GRIDS), {"n": workers}).all()
        for i, (grid, _) in enumerate(grids):
            _account(connection, f"bench{i}", "worker", [grid])
        _account(connection, "benchall", "steward", [])
        print(f"{len(grids)} workers; persons in their grids: {min(n for _, n in grids)} to {max(n for _, n in grids)}")
        found = {
            f"bench{i}": [Person(*(t or "" for t in r)) for r in connection.execute(sa.text(PEOPLE), {"grids": [grid]})]
            for i, (grid, _) in enumerate(grids)
        }
    return {**found, "benchall": [p for people in found.values() for p in people]}


def _account(connection: sa.Connection, login: str, role: str, grids: list[str]) -> None:
    if accounts.by_login(connection, login) is None:
        accounts.add(connection, login, login, role, grids=grids, password=PASSWORD, by="bench", given=False)


@contextmanager
def serving(*command: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server that prints its address; give it and the process."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = ""
        for line in process.stdout or ():
            if found := re.search(r"https://\S+:\d+", line):
                address = found.group()
                break
        if not address:
            raise RuntimeError("the server did not start")
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def client(address: str, most: int = 20) -> httpx.AsyncClient:
    """A browser's connections to a server; its certificate is this machine's own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=4)
    return httpx.AsyncClient(base_url=address, verify=context, headers={"Origin": address}, limits=limits, timeout=60)


async def sign_in(address: str, login: str, people: Sequence[Person]) -> User:
    """Sign an account in."""
    browser = client(address)
    for _ in range(100):  # the socket is there before the server answers
        try:
            answer = await browser.post("/login", data={"login": login, "password": PASSWORD})
            break
        except httpx.ConnectError:
            await asyncio.sleep(0.1)
    if answer.status_code != 303:
        raise RuntimeError(f"{login} was not let in: {answer.status_code}")
    page = (await browser.get("/password")).text
    found = re.search(r'<meta name="csrf" content="([^"]+)">', page)
    browser.headers["X-CSRF-Token"] = found.group(1) if found else ""
    return User(browser, people)


async def ask(user: User, kind: str, dice: Random) -> httpx.Response:
    """Send one request."""
    person = dice.choice(user.people)
    send = user.client
    if kind == "tasks":
        return await send.get("/tasks")
    if kind == "search":
        typed = dice.choice(list(questions(person).values()))
        return await send.post("/search", data={"q": typed}, headers={"HX-Request": "true"})
    if kind == "person":
        return await send.get(f"/persons/{person.id}")
    if kind == "household":
        return await send.get(f"/places/{person.node}")
    fact = {
        f"v|person|{person.id}|phone": f"139{dice.randrange(10**8):08}",
        "act_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
    }
    return await send.post("/entry/preview" if kind == "preview" else "/entry/save", data={**fact, "kind": "correct"})


async def load(work: Sequence[tuple[str, Callable[[], Awaitable[httpx.Response]]]], rate: float) -> Measured:
    """Send each request when it is due; the time counts from then."""
    measured = Measured()
    begun = time.perf_counter() + 0.2

    async def one(i: int, kind: str, send: Callable[[], Awaitable[httpx.Response]]) -> None:
        due = begun + i / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await send()
        measured.took.setdefault(kind, []).append((time.perf_counter() - due) * 1000)
        if answer.status_code not in {200, 303}:
            measured.wrong.append(f"{kind}: {answer.status_code}")

    await asyncio.gather(*(one(i, kind, send) for i, (kind, send) in enumerate(work)))
    return measured


def percentile(took: Sequence[float], share: float) -> float:
    """Return the value below which a share lies."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def shown(name: str, took: Sequence[float]) -> str:
    """One line of the table."""
    return f"{name:<22}{len(took):>6}{percentile(took, 0.5):>10.1f}{percentile(took, 0.95):>10.1f}{percentile(took, 0.99):>10.1f}{max(took):>10.1f}"


HEAD: Final = f"{'request':<22}{'n':>6}{'median ms':>10}{'95th':>10}{'99th':>10}{'worst':>10}"


def memory(home: Home, process: psutil.Process) -> str:
    """Memory of the server and of PostgreSQL, shared pages counted once."""
    mine = process.memory_info().rss / 1e6
    pids = {p.pid for p in psutil.process_iter() if str(home.path.resolve()) in " ".join(_command(p))}
    servers = [p for p in psutil.process_iter() if p.pid in pids or (p.ppid() in pids and "postgres" in p.name())]
    others = sum(p.memory_full_info().pss for p in servers if "postgres" in p.name()) / 1e6
    return f"memory: portal {mine:.0f} MB, PostgreSQL {others:.0f} MB"


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def mixed(address: str, people: Mapping[str, Sequence[Person]], rate: float, seconds: float) -> Measured:
    """The mixed load of all accounts; the first fifth warms up and is not counted."""
    users = [await sign_in(address, login, known) for login, known in people.items() if login != "benchall"]
    dice = Random(11)
    kinds = dice.choices(list(MIX), weights=list(MIX.values()), k=int(rate * seconds))

    def request(kind: str) -> tuple[str, Callable[[], Awaitable[httpx.Response]]]:
        user = dice.choice(users)
        return kind, lambda: ask(user, kind, dice)

    try:
        await load([request(k) for k in kinds[: len(kinds) // 5]], rate)
        return await load([request(k) for k in kinds], rate)
    finally:
        for user in users:
            await user.client.aclose()


async def floor(address: str, people: Sequence[Person], rate: float, seconds: float) -> Measured:
    """The same rate at the bare route."""
    async with client(address) as browser:
        dice = Random(11)
        for _ in range(100):
            try:
                await browser.get(f"/{people[0].id}")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
        work = [("bare route", lambda: browser.get(f"/{dice.choice(people).id}")) for _ in range(int(rate * seconds))]
        return await load(work, rate)


async def searches(address: str, people: Mapping[str, Sequence[Person]], times: int = 30) -> None:
    """Every kind of question by itself, one after the other, for a worker and for who sees the whole district."""
    print(HEAD)
    for login in ("bench0", "benchall"):
        user, dice = await sign_in(address, login, people[login]), Random(3)
        took: dict[str, list[float]] = {}
        for _ in range(times):
            for kind, typed in questions(dice.choice(user.people)).items():
                began = time.perf_counter()
                await user.client.post("/search", data={"q": typed}, headers={"HX-Request": "true"})
                took.setdefault(kind, []).append((time.perf_counter() - began) * 1000)
        for kind, each in took.items():
            print(shown(f"{'worker' if login == 'bench0' else 'district'}: {kind}"[:22], each), flush=True)
        await user.client.aclose()


def bare(path: str) -> None:
    """Serve the floor: one route, one select by primary key, the same engine and the same server."""
    from fastapi import FastAPI

    from portal.serve import Door, server

    home = Home(Path(path))
    app = FastAPI()
    select = sa.text("SELECT name FROM person WHERE master_id = CAST(:i AS uuid)")

    @app.get("/{master_id}")
    def one(master_id: str) -> dict[str, str]:
        with home.engine.connect() as connection:
            return {"name": connection.execute(select, {"i": master_id}).scalar_one()}

    running, listening, address = server(home, app, Door(port=0))
    print(address, flush=True)
    running.run(sockets=[listening])


def measure(home: Home, options: argparse.Namespace) -> bool:
    """Print everything; return whether the aim was reached."""
    people = accounts_of(home, options.workers)
    with serving("-m", "benchmarks.portal", "--bare", "--home", str(home.path)) as (address, _):
        least = asyncio.run(floor(address, people["benchall"], options.rate, options.seconds / 2))
    with serving("-m", "onefact", "--home", str(home.path), "serve", "--no-carry", "--port", "0") as (address, process):
        if options.searches:
            asyncio.run(searches(address, people))
        clock = process.cpu_times()
        found = asyncio.run(mixed(address, people, options.rate, options.seconds))
        used = process.cpu_times()
        held = memory(home, process)
    everything = [t for took in found.took.values() for t in took]
    print(HEAD)
    print(shown("bare route", least.took["bare route"]))
    for kind in MIX:
        print(shown(kind, found.took[kind]))
    print(shown("all", everything))
    spent = (used.user + used.system - clock.user - clock.system) / (len(everything) * 1.2)
    late, bottom = percentile(everything, 0.99), percentile(least.took["bare route"], 0.99)
    print(
        f"{options.rate:.0f} requests a second; the portal's own processor time {spent * 1000:.1f} ms a request; {held}"
    )
    print(f"99th percentile {late:.0f} ms (aim {AIM_MS:.0f}) = {late / bottom:.1f} x the bare route's {bottom:.1f} ms")
    if found.wrong:
        sys.exit(f"not answered as they should be: {len(found.wrong)}, e.g. {sorted(set(found.wrong))[:5]}")
    return late <= AIM_MS


def main() -> None:
    """Fill a master where there is none, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portal")
    parser.add_argument("persons", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--searches", action="store_true")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(str(options.home))
        return
    with ExitStack() as stack:
        path = options.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(postgres.stop, path)
        portal_town.make(path, options.persons)
        home = Home(path)
        stack.callback(home.close)
        with home.engine.connect() as connection:
            persons = int(connection.execute(sa.text("SELECT count(*) FROM person")).scalar_one())
        print(f"{persons:,} persons")
        reached = measure(home, options)
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
