"""A system that is a dictionary (目标模型): it counts every effect, so that a doubled or a lost write is seen.

It stands for what systems differ in: whether they recognise a repeated idempotency key. The connector in front of it
is as careful as the real ones, or deliberately careless (`careful=False`), so that the proof can be seen to catch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from connectors.base import Check, Context, Unreachable
from connectors.held import settled, standings, verdict
from connectors.manifest import Manifest
from connectors.readback import compare
from schemas.records import PLACE, Change, Outcome, Page


class PowerCut(BaseException):
    """Nothing may catch it."""


@dataclass
class ModelSystem:
    """Rows by key, and what was done to them.

    Attributes:
        recognises_keys: a repeated idempotency key changes nothing.
        careful: its connector compares before it writes.
        failing: the system cannot be reached.
        silent: the next answers are lost on the way, after the write.
        late: the next writes are held up on the way and get no answer; they arrive at `arrive`.
        overwritten: what each write replaced.
    """

    rows: dict[str, dict[str, str | None]] = field(default_factory=dict)
    recognises_keys: bool = True
    careful: bool = True
    failing: bool = False
    silent: int = 0
    late: int = 0
    on_the_way: list[tuple[Change, dict[str, str | None]]] = field(default_factory=list)
    overwritten: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    effects: list[tuple[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    calls: int = 0

    def write(self, change: Change, columns: dict[str, str | None]) -> None:
        if self.recognises_keys and change.key in self.seen:
            return
        self.seen.add(change.key)
        row = self.rows[change.record_key or change.change_id]
        self.overwritten.append((change.record_key or "", {c: row.get(c) for c in columns}))
        row.update(columns)
        self.effects.append((change.record_key or "", change.change_id))

    def arrive(self) -> None:
        """What was held up on the way arrives, the last first."""
        while self.on_the_way:
            self.write(*self.on_the_way.pop())

    def connector(self, manifest: Manifest, context: Context) -> ModelConnector:
        return ModelConnector(self, manifest, context.at)


class ModelConnector:
    """Reads, compares, writes, reads again, step by step."""

    def __init__(self, system: ModelSystem, manifest: Manifest, at: Callable[[str], None]) -> None:
        self.system, self.manifest, self.at = system, manifest, at

    def check(self) -> Check:
        return Check((("reachable", not self.system.failing, ""),))

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        yield Page(dataset, self.read_back(dataset, list(self.system.rows)), snapshot=True)

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        self._reach()
        columns = self.manifest.dataset(dataset).columns
        held = [self.system.rows[k] | {"id": k} for k in record_keys if k in self.system.rows]
        table = {c: pa.array([row.get(c) for row in held], pa.string()) for c in columns}
        return pa.table({**table, PLACE: pa.array(["model"] * len(held), pa.string())})

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        self._reach()
        for change in changes:
            yield self._one(change)

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        self.system.calls += 1
        if self.system.failing:
            raise Unreachable(self.manifest.id, "model", "no connection", "Wait.")

    def _one(self, change: Change) -> Outcome:
        if self.system.careful:
            rows = self.read_back(change.dataset, [change.record_key or ""])
            standing = standings(self.manifest, change.dataset, [change], rows)[change.change_id]
            early = settled(change, standing)
            if early is not None:
                return early
        fields = self.manifest.dataset(change.dataset).entity(change.role).fields
        columns = {fields[c.field].column[0]: c.new for c in change.changes}
        self.at("send")
        if self.system.late:
            self.system.late -= 1
            self.system.on_the_way.append((change, columns))
            return Outcome(change.change_id, "no_answer", "no_answer")
        self.system.write(change, columns)
        self.at("sent")
        if self.system.silent:
            self.system.silent -= 1
            return Outcome(change.change_id, "no_answer", "no_answer")
        self.at("read_back")
        rows = self.read_back(change.dataset, [change.record_key or ""])
        result = compare(self.manifest, change.dataset, change.role, [change], rows)[change.change_id]
        return verdict(change.change_id, result, receipt=f"r{change.change_id}", key=change.record_key)
