"""From exception to plain sentence and exit code: no traceback reaches a user."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import typer
from typer.exceptions import TyperException

OURS = ("onefact", "connectors", "warehouse", "linkage", "schemas", "quality", "sandbox", "portal")
"""Packages whose exceptions are worded for users."""


DATABASE_CLIENTS = ("psycopg", "sqlalchemy", "adbc_driver_manager")
DATABASE_GONE = ("OperationalError", "AdminShutdown", "CrashShutdown", "ConnectionTimeout")
"""Errors of the database clients that say that the server is away, whatever was being done."""


class PartlyFailed(Exception):
    """The verb ran, but something in it failed; it was shown already."""


class NeedsPerson(Exception):
    """The verb ran to its end, and some of what it did waits for a person now; it was shown already."""


def guarded(call: Callable[[], object]) -> int:  # noqa: C901, PLR0911 - one way out for each exit code
    """Run `call` and return the exit code: 0 done, 1 failed, 2 wrong usage, 3 done but a person must look, 130 interrupted."""
    try:
        call()
    except PartlyFailed:
        return 1
    except NeedsPerson:
        return 3
    except typer.Exit as stop:
        return int(stop.exit_code)
    except TyperException as wrong:
        if worded := _worded(wrong):  # a bare command has shown its help already and says nothing more
            _say(f"{worded}. Try: onefact --help")
        return 2
    except (typer.Abort, KeyboardInterrupt):
        _say("Interrupted. What was finished is kept; run the command again to go on.")
        return 130
    except BrokenPipeError:
        return 0
    except Exception as problem:  # noqa: BLE001 - the last line of defence words every error
        if type(problem).__module__.split(".")[0] in OURS:
            _say(str(problem))
        elif type(problem).__name__ in DATABASE_GONE and type(problem).__module__.startswith(DATABASE_CLIENTS):
            _say("PostgreSQL stopped answering. What was finished is kept; run the command again to go on.")
        else:
            _say(f"Unexpected {type(problem).__name__}. The details are in {_keep()}; please report them.")
        return 1
    return 0


def _worded(wrong: Exception) -> str:
    """Return the message of a usage error as a sentence."""
    format_message = getattr(wrong, "format_message", None)
    return str(format_message() if format_message else wrong).rstrip(".")


def _say(sentence: str) -> None:
    sys.stderr.write(f"onefact: {sentence}\n")


def _keep() -> Path:
    """Write the traceback to a file that only the user may read, since it may quote a record."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="onefact-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback.format_exc())
    return Path(file.name)
