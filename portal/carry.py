"""The carrier (搬运): what was entered is consolidated at once and pushed to the systems; runs beside the portal.

It is `onefact push --follow`, which PostgreSQL tells of every entry, as a process of its own: it opens the working copy, which
the portal never does, and an error in it stops no page.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from onefact.delivery.follow import follow
from onefact.home import OWN_SYSTEMS, Home
from portal.api.deliver import follow as tell_changes

logger = logging.getLogger("portal")

AGAIN_SECONDS: Final = 5.0
"""Pause after an error."""


def carry(home: Home, stop: threading.Event) -> None:
    """Consolidate and push whenever something is entered, planned or due, until told to stop."""
    while not stop.is_set():
        try:
            for _ in follow(home):
                if stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - the carrier goes on; a message may quote a record
            logger.error("carrying failed: %s", type(error).__name__)  # noqa: TRY400
            stop.wait(AGAIN_SECONDS)


@contextmanager
def beside(home: Home) -> Iterator[None]:
    """Run the carrier as a process of its own for the time of a `with` block; it is started anew when it ends."""
    over = threading.Event()
    command = [sys.executable, "-m", "portal.carry", str(home.path), str(home.systems)]
    environment = {**os.environ, **({"ONEFACT_DATABASE_URL": home.database_url} if home.database_url else {})}
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        while not over.is_set():
            running[:] = [subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)]  # noqa: S603
            running[0].wait()
            over.wait(AGAIN_SECONDS)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        for process in running:
            process.terminate()
        keeper.join(10)


def main(path: str, systems: str) -> None:
    """Carry until the portal ends."""
    url = os.environ.get("ONEFACT_DATABASE_URL") or None
    home = Home(path=Path(path), systems=Path(systems or OWN_SYSTEMS), database_url=url, patience=300.0)
    stop, parent = threading.Event(), os.getppid()
    for work in (carry, tell_changes):
        threading.Thread(target=work, args=(home, stop), daemon=True).start()
    while os.getppid() == parent:  # the portal may die without a word
        stop.wait(1.0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
