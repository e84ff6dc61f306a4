"""Serving the portal (启动门户): HTTPS on this machine, and beside it the pusher that carries entries to the systems."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from onefact.home import Home
from portal.app import create_app
from portal.security import certificate
from portal.settings import Settings

LOCAL = ("localhost", "127.0.0.1")
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class PortTaken(Exception):
    """The port is in use by another program."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        super().__init__(f"Port {port} on {host} is taken. Name another: onefact serve --port N")


@dataclass(frozen=True, slots=True)
class Door:
    """Where the portal is reached.

    Attributes:
        host, port: what the server listens on; port 0 takes a free one.
        certificate, key: PEM files of the network's own authority; None = one of this machine is made.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    certificate: Path | None = None
    key: Path | None = None


def server(home: Home, app: FastAPI, door: Door) -> tuple[uvicorn.Server, socket.socket, str]:
    """Return a server that is ready to run, its socket, and the address to open.

    Raises:
        PortTaken: another program listens there.
    """
    files = (door.certificate, door.key)
    if door.certificate is None or door.key is None:
        names = [n for n in dict.fromkeys((*LOCAL, door.host, socket.gethostname())) if n not in ANYWHERE]
        made = certificate.local(home.path / "portal" / "tls", names, home.now())
        files = (made.certificate, made.key)
    try:
        listening = socket.create_server((door.host, door.port))
    except OSError as error:
        raise PortTaken(door.host, door.port) from error
    config = uvicorn.Config(
        app, ssl_certfile=str(files[0]), ssl_keyfile=str(files[1]), access_log=False, log_level="warning",
        server_header=False, date_header=True, timeout_graceful_shutdown=5,
    )  # fmt: skip
    shown = "127.0.0.1" if door.host in ANYWHERE else door.host
    return uvicorn.Server(config), listening, f"https://{shown}:{listening.getsockname()[1]}"


@contextmanager
def running(home: Home, settings: Settings | None = None, door: Door | None = None) -> Iterator[str]:
    """Serve in a thread for the time of a `with` block, which gets the address; for tests and programs."""
    serving, listening, address = server(home, create_app(home, settings), door or Door(port=0))
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not serving.started:
            thread.join(0.02)
            if not thread.is_alive():
                raise RuntimeError("the portal did not start")
        yield address
    finally:
        serving.should_exit = True
        thread.join(10)
