"""What one command line call shares: the home, the console, and whether machines are reading."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from onefact.home import Home


class Session:
    """One call of the command line."""

    def __init__(self, home: Path, systems: Path | None) -> None:
        self.home_path, self.systems_path = home, systems
        self.as_json = False
        self.console = Console()
        self.failed = False

    @cached_property
    def home(self) -> Home:
        """The installation; opened by the first verb that needs it."""
        from onefact.home import OWN_SYSTEMS, Home

        return Home(
            path=self.home_path.resolve(),
            systems=(self.systems_path or OWN_SYSTEMS).resolve(),
            database_url=os.environ.get("ONEFACT_DATABASE_URL") or None,
        )

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


def session_of(context: typer.Context, as_json: bool = False) -> Session:
    """Return the session of a command."""
    session: Session = context.obj
    session.as_json = as_json
    return session
