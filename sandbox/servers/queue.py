"""Stand-ins of the event-driven systems: a real broker with the queue systems on it, and the webhook systems.

`QueueServer` hosts both kinds; each system is one object with `start`, `tell` (publish what changed) and `stop`. A clock tick
tells five times a second what the system's own users changed in its store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from connectors.manifest.model import Manifest
from connectors.manifest.sources import QueueConnection, QueueSource
from sandbox.keys import Keyring
from sandbox.servers.events import TWICE, Told, event_of, obey
from sandbox.servers.nats_broker import OWNER, Account, NatsBroker
from sandbox.servers.webhook import WebhookSystems
from sandbox.store import Row, Store

TICK = 0.2
"""Seconds between two looks for changes."""

DEDUPE_SECONDS = 24 * 3600
AT_ONCE = 200


class Teller(Protocol):
    """A system that can publish what changed in its store."""

    async def tell(self) -> None:
        """Publish every change that was not published yet."""
        ...


class QueueServer:
    """All systems of the kinds `queue` and `webhook`.

    Args:
        manifests: manifests of both kinds; others are left out.
        home: working folder.
        now: the systems' clock.
    """

    def __init__(
        self, manifests: Sequence[Manifest], home: Path, *, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._home, self._now = home, now
        self._queues = [m for m in manifests if m.kind == "queue"]
        self._webhooks = [m for m in manifests if m.kind == "webhook"]
        self._broker = NatsBroker(home / "sandbox" / "nats")
        self._systems: dict[str, QueueSystem] = {}
        self._hooks: WebhookSystems | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.owner_url = ""

    async def start(self) -> dict[str, str]:
        """Start broker and systems, publish the whole history at the first start, and return the variables."""
        variables: dict[str, str] = {}
        if self._queues:
            variables |= await self._start_queues()
        if self._webhooks:
            self._hooks = WebhookSystems(self._webhooks, self._home, self._now)
            variables |= await self._hooks.start()
        await self._tell()
        self._ticking = asyncio.create_task(self._tick())
        return variables

    async def stop(self) -> None:
        """Stop systems and broker; raises what the publishing died of, if it died."""
        failure = await self._stop_ticking()
        for system in self._systems.values():
            await system.stop()
        self._systems.clear()
        if self._hooks is not None:
            await self._hooks.stop()
            self._hooks = None
        await self._broker.stop()
        if failure is not None:
            raise failure

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as the system's own user does; the event follows at once."""
        hooks = self._hooks
        teller: Teller
        if system in self._systems:
            store, teller = self._systems[system].store, self._systems[system]
        elif hooks is not None and system in hooks.stores:
            store, teller = hooks.stores[system], hooks
        else:
            raise KeyError(system)
        row = store.edit(dataset, key, columns, self._now())
        await teller.tell()
        return row

    async def pause(self, system: str) -> None:
        """Let a queue system stop obeying commands (a night shift without staff); they wait in the stream."""
        await self._systems[system].pause()

    async def resume(self, system: str) -> None:
        """Let it obey again, beginning with the commands that wait."""
        await self._systems[system].resume()

    async def _start_queues(self) -> dict[str, str]:
        keys = Keyring.of(self._home)
        accounts = [_account(m, keys.secret(f"{m.id.upper()}_PASSWORD")) for m in self._queues]
        urls = await self._broker.start([Account(OWNER, keys.secret("NATS_OWNER")), *accounts])
        self.owner_url = urls[OWNER]
        for manifest in self._queues:
            system = QueueSystem(manifest, self._home, self._now)
            self._systems[manifest.id] = system
            await system.start(self.owner_url)
        return {f"{m.id.upper()}_URL": urls[m.id] for m in self._queues}

    async def _tell(self) -> None:
        for system in self._systems.values():
            await system.tell()
        if self._hooks is not None:
            await self._hooks.tell()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self._tell()

    async def _stop_ticking(self) -> BaseException | None:
        if self._ticking is None:
            return None
        self._ticking.cancel()
        (ended,) = await asyncio.gather(self._ticking, return_exceptions=True)
        self._ticking = None
        return ended if isinstance(ended, Exception) else None


