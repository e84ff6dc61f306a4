"""The commands of 一表通: form match, teach, fill, gate, tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from onefact.cli.options import Actor, Json, Purpose
from onefact.cli.session import session_of

form_app = typer.Typer(
    help="Any department's form: matched, filled, or judged at the gate (一表通).", no_args_is_help=True
)

Source = Annotated[str, typer.Argument(metavar="FILE.xlsx|HEADINGS", help="A form, or its headings pasted.")]
Form = Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="A form.")]
Context = Annotated[
    Literal["person", "house", "organisation"] | None, typer.Option("--row", help="What a row of the form is.")
]
System = Annotated[str | None, typer.Option("--for", metavar="SYSTEM", help="The system whose department receives it.")]
Grids = Annotated[list[str] | None, typer.Option("--grid", help="Code of a grid; may be given several times.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(form_app, name="form")


@form_app.command("match")
def form_match(context: typer.Context, form: Source, row: Context = None, as_json: Json = False) -> None:
    """Show which field each column means, with confidence and reason (栏目匹配)."""
    from onefact.cli import form as verbs

    verbs.match_(session_of(context, as_json), form, row)


@form_app.command("teach")
def form_teach(
    context: typer.Context,
    heading: Annotated[str, typer.Argument(help="The heading; levels parted by `>`.")],
    meaning: Annotated[str, typer.Argument(help="Master field, e.g. phone; '' = none of ours.")],
    row: Annotated[Literal["person", "house", "organisation"], typer.Option("--row", help="What a row is.")] = "person",
    forget: Annotated[bool, typer.Option("--forget", help="Take it back instead.")] = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Say what a heading means; remembered for all later forms (确认栏目)."""
    from onefact.cli import form as verbs

    verbs.teach(session_of(context, as_json, actor), heading, meaning, row, forget)


@form_app.command("fill")
def form_fill(
    context: typer.Context,
    form: Form,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.xlsx", help="Where the filled form goes.")],
    grid: Grids = None,
    who: Annotated[
        str | None, typer.Option(help="Whom it lists, e.g. all, elder80; by its title when not given.")
    ] = None,
    system: System = None,
    row: Context = None,
    actor: Actor = None,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Fill a form for a grid; what is missing stands on the sheet 待补 (填表)."""
    from onefact.cli import form as verbs

    verbs.fill_(session_of(context, as_json, actor, purpose), form, out, grid, who, system, row)


@form_app.command("gate")
def form_gate(
    context: typer.Context,
    form: Source,
    grid: Grids = None,
    system: System = None,
    row: Context = None,
    as_json: Json = False,
) -> None:
    """Say how much of a new form is known already: by whom, how completely (新表准入)."""
    from onefact.cli import form as verbs

    verbs.gate_(session_of(context, as_json), form, grid, system, row)


@form_app.command("tasks")
def form_tasks(context: typer.Context, grid: Grids = None, as_json: Json = False) -> None:
    """List what forms ask for and nobody knows (待补清单)."""
    from onefact.cli import form as verbs

    verbs.tasks_(session_of(context, as_json), grid)
