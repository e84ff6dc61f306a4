"""The commands by which systems and master are brought to agree: reconcile, task."""

from __future__ import annotations

from typing import Annotated

import typer

from onefact.cli.options import Actor, FullKeys, Json, Purpose, Systems
from onefact.cli.session import session_of

task_app = typer.Typer(
    help="Entries for systems that have only a form, typed by a person (辅助录入).", no_args_is_help=True
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do; record nothing.")]
Number = Annotated[int, typer.Argument(metavar="TASK", help="Number of the task.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(reconcile)
    app.add_typer(task_app, name="task")


def reconcile(
    context: typer.Context,
    system: Systems = None,
    dry_run: DryRun = False,
    limit: Annotated[int, typer.Option(help="Findings to show.")] = 20,
    full: FullKeys = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Read all systems afresh and compare them with the master, field by field (核对)."""
    from onefact.cli import agreement

    agreement.reconcile(session_of(context, as_json, purpose=purpose), system, dry_run=dry_run, limit=limit, full=full)


@task_app.command("list")
def task_list(
    context: typer.Context,
    system: Systems = None,
    full: FullKeys = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List open entries (任务清单)."""
    from onefact.cli import agreement

    agreement.tasks(session_of(context, as_json, purpose=purpose), system, full=full)


@task_app.command("show")
def task_show(
    context: typer.Context,
    task: Number,
    copy: Annotated[bool, typer.Option("--copy", help="The values alone, one a line, to be copied.")] = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show one entry: the form's address, and its values in the form's order and wording, in full (任务内容)."""
    from onefact.cli import agreement

    agreement.task(session_of(context, as_json, purpose=purpose), task, copy=copy)


@task_app.command("done")
def task_done(
    context: typer.Context,
    task: Number,
    actor: Actor = None,
    unread: Annotated[bool, typer.Option("--unread", help="Confirm without reading the system.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Confirm that it is typed in; the system is read back where that is possible (确认完成)."""
    from onefact.cli import agreement

    agreement.done(session_of(context, as_json, actor), task, unread=unread, dry_run=dry_run)


@task_app.command("skip")
def task_skip(
    context: typer.Context,
    task: Number,
    reason: Annotated[str, typer.Option(help="Why; kept with the step.")],
    actor: Actor = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Call an entry off (不再录入)."""
    from onefact.cli import agreement

    agreement.skip(session_of(context, as_json, actor), task, reason, dry_run=dry_run)
