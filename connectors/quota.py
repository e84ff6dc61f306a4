"""The quota of a system, or of several that share one (配额): pace, pauses that were asked for, requests at the same time.

One town platform often gives one quota to a department, whatever number of its systems is asked. So buckets belong to
the quota holder (`quota` in the manifest; default the system itself) and are shared by all connectors of a process that
were made from one `Quotas`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.manifest.model import Manifest, RateLimit

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class RateLimiter:
    """Token bucket (令牌桶) of the quota holder: `burst` requests at once, then `per_second`.

    Clock (seconds) and sleep are injected. A request reserves its token at once and sleeps off the debt, so the sum
    over any time never exceeds burst + per_second x seconds, with any number of threads.
    """

    def __init__(self, per_second: float, burst: int, clock: Clock, sleep: Sleep) -> None:
        self._rate, self._burst, self._clock, self._sleep = per_second, burst, clock, sleep
        self._tokens, self._last = float(burst), clock()
        self._lock = threading.Lock()

    def take(self, count: int = 1) -> None:
        """Take tokens, sleeping until they are there."""
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self._burst), self._tokens + max(0.0, now - self._last) * self._rate) - count
            self._last = now
            debt = -self._tokens / self._rate
        if debt > 0:
            self._sleep(debt)


class Quota:
    """What one holder may use.

    Args:
        limit: pace; None = as fast as it answers.
        concurrency: requests at the same time; None = any number.
        clock: seconds.
        sleep: waits.
    """

    def __init__(self, limit: RateLimit | None, concurrency: int | None, clock: Clock, sleep: Sleep) -> None:
        self._limiter = RateLimiter(limit.per_second, limit.burst, clock, sleep) if limit else None
        self._slots = threading.BoundedSemaphore(concurrency) if concurrency else None
        self._clock, self._sleep = clock, sleep
        self._closed_until = 0.0

    def take(self, count: int = 1) -> None:
        """Wait until the holder may ask (again), and count `count` requests."""
        closed = self._closed_until - self._clock()
        if closed > 0:
            self._sleep(closed)
        if self._limiter is not None:
            self._limiter.take(count)

    def pause(self, seconds: float) -> None:
        """Let nobody of this holder ask for some seconds: the system asked for it (Retry-After)."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    @contextmanager
    def request(self, count: int = 1) -> Iterator[None]:
        """Hold a place among the requests at the same time, after waiting for the pace."""
        if self._slots is None:
            self.take(count)
            yield
            return
        with self._slots:
            self.take(count)
            yield


@dataclass(frozen=True)
class Quotas:
    """The quotas of one process, made when first asked for."""

    _held: dict[str, Quota] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, manifest: Manifest, clock: Clock, sleep: Sleep) -> Quota:
        """Return the quota of a manifest's holder; systems that name the same holder get the same one."""
        with self._lock:
            if manifest.holder not in self._held:
                self._held[manifest.holder] = Quota(manifest.rate_limit, manifest.concurrency, clock, sleep)
            return self._held[manifest.holder]
