"""The commands about deliveries: outbox, target."""

from __future__ import annotations

from typing import Annotated

import typer

from onefact.cli.options import Actor, FullKeys, Json, Purpose
from onefact.cli.session import session_of

outbox_app = typer.Typer(help="What goes to each system, and what became of it (发件箱).", no_args_is_help=True)
target_app = typer.Typer(help="The systems that are not written now, and why (熔断与暂停).", no_args_is_help=True)

Ids = Annotated[
    list[int] | None, typer.Argument(metavar="[CHANGE]...", help="Numbers of changes, as the list shows them.")
]
State = Annotated[list[str] | None, typer.Option("--state", help="Only changes in this state; may be repeated.")]
System = Annotated[list[str] | None, typer.Option("--system", help="Only of this system; may be repeated.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept with the step.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say which changes it would be; change nothing.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(outbox_app, name="outbox")
    app.add_typer(target_app, name="target")


@outbox_app.command("list")
def outbox_list(
    context: typer.Context,
    system: System = None,
    state: State = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Counts of one push instead (its name as `show` tells).")
    ] = None,
    limit: Annotated[int, typer.Option(help="Changes to show, the newest first.")] = 20,
    by_system: Annotated[bool, typer.Option("--by-system", help="Count each system by itself.")] = False,
    full: FullKeys = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List changes with their state, and how often each outcome came (发件箱清单)."""
    from onefact.cli import delivery

    delivery.list_(session_of(context, as_json, purpose=purpose), system, state, run, limit, full, by_system)


@outbox_app.command("show")
def outbox_show(
    context: typer.Context,
    change: Annotated[int, typer.Argument(metavar="CHANGE", help="Number of the change.")],
    full: FullKeys = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show one change: its fields, and every step it took (投递流水)."""
    from onefact.cli import delivery

    delivery.show_one(session_of(context, as_json, purpose=purpose), change, full)


@outbox_app.command("overdue")
def outbox_overdue(
    context: typer.Context, full: FullKeys = False, purpose: Purpose = None, as_json: Json = False
) -> None:
    """List changes whose receipt should have come by now (逾期未回执)."""
    from onefact.cli import delivery

    delivery.overdue(session_of(context, as_json, purpose=purpose), full)


@outbox_app.command("retry")
def outbox_retry(
    context: typer.Context,
    change: Ids = None,
    system: System = None,
    state: State = None,
    actor: Actor = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let rejected, conflicting, unanswered or dead changes be tried again by today's rules (重试)."""
    from onefact.cli import delivery

    delivery.retry(session_of(context, as_json, actor), change, system, state, dry_run)


@outbox_app.command("cancel")
def outbox_cancel(
    context: typer.Context,
    change: Ids = None,
    system: System = None,
    state: State = None,
    actor: Actor = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Call changes off (撤销投递)."""
    from onefact.cli import delivery

    delivery.cancel(session_of(context, as_json, actor), change, system, state, reason, dry_run)


@target_app.command("list")
def target_list(context: typer.Context, as_json: Json = False) -> None:
    """List the systems that were in trouble or are held (熔断清单)."""
    from onefact.cli import delivery

    delivery.targets_list(session_of(context, as_json))


@target_app.command("hold")
def target_hold(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="System id.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    actor: Actor = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stop writing to a system until it is released (暂停)."""
    from onefact.cli import delivery

    delivery.hold(session_of(context, as_json, actor), system, reason, dry_run)


@target_app.command("release")
def target_release(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="System id.")],
    actor: Actor = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let a stopped system go on: what is planned for it now may be written (放行)."""
    from onefact.cli import delivery

    delivery.release(session_of(context, as_json, actor), system, dry_run)
