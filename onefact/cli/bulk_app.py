"""The commands of Excel in bulk: bulk template, check, enter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onefact.cli.options import Actor, Json
from onefact.cli.session import session_of

bulk_app = typer.Typer(
    help="Excel in bulk: template, dry run, good rows in, bad rows back (批量导入).", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="A filled template.")]
Entity = Annotated[str | None, typer.Option(help="person, house or organisation; asked of the file when not given.")]
Grid = Annotated[list[str] | None, typer.Option("--grid", help="Only these grids may be entered for.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(bulk_app, name="bulk")


@bulk_app.command("template")
def bulk_template(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="person, house or organisation.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.xlsx", help="File to write.")],
    as_json: Json = False,
) -> None:
    """Write an empty template: lists for coded columns, locked headings, an example row (下载模板)."""
    from onefact.cli import bulk

    bulk.template(session_of(context, as_json), entity, out)


@bulk_app.command("check")
def bulk_check(
    context: typer.Context,
    file: File,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="BAD.xlsx", help="Write the bad rows with their reasons.")
    ] = None,
    entity: Entity = None,
    grid: Grid = None,
    as_json: Json = False,
) -> None:
    """Say what would happen to each row of a filled template; nothing is kept (试导入)."""
    from onefact.cli import bulk

    bulk.run(session_of(context, as_json), file, out, entity, grid, dry_run=True)


@bulk_app.command("enter")
def bulk_enter(
    context: typer.Context,
    file: File,
    out: Annotated[Path, typer.Option("--out", metavar="BAD.xlsx", help="Where bad rows go, with their reasons.")],
    entity: Entity = None,
    grid: Grid = None,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Take the good rows in, send the bad ones back (正式导入); `onefact consolidate` and `push` then carry them on."""
    from onefact.cli import bulk

    bulk.run(session_of(context, as_json, actor), file, out, entity, grid, dry_run=False)
