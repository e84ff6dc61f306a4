"""Whether a system may be written now (放行): its authorisation, its breaker, a guard that holds it, its maintenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.base import ConnectorError
from connectors.manifest import Manifest
from onefact.home import Home
from onefact.policy import permitted
from warehouse.outbox.targets import Standing


@dataclass(frozen=True, slots=True)
class Passage:
    """How much may go through: nothing (`closed` says why), a trial of one change, or all.

    A closed one is `transient` when it opens again by itself.
    """

    closed: str | None = None
    transient: bool = False
    trial: bool = False


def passage(home: Home, manifest: Manifest, standings: Mapping[str, Standing]) -> Passage:
    """Return whether a system may be written now; the sentence of a closed one names the remedy."""
    now = home.now()
    try:
        permitted(manifest, now.date())
    except ConnectorError as problem:
        return Passage(str(problem))
    if not manifest.open_at(now):
        opens = f"{manifest.opens_at(now):%m-%d %H:%M}"
        return Passage(f"{manifest.id}: the system is being maintained; nothing is sent until {opens}.", transient=True)
    standing = standings.get(manifest.id)
    if standing is None or standing.state == "closed":
        return Passage()
    if standing.state == "held":
        remedy = f"Look at the planned changes and run `onefact target release {manifest.id}`."
        return Passage(f"{manifest.id}: held: {standing.reason} {remedy}")
    if standing.trial:
        return Passage(trial=True)
    until = f"{standing.until.astimezone():%H:%M:%S}" if standing.until else "later"
    remedy = f"It is tried again by itself; `onefact target release {manifest.id}` tries at once."
    return Passage(
        f"{manifest.id}: nothing is sent until {until} after {standing.failures} failures in a row. {remedy}",
        transient=True,
    )
