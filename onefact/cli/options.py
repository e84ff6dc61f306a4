"""Options that commands share: who acts and for what, on which systems, how much is shown and how."""

from __future__ import annotations

from typing import Annotated

import typer

Actor = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who acts; ONEFACT_ACTOR or the login name when not given.")
]
By = Annotated[str, typer.Option("--actor", help="Who does it; kept in the sealed log.", envvar="ONEFACT_ACTOR")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing (试运行).")]
Purpose = Annotated[
    str | None, typer.Option(metavar="WORDS", help="For what; kept in the sealed log with who read what.")
]
Systems = Annotated[list[str] | None, typer.Argument(metavar="[SYSTEM]...", help="System ids; all when none is given.")]
Limit = Annotated[int, typer.Option(help="Rows to show.")]
Full = Annotated[bool, typer.Option("--full", help="Values in full, not masked.")]
FullKeys = Annotated[bool, typer.Option("--full", help="Values and record keys in full, not masked.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
