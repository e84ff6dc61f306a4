"""Real kills (断电演练): `onefact push --follow` dies by SIGKILL at random moments while facts are entered."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleet import phone
from live import Accounts, Live

from onefact.consolidate import consolidate
from onefact.pull import pull


def follow(home: str) -> None:
    """The command, in a process of its own."""
    from onefact.cli.app import app

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    app(["--home", home, "push", "--follow"])


@dataclass
class Killed:
    """What the kills did.

    Attributes:
        kills: processes killed while they ran.
        busy: kills that caught changes in the process's hands; in_hand: how many.
        facts: facts entered meanwhile.
        accounts: what is true afterwards.
        last: facts whose golden value is not the one entered last.
        open: changes that never went out.
        planned, again: changes that a reading of all systems afterwards still plans, and the reading after that.
    """

    kills: int = 0
    busy: int = 0
    in_hand: int = 0
    facts: int = 0
    seconds: float = 0.0
    accounts: Accounts | None = None
    last: list[str] = field(default_factory=list)
    open: int = 0
    planned: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


def kill_while_entering(live: Live, kills: int, people: int = 24, seed: int = 1, longest: float = 2.5) -> Killed:
    """Kill the pusher so often while facts are entered, then let one finish and draw up the accounts."""
    chance, done, begin = random.Random(seed), Killed(), time.monotonic()
    context = multiprocessing.get_context("forkserver")  # a start costs milliseconds, not the imports of seconds
    context.set_forkserver_preload(["kills", "onefact.cli.verbs", "onefact.delivery.follow", "connectors.registry"])
    with _entering(live, people, random.Random(seed)) as entered:
        while done.kills < kills:
            child = context.Process(target=follow, args=(str(live.home.path),), daemon=True)
            child.start()
            pid = child.pid or 0
            if done.kills % 2:
                child.join(chance.uniform(0.02, longest))
            else:
                _at_work(live, pid, 10)
                child.join(chance.uniform(0.0, 0.4))
            if child.is_alive():
                os.kill(pid, signal.SIGKILL)
                done.kills += 1
            child.join()
            child.close()
            hands = live.leases_end(pid)
            done.in_hand, done.busy = done.in_hand + hands, done.busy + bool(hands)
    live.consolidate()
    live.settle(180)
    done.open = live.open()
    done.facts, done.accounts = sum(map(len, entered.values())), live.accounts()
    golden = {r["id"]: r["phone"] for r in live.sql("SELECT master_id::text AS id, phone FROM person")}
    done.last = [person for person, numbers in entered.items() if numbers and golden[person] != numbers[-1]]
    done.planned, done.again = _read_again(live), _read_again(live)
    done.seconds = time.monotonic() - begin
    return done


def _at_work(live: Live, pid: int, seconds: float) -> None:
    """Wait until the process holds changes."""
    end = time.monotonic() + seconds
    query = "SELECT 1 FROM outbox WHERE leased_by LIKE :who AND state IN ('pending', 'no_answer') LIMIT 1"
    while not live.sql(query, who=f"push-{pid}-%") and time.monotonic() < end:
        time.sleep(0.02)


def _read_again(live: Live) -> list[str]:
    """Read every system and plan: what is planned now, some system lacks."""
    before = live.sql("SELECT coalesce(max(change_id), 0) AS n FROM outbox")[0]["n"]
    pull(live.home)
    consolidate(live.home)
    query = (
        "SELECT system_id || ' ' || string_agg(c ->> 'field', '+') AS what FROM outbox, jsonb_array_elements(changes) c "
        "WHERE change_id > :before GROUP BY change_id, system_id ORDER BY change_id"
    )
    return [r["what"] for r in live.sql(query, before=before)]


@contextmanager
def _entering(live: Live, people: int, chance: random.Random) -> Iterator[dict[str, list[str]]]:
    """Enter facts in a thread until the block ends; yield person -> numbers entered, in order."""
    persons = live.persons(people)
    entered: dict[str, list[str]] = {p: [] for p in persons}
    ending, trouble = threading.Event(), []

    def work() -> None:
        number = 10_000
        try:
            while not ending.is_set():
                for person in chance.sample(persons, min(12, len(persons))):
                    number += 1
                    live.enter(person, phone(number))
                    entered[person].append(phone(number))
                ending.wait(0.3)  # the pusher consolidates, between its deaths: a second verb would only be in its way
        except Exception as problem:  # noqa: BLE001 - told to the thread that waits
            trouble.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield entered
    finally:
        ending.set()
        thread.join()
    if trouble:
        raise trouble[0]
