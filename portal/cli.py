"""The portal's verbs, added to `onefact` through the entry point group `onefact.commands` (pyproject.toml)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onefact.cli.options import By, Json
from onefact.cli.session import session_of
from portal.api import cli as api

user_app = typer.Typer(help="Who may sign in to the portal (门户账号).", no_args_is_help=True)

Login = Annotated[str, typer.Argument(help="What is typed to sign in.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands; once, however often it is asked."""
    if any(command.name == "serve" for command in app.registered_commands):
        return
    app.command("serve")(serve)
    app.add_typer(user_app, name="user")
    api.add_to(app)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8443,
    certificate: Annotated[
        Path | None, typer.Option(help="Certificate of your network (PEM); one of this machine when not given.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key of the certificate (PEM).")] = None,
    carry: Annotated[
        bool, typer.Option(help="Consolidate and push what is entered; off where Airflow or another process does.")
    ] = True,
    demo: Annotated[
        bool, typer.Option("--demo", help="With the stand-ins and one account for each role; fills an empty master.")
    ] = False,
    people: Annotated[int, typer.Option(help="With --demo: people in the synthetic town.")] = 2000,
) -> None:
    """Serve the portal over HTTPS, with its database and the process that carries entries to the systems (启动门户)."""
    from portal import command

    session = session_of(context)
    session.via = "portal"
    command.serve(session, command.Wanted(host, port, certificate, key, carry, demo, people))


@user_app.command("add")
def user_add(
    context: typer.Context,
    login: Login,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[str, typer.Option(help="worker, steward, auditor, sysadmin or secadmin.")],
    grid: Annotated[list[str] | None, typer.Option(help="Grid code of a worker; may be given several times.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="issuer|subject at the identity provider: signs in there, without a password.")
    ] = None,
    actor: By = "cli",
    as_json: Json = False,
) -> None:
    """Make an account; its first password is printed once and has to be changed at the first login (新建账号)."""
    from portal import command

    command.add(session_of(context, as_json), login, name, role, grid or [], subject, actor)


@user_app.command("list")
def user_list(context: typer.Context, as_json: Json = False) -> None:
    """List the accounts: role, grids, second factor, lock (账号清单)."""
    from portal import command

    command.list_(session_of(context, as_json))


@user_app.command("compartments")
def user_compartments(
    context: typer.Context,
    login: Login,
    of: Annotated[
        list[str] | None,
        typer.Option("--of", help="benefits, health, justice, party or census; may be given several times."),
    ] = None,
    actor: By = "cli",
) -> None:
    """Let an account see the facts of these compartments beside the base ones; without any: the base ones only (查看分区)."""
    from portal import command

    command.compartments(session_of(context), login, of or [], actor)


@user_app.command("lock")
def user_lock(
    context: typer.Context,
    login: Login,
    off: Annotated[bool, typer.Option("--off", help="Take the lock away.")] = False,
    actor: By = "cli",
) -> None:
    """Lock an account and end its sessions (锁定账号)."""
    from portal import command

    command.lock(session_of(context), login, actor, off=off)


@user_app.command("reset")
def user_reset(
    context: typer.Context,
    login: Login,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Take the second factor away too: the phone is lost.")
    ] = False,
    actor: By = "cli",
) -> None:
    """Give an account a new first password, printed once; ends its sessions (重置口令)."""
    from portal import command

    command.reset(session_of(context), login, actor, without_second_factor=second_factor)
