"""One pusher, one system (推送): recover, claim, deliver, merge, settle, follow up; a crash between any two loses nothing.

Everything that is known stands in the outbox before the next step begins. What a crash leaves `pending` is read back
when its lease has run out.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from connectors.base import Connector, ConnectorError, Context
from connectors.manifest import Manifest
from connectors.registry import connect
from onefact.delivery import answers, guards
from onefact.delivery.backoff import Backoff
from onefact.delivery.due import dated
from onefact.delivery.gate import Passage, passage
from onefact.delivery.lease import renewing
from onefact.delivery.merge import Rank, merge
from onefact.delivery.recover import recover
from onefact.home import Home
from onefact.law import check, register
from onefact.law.register import Register
from onefact.policy import ranks
from schemas.model import EntityType
from schemas.records import Change, FieldChange, Outcome
from warehouse import outbox
from warehouse.outbox import Claimed, Pause, targets
from warehouse.outbox.sources import sources_of

BATCH = 500
"""Changes claimed at a time; a crash leaves at most this many of a system in doubt."""

SETTLE_SECONDS = 20.0
"""How long a push waits for receipts that come a moment later; what comes after that is settled by the next push."""

POLL_SECONDS = 0.2
"""Pause between two questions about late receipts."""

LAW = "依规定不得送往该系统"

MERGES = 2
"""How often a change is written on a new base in one push; who edits faster than that is met at the next."""


@runtime_checkable
class FollowsUp(Protocol):
    """A connector whose answers may come later: it can be asked again about what is still `sent`."""

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Yield an outcome for every (change id, receipt) that has been answered since."""
        ...


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of pushing one system: how many changes ended in which state, and why it stopped if it did."""

    system_id: str
    states: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    transient: bool = False
    """Trying again later may help (`ConnectorError.transient`)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stopped a system, in a sentence, and whether trying again later may help."""

    sentence: str
    transient: bool = False
    retry_after: float | None = None
    """Seconds for which the system wants to be left alone, where it said so."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pusher needs beside the home: who it is, its patience, and a hook before each step (for crash tests)."""

    owner: str
    backoff: Backoff = field(default_factory=lambda: Backoff(random.random))
    lease: float = outbox.LEASE_SECONDS
    settle_seconds: float = SETTLE_SECONDS
    at: Callable[[str], None] = lambda _: None
    connect: Callable[[Manifest, Context], Connector] = connect
    progress: Callable[[str, int], None] | None = None


