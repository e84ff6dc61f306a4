"""What one command line call shares: the home, the console, and whether machines are reading."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from onefact.home import Home


@dataclass(frozen=True, slots=True)
class Apply:
    """How a judgement is to take effect: with the next consolidation (`later`), or not at all (`dry_run`)."""

    later: bool = False
    dry_run: bool = False


class Session:
    """One call of the command line."""

    def __init__(self, home: Path, systems: Path | None, actor: str | None = None, purpose: str | None = None) -> None:
        self.home_path, self.systems_path = home, systems
        self.named, self.purpose, self.via = actor, purpose, "cli"
        self.as_json = False
        self.console = _console()
        self.failed = False

    @cached_property
    def home(self) -> Home:
        """The installation; opened by the first verb that needs it."""
        from onefact.home import OWN_SYSTEMS, Home, acting

        return Home(
            path=self.home_path.resolve(),
            systems=(self.systems_path or OWN_SYSTEMS).resolve(),
            database_url=os.environ.get("ONEFACT_DATABASE_URL") or None,
            actor=self.named or acting(),
            purpose=self.purpose or "",
            via=self.via,
        )

    @property
    def actor(self) -> str:
        """Who acts: as named, else ONEFACT_ACTOR, else the login name."""
        return self.named or self.home.actor

    def read(
        self, what: str, subject_type: str, subjects: Sequence[str | int] = (), *, count: int | None = None, full: bool = False,
        act: str = "read", **detail: Any,
    ) -> None:  # fmt: skip
        """Note in the sealed log that personal data is about to be shown: nothing is shown that is not noted.

        Args:
            what: the command.
            subject_type: what the subjects are.
            subjects: whom it shows.
            count: how many rows, where no subjects are named.
            full: shown in full, not masked.
            act: `read`, or `export` for a file.
            detail: more, without values.
        """
        from onefact.acting import acted

        acted(
            self.home,
            act,
            subject_type,
            subjects,
            count=count,
            actor=self.actor,
            purpose=self.purpose,
            what=what,
            full=full,
            **detail,
        )

    def missed(self, what: str, wanted: str) -> None:
        """Note that somebody asked for a person or thing that is not there: who tries numbers is seen."""
        from onefact.acting import named

        self.read(what, "master", count=0, wanted=named(self.home, wanted))

    def emit(self, document: Any) -> None:
        """Print the JSON document of a verb."""
        self.console.file.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")

    def line(self, document: Any) -> None:
        """Print one JSON document on a line of its own, at once: for verbs that go on (JSON Lines)."""
        self.console.file.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
        self.console.file.flush()

    def fail(self) -> None:
        """Remember that part of the work failed: the exit code will not be 0."""
        self.failed = True


WIDE = 200
"""Columns of what is piped or kept in a file: nobody's window cuts it, so tables need not be folded at 80."""


def _console() -> Console:
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=WIDE)


def session_of(
    context: typer.Context, as_json: bool = False, actor: str | None = None, purpose: str | None = None
) -> Session:
    """Return the session of a command; who acts and for what may be said before the command or after it."""
    session: Session = context.obj
    session.as_json = as_json
    session.named, session.purpose = actor or session.named, purpose or session.purpose
    return session
