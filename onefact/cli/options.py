"""Options that commands share: who acts and for what."""

from __future__ import annotations

from typing import Annotated

import typer

Actor = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who acts; ONEFACT_ACTOR or the login name when not given.")
]
Purpose = Annotated[
    str | None, typer.Option(metavar="WORDS", help="For what; kept in the sealed log with who read what.")
]
