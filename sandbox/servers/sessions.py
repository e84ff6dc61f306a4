"""Sessions of a website: who is logged in, until when, and the form tokens that were handed out and not yet used."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Session:
    """One browser: its user once logged in, when it ends without use, its unused form tokens (单次令牌)."""

    number: str
    ends: datetime
    user: str | None = None
    tokens: set[str] = field(default_factory=set)

    def token(self) -> str:
        """Hand out a token that one form may be sent with."""
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        return token

    def spend(self, token: str) -> bool:
        """True when the token was handed out and not used before."""
        if token not in self.tokens:
            return False
        self.tokens.discard(token)
        return True


class Sessions:
    """The sessions of one website; each ends some seconds after its last use."""

    def __init__(self, seconds: float, now: Callable[[], datetime]) -> None:
        self._life, self._now = timedelta(seconds=seconds), now
        self._sessions: dict[str, Session] = {}

    def of(self, number: str | None) -> Session:
        """Return the session with this number, prolonged; a new one where it is unknown or has ended."""
        now = self._now()
        session = self._sessions.get(number or "")
        if session is None or session.ends < now:
            self._sessions = {n: s for n, s in self._sessions.items() if s.ends >= now}
            session = Session(secrets.token_urlsafe(16), now + self._life)
            self._sessions[session.number] = session
        session.ends = now + self._life
        return session

    def renewed(self, old: Session, user: str) -> Session:
        """Return a new session for a user who has just logged in; the number of before is worth nothing any more."""
        self._sessions.pop(old.number, None)
        session = self.of(None)
        session.user = user
        return session

    def end_all(self) -> None:
        """Forget every session, as a restart of the website does."""
        self._sessions.clear()
