"""The portal's verbs, added to `onefact` through the entry point group `onefact.commands` (pyproject.toml)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onefact.cli.session import session_of


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8443,
    certificate: Annotated[Path | None, typer.Option(help="Certificate of your network (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
) -> None:
    """Serve the portal over HTTPS (启动门户)."""
    from portal.app import create_app
    from portal.serve import Door, server

    session = session_of(context)
    home = session.home
    running, listening, address = server(home, create_app(home), Door(host, port, certificate, key))
    session.console.print(f"{address}", soft_wrap=True)
    running.run(sockets=[listening])
