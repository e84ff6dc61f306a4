"""Options that commands share: who acts and for what."""

from __future__ import annotations

from typing import Annotated

import typer

Actor = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who acts; ONEFACT_ACTOR or the login name when not given.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing (试运行).")]
Purpose = Annotated[
    str | None, typer.Option(metavar="WORDS", help="For what; kept in the sealed log with who read what.")
]
