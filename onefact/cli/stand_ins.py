"""`onefact sandbox …`: the forty stand-in systems."""

from __future__ import annotations

from dataclasses import asdict

from onefact.cli import show
from onefact.cli.session import Session


def start(session: Session, people: int, seed: int) -> None:
    """Start the stand-ins of this home."""
    from onefact.delivery import guards
    from sandbox import supervisor

    folder = session.systems_path.resolve() if session.systems_path else None
    supervisor.start(session.home.path, people, seed, folder)
    guards.let_first_through(session.home)
    status(session)


def stop(session: Session) -> None:
    """Stop them."""
    from sandbox import supervisor

    stopped = supervisor.stop(session.home.path)
    session.console.print("The sandbox is stopped." if stopped else "The sandbox was not running.")


def status(session: Session) -> None:
    """Show what runs."""
    from sandbox import supervisor

    now = supervisor.status(session.home.path)
    if session.as_json:
        session.emit(asdict(now))
        return
    if not now.running:
        session.console.print("The sandbox is not running. Start it: onefact sandbox start")
        return
    rows = [[s.system_id, s.kind, s.rows, s.url] for s in now.systems]
    session.console.print(
        show.table("Stand-ins (仿真系统)", ["system", "kind", "rows", "address"], rows, numeric=["rows"])
    )