class Pusher:
    """Pushes one system."""

    def __init__(self, home: Home, manifest: Manifest, settings: Settings, lines: Register, mark: targets.Mark) -> None:
        self._home, self._manifest, self._settings = home, manifest, settings
        self._lines, self._mark = lines, mark
        self._ended: dict[str, str] = {}
        self._merges: Counter[str] = Counter()

    def run(self, passage: Passage) -> Pushed:
        """Push what waits; trouble with the system ends this system's push and is told, never raised."""
        if passage.closed:
            return Pushed(self._manifest.id, error=passage.closed, transient=passage.transient)
        error = None
        try:
            context = replace(self._home.context(self._manifest), at=self._settings.at)
            connector = self._settings.connect(self._manifest, context)
            try:
                error = self._push(connector, passage)
            finally:
                connector.close()
        except ConnectorError as problem:
            error = _trouble(problem)
            targets.failed(self._home.engine, self._manifest.id, error.sentence, error.retry_after)
        except Exception as problem:  # noqa: BLE001 - a defect in one connector must not stop the other systems
            error = Trouble(_defect(self._manifest, problem))
            targets.failed(self._home.engine, self._manifest.id, error.sentence)
        states = Counter(self._ended.values())
        if error is None:
            return Pushed(self._manifest.id, states)
        return Pushed(self._manifest.id, states, error.sentence, error.transient)

    def _push(self, connector: Connector, passage: Passage) -> Trouble | None:
        self._recover(connector)
        limit, error = (1 if passage.trial else BATCH), None
        self._settings.at("claim")
        while (closed := self._closed_since()) is None and (claimed := self._claim(limit)) is not None:
            error, answered = self._deliver(connector, claimed)
            if error:
                targets.failed(self._home.engine, self._manifest.id, error.sentence, error.retry_after)
                break
            if answered:
                targets.worked(self._home.engine, self._manifest.id)
                limit = BATCH
            self._settings.at("claim")
        if error is None:
            self._follow_up(connector)
        return error or (None if closed is None else Trouble(closed))

    def _closed_since(self) -> str | None:
        """Return why nothing more may leave: what was planned, held or revoked during a push has not been judged yet."""
        mark = targets.mark(self._home.engine)
        if mark == self._mark:
            return None
        self._lines, self._mark = register.read(self._home), mark
        return passage(self._home, self._manifest, guards.stand(self._home, [self._manifest])).closed

    def _claim(self, limit: int) -> list[Claimed] | None:
        """Take what is due and may leave; None when nothing is due any more."""
        found = outbox.claim(self._home.engine, self._manifest.id, limit, self._settings.owner, self._settings.lease)
        return self._lawful(found) if found else None

    def _lawful(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Take out what may not leave by the rules and the register of this moment; end changes of which nothing is left."""
        changes, refused = check.look(
            self._home.engine, self._manifest, self._lines, [c.change for c in claimed], self._home.now().date()
        )
        check.write_down(self._home.engine, self._manifest, refused, self._settings.owner)
        rules = {r.change.change_id: r.rule for r in refused}
        kept_back: dict[str, list[str]] = {}
        for one in refused:
            kept_back.setdefault(one.change.change_id, []).append(one.field)
        outbox.withhold(self._home.engine, self._settings.owner, kept_back)
        empty = [c for c in changes if not c.changes]
        ended = [Outcome(c.change_id, "rejected", f"law_{rules.get(c.change_id, 'empty')}"[:40], LAW) for c in empty]
        if empty:
            self._settle(empty, ended, {})
        return [replace(c, change=change) for c, change in zip(claimed, changes, strict=True) if change.changes]

    def _withheld(self, doubtful: Sequence[Claimed]) -> frozenset[str]:
        """Keys of changes in doubt that hold a field which may not leave (any more)."""
        _, refused = check.look(
            self._home.engine, self._manifest, self._lines, [c.change for c in doubtful], self._home.now().date()
        )
        return frozenset(r.change.key for r in refused)

    def _recover(self, connector: Connector) -> None:
        self._settings.at("recover")
        asked: set[str] = set()
        while doubtful := outbox.doubtful(
            self._home.engine, self._manifest.id, BATCH, self._settings.owner, self._settings.lease, asked
        ):
            asked |= {c.change.change_id for c in doubtful}
            self._settings.at("read_back")
            with renewing(self._home.engine, self._manifest.id, self._settings.owner, self._settings.lease):
                outcomes = recover(self._manifest, connector, doubtful, self._withheld(doubtful))
            # What is sent again at once has lost no try; what nobody can look up is asked about less and less often.
            pauses = {
                c.change.change_id: self._settings.backoff.pause(c.attempt, o.retry_after)
                if o.state == "no_answer" else Pause(spent=c.attempt >= self._settings.backoff.attempts)
                for c, o in _paired(doubtful, outcomes)
            }  # fmt: skip
            self._settle([c.change for c in doubtful], outcomes, pauses)

    def _deliver(self, connector: Connector, claimed: Sequence[Claimed]) -> tuple[Trouble | None, bool]:
        """Push claimed changes and settle exactly one outcome for each; return what stopped the system, and if it answered."""
        changes = [c.change for c in claimed]
        if not changes:
            return None, False
        self._settings.at("deliver")
        with renewing(self._home.engine, self._manifest.id, self._settings.owner, self._settings.lease):
            outcomes, error = _outcomes(self._manifest, connector, changes)
        attempts = {c.change.change_id: c.attempt for c in claimed}
        pauses = {
            o.change_id: Pause(seconds=o.retry_after or 0.0, counted=False) if o.code == "system_error"
            else self._settings.backoff.pause(attempts[o.change_id], o.retry_after)
            for o in outcomes
        }  # fmt: skip
        outcomes, rebased, merged = self._merged(changes, outcomes)
        self._settle(changes, outcomes, pauses | merged, rebased)
        return error, any(o.code != "system_error" for o in outcomes)

    def _settle(
        self,
        changes: Sequence[Change],
        outcomes: Sequence[Outcome],
        pauses: Mapping[str, Pause],
        rebased: Mapping[str, Sequence[FieldChange]] | None = None,
    ) -> None:
        outcomes = dated(self._manifest, outcomes, self._home.now())
        kept = answers.keep(self._home.path, outcomes)
        self._settings.at("settle")
        done = outbox.settle(
            self._home.engine, changes, outcomes, self._settings.owner, pauses=pauses, answers=kept, rebased=rebased
        )
        self._settings.at("settled")
        self._ended |= {o.change_id: o.state for o in outcomes if o.change_id in done.recorded}
        if self._settings.progress:
            self._settings.progress(self._manifest.id, len(self._ended))

    def _merged(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> tuple[list[Outcome], dict[str, Sequence[FieldChange]], dict[str, Pause]]:
        """Settle conflicts by authority: write again on the new base, leave to the system, or leave open for a person."""
        by_id = {c.change_id: c for c in changes}
        conflicts = [o for o in outcomes if o.state == "conflict" and o.held]
        if not conflicts:
            return list(outcomes), {}, {}
        speaks = ranks(self._home.manifests.values())
        told = _golden_ranks(self._home, speaks, [by_id[o.change_id] for o in conflicts])
        rank: Rank = lambda *key: speaks.get(key, 0)  # noqa: E731 - the type says more than a def
        result: dict[str, Outcome] = {}
        rebased: dict[str, Sequence[FieldChange]] = {}
        pauses: dict[str, Pause] = {}
        for outcome in conflicts:
            change = by_id[outcome.change_id]
            merged = merge(change, outcome, rank, told.get(change.change_id, {}).get)
            if merged.outcome == "again" and self._merges[change.change_id] < MERGES:
                self._merges[change.change_id] += 1
                rebased[change.change_id] = merged.write
                pauses[change.change_id] = Pause(counted=False)
                result[change.change_id] = replace(outcome, state="planned", code="merged", message="")
            elif merged.outcome == "theirs":
                words = f"以该系统的值为准：{'、'.join(merged.theirs)}"
                result[change.change_id] = replace(outcome, state="dead", code="theirs", message=words)
        return [result.get(o.change_id, o) for o in outcomes], rebased, pauses

    def _follow_up(self, connector: Connector) -> None:
        """Ask about changes that were accepted but not yet answered, until all are or the time is up."""
        if not isinstance(connector, FollowsUp):
            return
        sleep, waited = self._home.context(self._manifest).sleep, 0.0
        while sent := outbox.in_state(self._home.engine, self._manifest.id, "sent"):
            by_id = {w.change.change_id: w for w in sent}
            receipts = [(w.change.change_id, w.receipt) for w in sent if w.receipt]
            self._settings.at("follow_up")
            settled = [o for o in connector.follow_up(receipts) if o.state != "sent"]
            if settled:
                kept = answers.keep(self._home.path, settled)
                pauses = {
                    o.change_id: self._settings.backoff.pause(by_id[o.change_id].attempts, o.retry_after)
                    for o in settled
                }
                mine = [by_id[o.change_id].change for o in settled]
                settled, rebased, merged = self._merged(mine, settled)
                done = outbox.settle(
                    self._home.engine, mine, settled, pauses=pauses | merged, answers=kept, rebased=rebased,
                    run=self._settings.owner,
                )  # fmt: skip
                self._ended |= {o.change_id: o.state for o in settled if o.change_id in done.recorded}
            elif waited >= self._settings.settle_seconds:
                break
            else:
                sleep(POLL_SECONDS)
                waited += POLL_SECONDS


def _paired(claimed: Sequence[Claimed], outcomes: Sequence[Outcome]) -> Iterator[tuple[Claimed, Outcome]]:
    by_id = {o.change_id: o for o in outcomes}
    return ((c, by_id[c.change.change_id]) for c in claimed)


def _golden_ranks(
    home: Home, speaks: Mapping[tuple[str, EntityType, str, str], int], changes: Sequence[Change]
) -> dict[str, dict[str, int]]:
    """Change id -> field -> authority rank of the record that the golden value comes from."""
    told = sources_of(home.engine, changes)
    return {
        change_id: {name: speaks[key] for name, source in fields.items() if (key := (*source, name)) in speaks}
        for change_id, fields in told.items()
    }


def _trouble(problem: ConnectorError) -> Trouble:
    return Trouble(str(problem), problem.transient, problem.retry_after)


def _defect(manifest: Manifest, problem: Exception) -> str:
    # The text of an unexpected error may hold values of records: only its kind is told.
    return (
        f"{manifest.id}: unexpected {type(problem).__name__} while writing. "
        f"Run `onefact systems check` on its manifest; if that passes, report this."
    )


def _outcomes(
    manifest: Manifest, connector: Connector, changes: Sequence[Change]
) -> tuple[list[Outcome], Trouble | None]:
    """Push changes; return exactly one outcome for each, and the sentence that stopped the system if one did.

    When the system fails before any answer, nothing was sent: the changes go back to `planned`. When it fails in the
    middle, the unanswered ones are `no_answer`: unknown is not failed, they must be read back before a new try.
    """
    outcomes: dict[str, Outcome] = {}
    error, unsent = None, False
    try:
        for outcome in connector.push(changes):
            outcomes[outcome.change_id] = outcome
    except ConnectorError as problem:
        error, unsent = _trouble(problem), not outcomes
    except Exception as problem:  # noqa: BLE001 - what was answered before the defect must still be settled
        error = Trouble(_defect(manifest, problem))
    unanswered = [c.change_id for c in changes if c.change_id not in outcomes]
    if unsent:
        words, asked = (error.sentence, error.retry_after) if error else ("", None)
        return [Outcome(i, "planned", "system_error", words, retry_after=asked) for i in unanswered], error
    missing = [Outcome(i, "no_answer", "no_outcome", "系统没有给出这一条的结果") for i in unanswered]
    return [*(outcomes[c.change_id] for c in changes if c.change_id in outcomes), *missing], error
