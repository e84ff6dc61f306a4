"""A bad network (坏网络): a TCP proxy that delays, breaks connections, and loses answers after the server has done the work.

What it does is drawn from given shares with a given seed; it knows nothing of the protocol that passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is.

    Attributes:
        latency: seconds that each chunk is delayed at most.
        reset: share of what the client sends (a request, mostly) in whose middle the connection is reset.
        drop_answer: share of it that the server gets, but whose answer is lost with the connection: the work is done.
    """

    latency: float = 0.0
    reset: float = 0.0
    drop_answer: float = 0.0


@dataclass
class FaultProxy:
    """Listens on a free loopback port in front of a server on this machine.

    Attributes:
        host, port: the server.
        weather: may be changed at any time.
        counts: what befell so far (`calm`, `reset`, `drop_answer`).
    """

    host: str
    port: int
    weather: Weather = field(default_factory=Weather)
    seed: int = 1
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> Mapping[str, str]:
        """Listen; return `HOST` and `PORT`."""
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return {"HOST": host, "PORT": str(port)}

    async def stop(self) -> None:
        """Stop listening and end what is open."""
        for writer in list(self._open):
            writer.close()
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)

    def _fate(self) -> str:
        luck, weather = self._random.random(), self.weather
        fate = (
            "reset" if luck < weather.reset else "drop_answer" if luck < weather.reset + weather.drop_answer else "calm"
        )
        self.counts[fate] = self.counts.get(fate, 0) + 1
        return fate

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(self.host, self.port)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, there[1]}
        broken, deaf = asyncio.Event(), asyncio.Event()
        up = asyncio.create_task(self._up(reader, there[1], broken, deaf))
        down = asyncio.create_task(self._down(there[0], writer, broken, deaf))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not broken.is_set():  # one side has ended: let the other say its last words
                await asyncio.wait({up, down}, timeout=1)
        finally:
            for task in (up, down):
                task.cancel()
            for side in (writer, there[1]):
                _reset(side) if broken.is_set() else side.close()
            self._open -= {writer, there[1]}

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, broken: asyncio.Event, deaf: asyncio.Event
    ) -> None:
        """Pass on what the client sends; in the middle of some of it the connection breaks."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._delay()
                match self._fate():
                    case "reset":
                        broken.set()
                        writer.write(chunk[: self._random.randrange(len(chunk))])
                        await writer.drain()
                        return
                    case "drop_answer":
                        deaf.set()
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, broken: asyncio.Event, deaf: asyncio.Event
    ) -> None:
        """Pass on what the server answers, unless the answer is to be lost."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._delay()
                if deaf.is_set():
                    broken.set()
                    return
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()

    async def _delay(self) -> None:
        if self.weather.latency:
            await asyncio.sleep(self._random.random() * self.weather.latency)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close as a broken connection is: with RST, not in order."""
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
