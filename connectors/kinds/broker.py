"""A NATS JetStream stream as plain calls: read from a sequence number, last message of a subject, publish and wait.

Connectors are called from ordinary code, the client library is asynchronous; each `Broker` runs one event loop in one
thread of its own, and nothing asynchronous shows outside.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from connectors.answers import ruling
from connectors.base import ConnectorError, LoginRefused, Unreachable
from connectors.quota import Quota

T = TypeVar("T")
MSG_ID = "Nats-Msg-Id"
"""Header by which the broker drops a message that was published twice."""

ANSWER_SECONDS = 5.0
AT_ONCE = 100
"""How many single requests are on their way at the same time."""


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message: its subject, its sequence number in the stream, its content."""

    subject: str
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamState:
    """Identity of a stream (when it was made: a new stream counts anew), its first and last sequence number."""

    identity: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A message to publish: the broker stores it once per `message_id`."""

    subject: str
    body: bytes
    message_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Which messages the broker has for sure (by message id), and the answers that came, by subject."""

    stored: frozenset[str]
    answers: Mapping[str, bytes]


class Broker:
    """One stream of one broker, connected at first use. Errors carry host and subject, never the password.

    Args:
        system: system id, for errors.
        url: `nats://user:password@host:port` or `tls://...`.
        stream: name of the stream.
        quota: pace at which commands are sent; None = as fast as the broker takes them.
    """

    def __init__(self, system: str, url: str, stream: str, quota: Quota | None = None) -> None:
        self._system, self._url, self._stream, self._quota = system, url, stream, quota
        parts = urlsplit(url)
        self.place = f"{parts.hostname}:{parts.port or 4222}/{stream}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Client | None = None

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._loop is None or self._thread is None:
            return
        if self._client is not None and self._client.is_connected:
            asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(ANSWER_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = self._client = None

    def state(self) -> StreamState:
        """Return the stream's state; raises `Unreachable` where the broker or the stream is missing."""
        return self._run(self._state())

    def read(self, subject: str, start: int, batch: int) -> Iterator[list[Message]]:
        """Yield the messages of a subject from a sequence number on, in order, up to the last one there is now."""
        consumer, waiting = self._run(self._consumer(subject, start))
        while waiting:
            messages = self._run(self._fetch(consumer, min(batch, waiting)))
            if not messages:
                break
            waiting -= len(messages)
            yield [Message(m.subject, m.metadata.sequence.stream, m.data) for m in messages]
        self._run(consumer.unsubscribe())

    def last(self, subjects: Iterable[str]) -> dict[str, Message]:
        """Return the newest message of each subject that has one; a subject may hold wildcards."""
        return self._run(self._last(list(dict.fromkeys(subjects))))

    def send(self, messages: Sequence[Sending], answers: Sequence[str], wildcard: str, seconds: float) -> Sent:
        """Publish messages and wait for answers on these subjects, at most `seconds` after the latest of them.

        Args:
            messages: what to publish.
            answers: subjects on which one answer each is expected.
            wildcard: subject that covers all of them, to listen to.
            seconds: how long to wait after the last sign of life.
        """
        if self._quota is None:
            return self._run(self._send(messages, set(answers), wildcard, seconds))
        with self._quota.request(len(messages)):
            return self._run(self._send(messages, set(answers), wildcard, seconds))

    # --- inside the loop ------------------------------------------------------------------------------------------

    async def _state(self) -> StreamState:
        info = await (await self._connected()).jetstream(timeout=ANSWER_SECONDS).stream_info(self._stream)
        created = info.created.isoformat() if info.created else ""
        return StreamState(created, info.state.first_seq, info.state.last_seq)

    async def _consumer(self, subject: str, start: int) -> tuple[Any, int]:
        stream = (await self._connected()).jetstream(timeout=ANSWER_SECONDS)
        # No acknowledgement: the position is stored with the landed rows, not in the broker, so a crash re-reads.
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=start,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=60,
            mem_storage=True,
        )
        subscription = await stream.pull_subscribe(subject, stream=self._stream, config=config)
        info = await subscription.consumer_info()
        return subscription, info.num_pending or 0

    @staticmethod
    async def _fetch(consumer: Any, count: int) -> list[Msg]:
        try:
            messages: list[Msg] = await consumer.fetch(count, timeout=ANSWER_SECONDS)
        except (TimeoutError, nats.errors.TimeoutError):
            return []  # messages that were there have been removed by the stream's limits meanwhile
        return messages

    async def _last(self, subjects: Sequence[str]) -> dict[str, Message]:
        stream = (await self._connected()).jetstream(timeout=ANSWER_SECONDS)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(subject: str) -> tuple[str, Message] | None:
            async with room:
                try:
                    found = await stream.get_last_msg(self._stream, subject)
                except NotFoundError:
                    return None
            return subject, Message(found.subject or subject, found.seq or 0, found.data or b"")

        return dict(found for found in await asyncio.gather(*map(one, subjects)) if found is not None)

    async def _send(self, messages: Sequence[Sending], expected: set[str], wildcard: str, seconds: float) -> Sent:
        client = await self._connected()
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        subscription = await client.subscribe(wildcard, cb=arrived.put)
        await client.flush()
        try:
            stored, repeated = await self._publish(client, messages)
            answers: dict[str, bytes] = {}
            if repeated:  # sent in an earlier run: its answer may be there already
                answers = {s: m.body for s, m in (await self._last(sorted(expected))).items()}
            while expected - answers.keys() and stored:
                try:
                    message = await asyncio.wait_for(arrived.get(), seconds)
                except TimeoutError:
                    break
                if message.subject in expected:
                    answers[message.subject] = message.data
        finally:
            await subscription.unsubscribe()
        return Sent(frozenset(stored), answers)

    async def _publish(self, client: Client, messages: Sequence[Sending]) -> tuple[set[str], bool]:
        stream = client.jetstream(timeout=ANSWER_SECONDS)
        room = asyncio.Semaphore(AT_ONCE)
        repeated = False

        async def one(message: Sending) -> str | None:
            nonlocal repeated
            async with room:
                try:
                    ack = await stream.publish(message.subject, message.body, headers={MSG_ID: message.message_id})
                except (NatsError, TimeoutError):
                    return None  # whether the broker has it is unknown
            repeated = repeated or bool(ack.duplicate)
            return message.message_id

        return {done for done in await asyncio.gather(*map(one, messages)) if done is not None}, repeated

    async def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            # One attempt only: the library's own patience (two minutes) would hold up the other systems.
            connecting = nats.connect(
                self._url, allow_reconnect=False, connect_timeout=int(ANSWER_SECONDS), max_reconnect_attempts=1,
                reconnect_time_wait=0, error_cb=_quiet, name="onefact",
            )  # fmt: skip
            self._client = await asyncio.wait_for(connecting, 2 * ANSWER_SECONDS)
        return self._client

    # --- outside the loop -----------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._started()).result()
        except NotFoundError as error:
            raise self._trouble("no_stream") from error
        except (NatsError, OSError, TimeoutError) as error:
            refused = "authorization" in str(error).lower()
            raise self._trouble("authorization" if refused else "silent") from None

    def _trouble(self, said: str) -> ConnectorError:
        """Our error for what the broker says of its own, by the table of answers."""
        match ruling("broker", said).action:
            case "refresh_login":
                remedy = "Check user and password in the broker's address variable."
                return LoginRefused(self._system, self.place, "the broker refuses our login", remedy)
            case "stop_target":
                remedy = "Check the stream's name in the manifest and our permissions at the broker."
                return Unreachable(self._system, self.place, "the broker has no such stream", remedy)
        remedy = "Check that the broker runs and its address is right; onefact tries again at its next run."
        return Unreachable(self._system, self.place, "the broker does not answer", remedy)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)
            self._thread.start()
        return self._loop


async def _quiet(_: Exception) -> None:
    """The library logs errors with tracebacks by itself; ours are raised where they matter."""
