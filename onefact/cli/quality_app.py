"""The commands of quality: run, scores, failing, rules, agreement, orders, dismiss."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from onefact.cli.options import Actor, Json, Limit, Purpose
from onefact.cli.session import session_of

quality_app = typer.Typer(help="Rules, scores and work orders (数据质量).", no_args_is_help=True)

Rule = Annotated[str | None, typer.Option(help="Id of a rule.")]
Grid = Annotated[str | None, typer.Option(help="Code of a grid.")]
Department = Annotated[str | None, typer.Option(help="Name of a department.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(quality_app, name="quality")


@quality_app.command("run")
def run(context: typer.Context, as_json: Json = False) -> None:
    """Run all rules, publish scores and failing rows, open and close work orders (质量检查)."""
    from onefact.cli import quality

    quality.run(session_of(context, as_json))


@quality_app.command("scores")
def scores(
    context: typer.Context,
    by: Annotated[
        Literal["all", "system", "department", "street", "grid", "field"], typer.Option(help="What is scored.")
    ] = "system",
    unit: Annotated[str | None, typer.Option(help="One of them, e.g. sg_etong.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show the scores of the last run by the six dimensions, beside those before (评分)."""
    from onefact.cli import quality

    quality.scores(session_of(context, as_json), by, unit, limit)


@quality_app.command("failing")
def failing(
    context: typer.Context,
    rule: Rule = None,
    system: Annotated[str | None, typer.Option(help="Id of a system.")] = None,
    grid: Grid = None,
    department: Department = None,
    limit: Limit = 50,
    full: Annotated[bool, typer.Option("--full", help="Record keys in full, not masked.")] = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List failing rows of the last run: rule, system, record, grid, department (不合格记录)."""
    from onefact.cli import quality

    quality.failing(session_of(context, as_json, purpose=purpose), rule, system, grid, department, limit, full=full)


@quality_app.command("rules")
def rules(
    context: typer.Context,
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Id of one rule, shown whole.")] = None,
    state: Annotated[
        Literal["passed", "failed", "not_evaluated", "did_not_run"] | None,
        typer.Option(help="Only rules that ended so."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the rule catalogue with what became of each rule in the last run (规则目录)."""
    from onefact.cli import quality

    quality.rules(session_of(context, as_json), rule, state)


@quality_app.command("agreement")
def agreement(
    context: typer.Context,
    entity: Annotated[
        Literal["person", "address", "house", "organisation"] | None, typer.Option(help="One entity type.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="One system.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show per field how many systems hold the golden value, who lags and by how long (一致性)."""
    from onefact.cli import quality

    quality.agreement(session_of(context, as_json), entity, system, limit)


@quality_app.command("orders")
def orders(
    context: typer.Context,
    kind: Annotated[Literal["grid", "authority"] | None, typer.Option(help="Who has to look.")] = None,
    grid: Grid = None,
    department: Department = None,
    rule: Rule = None,
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones instead of open ones.")] = False,
    limit: Limit = 50,
    full: Annotated[bool, typer.Option("--full", help="Record keys in full, not masked.")] = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List work orders (质量工单)."""
    from onefact.cli import quality

    quality.orders(
        session_of(context, as_json, purpose=purpose), kind, grid, department, rule, limit, closed=closed, full=full
    )


@quality_app.command("dismiss")
def dismiss(
    context: typer.Context,
    order: Annotated[int, typer.Argument(metavar="ORDER", help="Number of the work order.")],
    reason: Annotated[str, typer.Option(help="Why the row is right as it is; kept with the order.")],
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Close a work order whose row is right as it is (核实无误)."""
    from onefact.cli import quality

    quality.dismiss(session_of(context, as_json, actor), order, reason)
