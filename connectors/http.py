"""What every connector that speaks HTTP shares: bounded retries at the quota's pace, errors without values.

Reads may be repeated freely; a write may not, since a lost answer does not say whether the write happened. So a write is
sent again only when it certainly was not processed (no connection, HTTP 429); otherwise `Unanswered` tells the caller
to read back before deciding (DESIGN.md: timeout means unknown).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode, urlsplit

import httpx

from connectors.base import Malformed, Unreachable
from connectors.quota import Quota

LONGEST_WAIT = 120.0
"""Seconds of Retry-After that are waited out; a longer wish ends the run for this system (it is tried later)."""

Query = Sequence[tuple[str, str]]


class Unanswered(Unreachable):
    """A write was sent but its answer never came: whether it happened is unknown."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `query` keeps its order, `path` starts with `/` and is relative to the base URL."""

    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """False for a write: never sent twice unless certainly not processed."""


class HttpClient:
    """HTTP to one system: rate limit, retries with growing pauses, `Retry-After` honoured.

    Args:
        system: system id, for errors.
        base_url: address without trailing slash; requests are made below it.
        quota: what the quota holder may use, from `Context.quotas`.
        attempts: how often a request is tried at most.
        pause: seconds before the second attempt; doubles each time.

    The process's proxy settings are not used: the systems are inside the government network.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        timeout: float,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        quota: Quota | None = None,
        attempts: int = 4,
        pause: float = 0.5,
    ) -> None:
        self.system, self.base_url = system, base_url.rstrip("/")
        self._now, self._sleep, self._attempts, self._pause = now, sleep, attempts, pause
        self._quota = quota or Quota(None, None, lambda: now().timestamp(), sleep)
        self._client = httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def full_path(self, path: str) -> str:
        """The path as the server sees it (base URL's own path included), as signatures need it."""
        return urlsplit(self.base_url).path + path

    def send(self, request: Request) -> httpx.Response:
        """Send a request and return any answer below HTTP 500 other than 429.

        Raises:
            Unreachable: no connection, no answer to a read, HTTP 5xx or 429 again and again.
            Unanswered: a write was sent and no usable answer came.
        """
        pause, trouble = self._pause, "no answer"
        for attempt in range(self._attempts):
            wait = pause * 2**attempt
            try:
                response = self._once(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
                trouble = "no connection"
            except (httpx.TransportError, httpx.InvalidURL) as error:
                trouble = _trouble(error)
                if not request.repeatable:
                    raise self._unanswered(request, trouble) from None
            else:
                if response.status_code == 429:
                    trouble, wait = "HTTP 429, the quota is used up", self._asked(response) or wait
                elif response.status_code >= 500:
                    trouble, asked = f"HTTP {response.status_code}", retry_after(response, self._now())
                    if not request.repeatable:
                        raise self._unanswered(request, trouble, asked)
                    wait = asked or wait
                else:
                    return response
            if wait > LONGEST_WAIT or attempt + 1 == self._attempts:
                break
            self._sleep(wait)
        raise self._unreachable(request, trouble, wait if wait > LONGEST_WAIT else None)

    def _asked(self, response: httpx.Response) -> float | None:
        """How long the system asks us to wait; whoever shares the quota would be refused as well, and waits too."""
        asked = retry_after(response, self._now())
        if asked:
            self._quota.pause(asked)
        return asked

    def _once(self, request: Request) -> httpx.Response:
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = f"{self.base_url}{request.path}{query}"
        with self._quota.request():
            return self._client.request(request.method, url, content=request.body, headers=dict(request.headers))

    def _unreachable(self, request: Request, trouble: str, wait: float | None) -> Unreachable:
        remedy = "Check that the system is running and the address is right; onefact tries again at its next run."
        error = Unreachable(self.system, request.path, trouble, remedy)
        error.retry_after = wait
        return error

    def _unanswered(self, request: Request, trouble: str, asked: float | None = None) -> Unanswered:
        remedy = "The write may or may not have happened; it is read back before it is sent again."
        error = Unanswered(self.system, request.path, f"{trouble} after a write was sent", remedy)
        error.retry_after = asked
        return error


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds to wait that the answer asks for (RFC 9110 §10.2.3: seconds or an HTTP date), or None."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    when = http_date(text)
    return max(0.0, (when - now.astimezone(UTC)).total_seconds()) if when else None


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110 §5.6.7) as UTC; None when it is absent or broken."""
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text)  # the old form of asctime names no zone: it is UTC as the others
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except ValueError:
        return None


def scrub(message: object, sent: Iterable[str | None] = ()) -> str:
    """Make a target's message safe to keep: values that we sent and long numbers are cut out, length is bounded.

    Targets like to repeat the offending value (`身份证号…格式错误`); messages and logs must not hold personal data.
    """
    text = "" if message is None else str(message)
    for value in sorted({v for v in sent if v and len(v) > 1}, key=len, reverse=True):
        text = text.replace(value, "…")
    return re.sub(r"\d{6,}[\dXx]?", "…", text)[:200]


def dig(answer: object, dotted: str) -> object:
    """Follow a dotted path into nested JSON objects; None where it ends early. A literal key with dots wins."""
    if isinstance(answer, dict) and dotted in answer:
        return answer[dotted]
    here = answer
    for part in dotted.split("."):
        if not isinstance(here, dict):
            return None
        here = here.get(part)
    return here


def malformed(system: str, place: str, what: str) -> Malformed:
    """The error for an answer that is not what the manifest promises."""
    return Malformed(system, place, what, "Compare the manifest with the interface document of the system.")


def _trouble(error: Exception) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else "the connection broke"
