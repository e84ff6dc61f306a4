"""The commands about the law and the tickets: law, ticket."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from onefact.cli.options import Actor, Full, Json, Limit, Purpose, Systems
from onefact.cli.session import session_of

law_app = typer.Typer(
    help="What may flow, by which document; what was refused, and who received what (授权与共享).", no_args_is_help=True
)
ticket_app = typer.Typer(help="Corrections that an authority is asked for (纠错工单).", no_args_is_help=True)

System = Annotated[str, typer.Argument(help="System id.")]
Field = Annotated[str, typer.Argument(help="entity.field, e.g. person.phone; `*` for all of the system.")]
Direction = Annotated[Literal["in", "out"], typer.Option(help="in: read from the system; out: written to it.")]
Number = Annotated[int, typer.Argument(metavar="N", help="Number of the ticket.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(law_app, name="law")
    app.add_typer(ticket_app, name="ticket")


@law_app.command("rules")
def law_rules(context: typer.Context, as_json: Json = False) -> None:
    """List what must never flow, with the article (禁止流动的规则)."""
    from onefact.cli import law

    law.rules_(session_of(context, as_json))


@law_app.command("list")
def law_list(
    context: typer.Context,
    system: Systems = None,
    all_: Annotated[bool, typer.Option("--all", help="Ended lines too.")] = False,
    as_json: Json = False,
) -> None:
    """List the authorisation register (授权登记)."""
    from onefact.cli import law

    law.list_(session_of(context, as_json), system, all_)


@law_app.command("revoke")
def law_revoke(
    context: typer.Context,
    system: System,
    field: Field,
    why: Annotated[str, typer.Option(help="Why; kept with the line.")],
    direction: Direction = "out",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """End an authorisation at once (撤销授权)."""
    from onefact.cli import law

    law.revoke(session_of(context, as_json, actor), system, field, direction, why)


@law_app.command("grant")
def law_grant(
    context: typer.Context,
    system: System,
    field: Field,
    document: Annotated[str, typer.Option(help="Number of the document that allows it.")],
    expires: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Last day.")],
    direction: Direction = "out",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Open a line that was revoked or ran out (重新授权)."""
    from onefact.cli import law

    law.grant(session_of(context, as_json, actor), system, field, direction, document, expires)


@law_app.command("refusals")
def law_refusals(context: typer.Context, system: Systems = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List refused flows with their rule (拒绝流动记录)."""
    from onefact.cli import law

    law.refusals(session_of(context, as_json), system, limit)


@law_app.command("sharing")
def law_sharing(
    context: typer.Context,
    system: Systems = None,
    days: Annotated[int, typer.Option(help="How many days back.")] = 30,
    limit: Limit = 50,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List who received which fields, for which purpose, by which document (共享记录)."""
    from onefact.cli import law

    law.sharing(session_of(context, as_json, purpose=purpose), system, days, limit)


@ticket_app.command("list")
def ticket_list(
    context: typer.Context,
    closed: Annotated[bool, typer.Option("--closed", help="Closed tickets instead.")] = False,
    limit: Limit = 50,
    full: Full = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """List tickets, the most urgent first (工单清单)."""
    from onefact.cli import law

    law.tickets_(session_of(context, as_json, purpose=purpose), closed, limit, full)


@ticket_app.command("show")
def ticket_show(
    context: typer.Context, number: Number, full: Full = False, purpose: Purpose = None, as_json: Json = False
) -> None:
    """Show a ticket and what happened to it (工单)."""
    from onefact.cli import law

    law.ticket(session_of(context, as_json, purpose=purpose), number, full)


@ticket_app.command("answer")
def ticket_answer(
    context: typer.Context,
    number: Number,
    what: Annotated[Literal["refused", "reminded", "note"], typer.Option("--what", help="refused closes the ticket.")],
    words: Annotated[str, typer.Option(help="What was said.")],
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Note what the authority said (办理)."""
    from onefact.cli import law

    law.answer(session_of(context, as_json, actor), number, what, words)
