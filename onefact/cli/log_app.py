"""The commands of the sealed log: show, verify, checkpoint, export, use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from onefact.cli.options import Actor, Json, Purpose
from onefact.cli.session import session_of

log_app = typer.Typer(help="Who did or read what, chained and signed (密封日志).", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(log_app, name="log")


@log_app.command("show")
def show(
    context: typer.Context,
    actor: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Only what they did.")] = None,
    act: Annotated[str | None, typer.Option(help="Only this kind, e.g. read, enter, merge.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what names this master id, system or number.")] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From this day or time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before this day or time (UTC).")] = None,
    before: Annotated[int | None, typer.Option(help="Only rows before this number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 50,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show the newest acts (日志)."""
    from onefact.cli import log

    session = session_of(context, as_json, purpose=purpose)
    wanted = {"actor": actor, "act": act, "subject": subject, "since": since, "until": until, "before": before}
    log.show_(session, {k: v for k, v in wanted.items() if v is not None}, limit)


@log_app.command("seen")
def seen(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(metavar="ENTITY-OR-ID", help="Master id, ID number, name, phone, code.")],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 50,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show who has seen somebody, when and for what (谁看过)."""
    from onefact.cli import log

    log.seen(session_of(context, as_json, purpose=purpose), entity, limit)


@log_app.command("verify")
def verify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--file", help="An exported log; no database is needed then.")] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option("--checkpoint", metavar="FILE|DIR", help="Checkpoints; may be repeated.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE.pub", help="The public key, kept elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify that no row was altered, removed, inserted or moved, and that checkpoints fit (核验)."""
    from onefact.cli import log

    log.verify(session_of(context, as_json), file, checkpoint or (), key)


@log_app.command("checkpoint")
def checkpoint(context: typer.Context, actor: Actor = None, as_json: Json = False) -> None:
    """Seal the ledgers and sign how far the log has come; keep the file with somebody else (签发检查点)."""
    from onefact.cli import log

    log.checkpoint(session_of(context, as_json, actor))


@log_app.command("export")
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="File to write.")],
    actor: Actor = None,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Write the whole log as JSON Lines, to be verified without the database (导出)."""
    from onefact.cli import log

    log.export(session_of(context, as_json, actor, purpose), out)


@log_app.command("hash")
def hash_(
    context: typer.Context,
    algorithm: Annotated[Literal["sha256", "sm3"], typer.Argument(help="From now on.")],
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Set the hash of the log from now on; the change is a row of the log (更换算法)."""
    from onefact.cli import log

    log.use(session_of(context, as_json, actor), algorithm)