class QueueSystem:
    """One system on the broker: publishes its rows as events, obeys commands, acknowledges them."""

    def __init__(self, manifest: Manifest, home: Path, now: Callable[[], datetime]) -> None:
        self.manifest, self._home, self._now = manifest, home, now
        # The stream's name holds no variable; the address is the broker's own and not needed here.
        self._stream = QueueConnection.model_validate(manifest.connection).stream
        self._sources = {d.name: QueueSource.model_validate(d.source) for d in manifest.datasets}
        self._client: Client | None = None
        self._listening: list[asyncio.Task[None]] = []
        self._telling = asyncio.Lock()

    async def start(self, url: str) -> None:
        """Load the rows, make the stream, and begin to obey."""
        folder = self._home / "sandbox"
        fresh = not (folder / "state" / f"{self.manifest.id}.sqlite").exists()
        position = folder / "nats" / f"{self.manifest.id}.told.json"
        self.store = await asyncio.to_thread(Store.open, self._home, self.manifest)
        self._client = await nats.connect(url, name=self.manifest.id)
        self._jetstream = self._client.jetstream(timeout=10)
        if fresh:  # a new town: the old stream tells of another one
            position.unlink(missing_ok=True)
            with contextlib.suppress(NotFoundError):
                await self._jetstream.delete_stream(self._stream)
        self._told = Told(position)
        subjects = [
            f"{s}.*" for source in self._sources.values() for s in (source.events, source.commands, source.acks)
        ]
        configuration = StreamConfig(name=self._stream, subjects=subjects, duplicate_window=DEDUPE_SECONDS)
        await self._jetstream.add_stream(configuration)
        await self.resume()

    async def stop(self) -> None:
        """Stop obeying and publishing."""
        await self.pause()
        if self._client is not None:
            await self._client.close()
        self.store.close()

    async def pause(self) -> None:
        """Stop obeying."""
        while self._listening and not all(task.done() for task in self._listening):
            for task in self._listening:
                task.cancel()  # again and again: the client library loses one that meets a message
            await asyncio.wait(self._listening, timeout=1)
        await asyncio.gather(*self._listening, return_exceptions=True)
        self._listening.clear()

    async def resume(self) -> None:
        """Obey commands in their order, from the first one that was not acknowledged to the broker."""
        for name, source in self._sources.items():
            subscription = await self._jetstream.pull_subscribe(
                f"{source.commands}.*", durable=f"{self.manifest.id}_{name}", stream=self._stream,
                config=ConsumerConfig(max_ack_pending=AT_ONCE, ack_wait=10),
            )  # fmt: skip
            self._listening.append(asyncio.create_task(self._listen(name, subscription)))

    async def tell(self) -> None:
        """Publish changed rows as events, each below the subject of its key."""
        async with self._telling:
            for name, rows in self._told.fresh(self.store):
                dataset = self.manifest.dataset(name)
                for begin in range(0, len(rows), AT_ONCE):
                    events = [event_of(self.manifest, dataset, row) for row in rows[begin : begin + AT_ONCE]]
                    twice = [e for e, row in zip(events, rows[begin:], strict=False) if row.seq % TWICE == 0]
                    await asyncio.gather(*(self._publish(name, event) for event in (*events, *twice)))

    async def _publish(self, name: str, event: Mapping[str, object]) -> None:
        subject = f"{self._sources[name].events}.{str(event['key']).encode().hex()}"
        await self._jetstream.publish(subject, json.dumps(event, ensure_ascii=False).encode())

    async def _listen(self, name: str, subscription: JetStreamContext.PullSubscription) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError, nats.errors.TimeoutError):
                    await self._serve(name, await subscription.fetch(AT_ONCE, timeout=30))
        finally:  # else the broker would deliver the next command to nobody
            await subscription.unsubscribe()

    async def _serve(self, name: str, messages: Sequence[Msg]) -> None:
        answers = [(message, self._obey(name, message)) for message in messages]
        await self.tell()
        for message, answer in answers:
            subject = f"{self._sources[name].acks}.{message.subject.rpartition('.')[2]}"
            await self._jetstream.publish(subject, json.dumps(answer, ensure_ascii=False).encode())
            await message.ack()

    def _obey(self, name: str, message: Msg) -> dict[str, object]:
        try:
            command = json.loads(message.data)
        except ValueError:
            command = None
        return obey(self.store, name, command, self._now())


def _account(manifest: Manifest, password: str) -> Account:
    """Our account at a system: it may send commands and read the stream, but not tell events in the system's name."""
    stream = QueueConnection.model_validate(manifest.connection).stream
    sources = [QueueSource.model_validate(d.source) for d in manifest.datasets]
    interface = [f"$JS.API.{call}.{stream}" for call in ("STREAM.INFO", "STREAM.MSG.GET")]
    interface += [f"$JS.API.CONSUMER.{call}.{stream}.>" for call in ("CREATE", "INFO", "MSG.NEXT", "DELETE")]
    return Account(
        manifest.id,
        password,
        publish=(*(f"{s.commands}.*" for s in sources), *interface),
        subscribe=(*(f"{s.acks}.*" for s in sources), "_INBOX.>"),
    )
