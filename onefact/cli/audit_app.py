"""The commands of the auditor: the period's report, and samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from onefact.cli.options import Json, Purpose
from onefact.cli.session import session_of


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(report)
    app.command()(sample)


def report(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")] = Path(),
    period: Annotated[
        str | None,
        typer.Option(metavar="MONTH", help="A month, e.g. 2026-11; the current one when no period is given."),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, e.g. 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Write the page.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write the PDF.")] = False,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the workbook. All three when none is named.")] = False,
    as_json: Json = False,
) -> None:
    """Write the period's report for the auditor: scores, duplicates, burden, deliveries, failing rows (审计报告)."""
    from onefact.cli import audit

    wanted = {"html": html, "pdf": pdf, "xlsx": xlsx}
    audit.report(session_of(context, as_json), out, (period, since, until), [f for f, named in wanted.items() if named])


def sample(
    context: typer.Context,
    size: Annotated[int, typer.Option(min=1, help="Values to draw.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed draws the same values.")] = 1,
    stratify: Annotated[
        Literal["none", "system", "street", "community", "grid", "entity", "field"],
        typer.Option(help="What makes the strata."),
    ] = "none",
    entity: Annotated[
        Literal["person", "address", "house", "organisation"] | None, typer.Option(help="Only this entity type.")
    ] = None,
    field: Annotated[list[str] | None, typer.Option(help="Only these fields; may be repeated.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.xlsx", help="The sign-off sheet to write.")] = Path(
        "sample.xlsx"
    ),
    full: Annotated[bool, typer.Option("--full", help="Values in full, not masked; few at a time.")] = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Draw golden values at random for an audit, with a sign-off sheet (抽样核查表)."""
    from onefact.cli import audit

    audit.sample(
        session_of(context, as_json, purpose=purpose),
        size,
        seed,
        stratify,
        [entity] if entity else [],
        field or [],
        out,
        full=full,
    )
