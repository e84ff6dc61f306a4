"""The commands about who is whom: review, merge, unmerge, whois."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from onefact.cli.options import Actor, DryRun, Full, Json, Purpose
from onefact.cli.session import Apply, session_of

review_app = typer.Typer(help="The pairs that wait for a person, and the answers (复核).", invoke_without_command=True)

Number = Annotated[int, typer.Argument(metavar="N", help="Number of the question, as the list shows it.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept with the judgement.")]
Later = Annotated[bool, typer.Option("--later", help="Only record it; the next consolidation applies it.")]
Entity = Literal["person", "address", "house", "organisation"]
State = Literal["open", "accepted", "rejected", "undecided", "closed"]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(review_app, name="review")
    app.command()(merge)
    app.command()(unmerge)
    app.command()(whois)


@review_app.callback()
def review(
    context: typer.Context,
    entity: Annotated[Entity | None, typer.Option(help="Only this entity type.")] = None,
    state: Annotated[State, typer.Option(help="Open questions, or those with this outcome.")] = "open",
    page: Annotated[int, typer.Option(min=1, help="Page of the list.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="Questions on a page.")] = 20,
    full: Full = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List the pairs that wait for a person, best first by what an answer would change (复核清单)."""
    from onefact.cli import identity

    if context.invoked_subcommand is None:
        identity.questions(session_of(context, as_json, purpose=purpose), entity, state, page, limit, full)


@review_app.command("show")
def review_show(
    context: typer.Context, number: Number, full: Full = False, purpose: Purpose = None, as_json: Json = False
) -> None:
    """Show the two records of a question field by field (对比)."""
    from onefact.cli import identity

    identity.question(session_of(context, as_json, purpose=purpose), number, full)


@review_app.command("accept")
def review_accept(
    context: typer.Context,
    number: Number,
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The two are one (判定为同一)."""
    from onefact.cli import identity

    identity.decide(session_of(context, as_json, actor), number, "accept", reason, Apply(later, dry_run))


@review_app.command("reject")
def review_reject(
    context: typer.Context,
    number: Number,
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The two are not one (判定为不是同一)."""
    from onefact.cli import identity

    identity.decide(session_of(context, as_json, actor), number, "reject", reason, Apply(later, dry_run))


@review_app.command("undecided")
def review_undecided(
    context: typer.Context,
    number: Number,
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """It cannot be told; do not ask again (无法判断)."""
    from onefact.cli import identity

    identity.decide(session_of(context, as_json, actor), number, "undecided", reason, Apply(later, dry_run))


@review_app.command("reopen")
def review_reopen(
    context: typer.Context,
    number: Number,
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take an answer back (撤回判定)."""
    from onefact.cli import identity

    identity.reopen(session_of(context, as_json, actor), number, reason, Apply(later, dry_run))


def merge(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="A", help="Master id.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Master id of the same thing.")],
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Join two entities that are one (合并)."""
    from onefact.cli import identity

    identity.merge(session_of(context, as_json, actor), one, other, reason, Apply(later, dry_run))


def unmerge(
    context: typer.Context,
    master_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id that was merged away; with --records one that stands.")
    ],
    records: Annotated[
        str | None, typer.Option(metavar="SYSTEM/KEY,...", help="Split these records off instead of undoing a merge.")
    ] = None,
    actor: Actor = None,
    reason: Reason = None,
    later: Later = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Undo a merge, or split records off an entity (撤销合并、拆出记录)."""
    from onefact.cli import identity

    identity.unmerge(session_of(context, as_json, actor), master_id, records, reason, Apply(later, dry_run))


def whois(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="System id.")],
    record: Annotated[str, typer.Argument(help="Key of the record in that system.")],
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="Day (its end) or time, e.g. 2026-11-01.")
    ] = None,
    full: Full = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Tell who a record is, or was on a day, with which others, and why (某日认定)."""
    from onefact.cli import identity

    identity.whois(session_of(context, as_json, purpose=purpose), system, record, on, full)
