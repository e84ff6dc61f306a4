"""Push (回写): what each system lacks goes out, is read back, and is counted once.

Systems are written in parallel, each by one thread; a system in trouble keeps its changes waiting and stops nobody else.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from onefact.acting import acted
from onefact.delivery import guards
from onefact.delivery.gate import passage
from onefact.delivery.pusher import Pushed, Pusher, Settings
from onefact.home import Home
from onefact.law import register
from onefact.law.register import Register
from schemas.records import Change
from warehouse import outbox
from warehouse.outbox import targets

WRITERS = 8
"""Systems written at the same time; most of the time they wait for an answer."""

Progress = Callable[[str, int], None]
"""Called with (system id, changes settled so far)."""


def owner() -> str:
    """Return the name of this pusher, for leases and the steps it makes: unique, and readable in a process list."""
    return f"push-{os.getpid()}-{secrets.token_hex(4)}"


def preview(home: Home, systems: Sequence[str] | None = None) -> list[Change]:
    """Return what a push would write, field by field, without writing anything."""
    return outbox.peek(home.engine, [m.id for m in home.chosen(systems)])


def push(
    home: Home,
    systems: Sequence[str] | None = None,
    progress: Progress | None = None,
    settings: Settings | None = None,
    *,
    lines: Register | None = None,
) -> list[Pushed]:
    """Push every waiting change of the given systems (all when None); return one result per system that had any.

    Args:
        home: the installation.
        systems: system ids.
        progress: told how far each system is.
        settings: how to push.
        lines: the register, where the manifests' lines have entered it already: that costs more than an empty push.
    """
    settings = replace(settings or Settings(owner()), progress=progress)
    waiting, open_ = outbox.waiting(home.engine), outbox.unanswered(home.engine)
    chosen = [m for m in home.chosen(systems) if waiting.get(m.id) or open_.get(m.id)]
    mark = targets.mark(home.engine)  # before anything is judged: what comes after it is judged by the pushers
    lines = lines or register.load(home)
    standings = guards.stand(home, chosen)
    passages = [(m, passage(home, m, standings)) for m in chosen]
    with ThreadPoolExecutor(WRITERS) as pool:
        pushed = list(pool.map(lambda one: Pusher(home, one[0], settings, lines, mark).run(one[1]), passages))
    guards.used_up(home, standings)
    if pushed:
        states: Counter[str] = Counter()
        for one in pushed:
            states.update(one.states)
        acted(home, "push", "system", [p.system_id for p in pushed], count=states.total(), states=dict(states))
    return pushed
