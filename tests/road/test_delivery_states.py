"""A stateful property: whatever comes in between, both sides agree in the end, no edit is lost, and writing stops."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json

from delivery_support import SYSTEM, Yard, cut_at
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from road_support import Town
from target_model import ModelSystem, PowerCut

from warehouse.publish import REPLACED

STEPS = ("recover", "claim", "deliver", "send", "sent", "read_back", "settle", "settled")
RECORDS = ("A", "B")
EXAMPLE = itertools.count()


class TwoSides(RuleBasedStateMachine):
    """The master on one side, a system whose own users edit too on the other, and a bad road between them.

    The plan is made as a consolidation makes it: from what the last reading showed (`known`) to the golden value, with the
    same idempotency key for the same plan; an older plan that has not gone out is replaced. A reading tells an echo of our
    own writes from news by the shadow; the newer of two edits counts.
    """

    yard: Yard

    def __init__(self) -> None:
        super().__init__()
        self.system = self.yard.system = ModelSystem()
        self.front, self.number = f"E{next(EXAMPLE)}", 0
        self.golden: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.seen: dict[str, set[str]] = {}
        self.theirs: set[str] = set()

    @initialize()
    def begin(self) -> None:
        for name in RECORDS:
            key = self._key(name)
            self.yard.holds(key, phone="0")
            self.golden[key] = self.known[key] = self._held(key)
            self.seen[key] = {self._held(key)}

    # --- what may happen ------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(RECORDS))
    def enter(self, name: str) -> None:
        key = self._key(name)
        self.golden[key] = self._fresh()
        self.seen[key].add(self.golden[key])
        self._plan(key)

    @rule(name=st.sampled_from(RECORDS))
    def edit_there(self, name: str) -> None:
        number = self._fresh()
        self.system.rows[self._key(name)]["phone"] = number
        self.theirs.add(number)

    @rule()
    def read(self) -> None:
        for key in self.golden:
            held = self._held(key)
            shadow = self._shadow(key)
            self.seen[key].add(held)
            if held not in {self.known[key], shadow, self.golden[key]}:
                assert held in self.theirs, f"{key}: an older write of ours was taken for an edit of theirs"
                self.golden[key] = held
            self.known[key] = held
            self._plan(key)

    @rule()
    def push(self) -> None:
        self.yard.push()

    @rule(step=st.sampled_from(STEPS))
    def power_cut(self, step: str) -> None:
        with contextlib.suppress(PowerCut):
            self.yard.push(at=cut_at([step], PowerCut))

    @rule(n=st.integers(1, 2))
    def answers_will_be_lost(self, n: int) -> None:
        self.system.silent = n

    @rule(n=st.integers(1, 2))
    def writes_will_be_late(self, n: int) -> None:
        self.system.late = n

    @precondition(lambda self: self.system.on_the_way)
    @rule()
    def late_writes_arrive(self) -> None:
        self.system.arrive()

    @precondition(lambda self: self.system.on_the_way)
    @rule()
    def a_late_write_arrives_twice(self) -> None:
        self.system.on_the_way.append(self.system.on_the_way[0])

    @rule()
    def time_passes(self) -> None:
        self.yard.let_time_pass()

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def no_edit_is_overwritten_unseen(self) -> None:
        for key, columns in self.system.overwritten:
            assert columns["phone"] in self.seen[key], f"{key}: an edit was overwritten that nobody had read"

    def teardown(self) -> None:
        """Edits stop; what is on the way arrives; both sides agree after two rounds, and writing stops."""
        if not self.golden:
            return
        self.system.silent = self.system.late = 0
        self.system.arrive()
        for _ in range(3):
            self._round()
        writes = len(self.system.effects)
        assert {k: self._held(k) for k in self.golden} == self.golden
        self._round()
        assert len(self.system.effects) == writes
        assert self._open() == []

    # --- inside ---------------------------------------------------------------------------------------------------

    def _round(self) -> None:
        self.read()
        for _ in range(3):
            self.yard.let_time_pass()
            self.yard.push()

    def _key(self, name: str) -> str:
        return f"{self.front}{name}"

    def _fresh(self) -> str:
        self.number += 1
        return f"139{self.number:08d}"

    def _held(self, key: str) -> str:
        return str(self.system.rows[key]["phone"])

    def _shadow(self, key: str) -> str | None:
        found = self.yard.town.query("SELECT value FROM pushed WHERE record_key = %s AND field = 'phone'", key)
        return found[0]["value"] if found else None

    def _open(self) -> list[str]:
        query = (
            "SELECT state FROM outbox WHERE record_key LIKE %s AND state IN ('planned', 'pending', 'sent', 'no_answer')"
        )
        return [r["state"] for r in self.yard.town.query(query, f"{self.front}%")]

    def _plan(self, key: str) -> None:
        """As `Publisher.outbox`."""
        changes = json.dumps([{"field": "phone", "old": self.known[key], "new": self.golden[key]}])
        base = hashlib.sha256(self.known[key].encode()).hexdigest()[:12]
        name = f"{SYSTEM}:{key}:{hashlib.sha256(changes.encode()).hexdigest()[:12]}:{base}"
        wanted = self.known[key] != self.golden[key]
        self.yard.sql(
            f"UPDATE outbox SET state = 'dead', code = 'superseded' WHERE {REPLACED.replace('%', '%%')} "
            "AND record_key = %s AND (NOT %s OR idempotency_key <> %s)",
            key, wanted, name,
        )  # fmt: skip
        if wanted:
            self.yard.sql(
                "INSERT INTO outbox (run_id, system_id, dataset, entity_type, role, master_id, record_key, operation, changes, "
                "base_version, idempotency_key) VALUES ('test', %s, %s, 'person', 'person', gen_random_uuid(), %s, 'update', "
                "%s::jsonb, %s, %s) ON CONFLICT (idempotency_key) DO UPDATE SET state = 'planned', code = NULL, attempts = 0, "
                "next_try_at = NULL WHERE outbox.state = 'dead' AND outbox.code = 'superseded'",
                SYSTEM, self.yard.dataset, key, changes, base, name,
            )  # fmt: skip


def test_both_sides_agree_in_the_end_and_nothing_is_lost(town: Town) -> None:
    TwoSides.yard = Yard(town)
    calm = settings(
        max_examples=25, stateful_step_count=20, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(TwoSides, settings=calm)
