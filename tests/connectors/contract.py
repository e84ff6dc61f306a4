"""Behaviours that every kind of connector owes (契约): a test class of a kind inherits them and says what it lacks.

A kind gives its manifest, its stand-in and, where something can be delivered to it by hand, how. What it lacks stands in
`lacks` with the reason; a behaviour named there is reported as skipped with that reason, an unknown name fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from running import until
from support import Running, change_of, context_of, manifest_of, seed

from connectors.base import Connector, Context, Malformed
from connectors.manifest.model import Dataset, Manifest
from connectors.registry import connect
from connectors.told import records
from sandbox.store import Store
from schemas.records import Change, Outcome, Page

CASES: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "fixtures" / "nasty" / "deliveries.yaml").read_text(encoding="utf-8")
)
KEYS = ("K1", "K2", "K3")
OLD = {"K1": "13800000001", "K2": "13800000002", "K3": "13800000003"}
NEW = "13911112222"
NOW = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - local time of the systems


class Ticking:
    """The systems' clock: each look takes a second."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Bench:
    """A running stand-in and a connector to it."""

    home: Path
    manifest: Manifest
    running: Running
    context: Context
    connector: Connector
    steps: list[str] = field(default_factory=list)

    @property
    def dataset(self) -> Dataset:
        return self.manifest.datasets[0]

    def column(self, name: str) -> str:
        return self.dataset.entities[0].fields[name].column[0]

    def record(self, key: str) -> str:
        return f"{self.dataset.name}/{key}" if self.manifest.prefixed else key

    def change(self, key: str, old: str | None, new: str | None, number: str = "1", name: str = "phone") -> Change:
        return change_of(self.manifest, self.record(key), {name: (old, new)}, number=number)

    def stored(self, key: str) -> tuple[str | None, int]:
        """Phone and version in the system's own store: what it really holds, and how often it was written."""
        store = Store.open(self.home, self.manifest)
        row = store.row(self.dataset.name, key)
        store.close()
        assert row is not None
        return row.columns[self.column("phone")], row.version

    def shown(self, key: str) -> str | None:
        """The phone that the system shows, canonical."""
        rows = self.connector.read_back(self.dataset.name, [self.record(key)])
        now = records(self.manifest, self.dataset.name, rows)
        return now.get((self.record(key), self.dataset.entities[0].role), {}).get("phone")

    def edit(self, key: str, phone: str) -> None:
        """The system's own user changes a phone; returns when the system shows it."""
        edited = self.running.server.edit(self.manifest.id, self.dataset.name, key, {self.column("phone"): phone})
        self.running.run(edited)
        until(lambda: self.shown(key) == phone)

    def pull(self, cursor: str | None = None) -> list[Page]:
        return list(self.connector.pull(self.dataset.name, cursor))

    def phones(self, pages: Sequence[Page]) -> dict[str, str | None]:
        """Key -> phone of all rows; the last row of a key counts, as for the landing zone."""
        key, phone = self.dataset.key[0], self.column("phone")
        return {row[key]: row[phone] for page in pages for row in page.rows.to_pylist()}

    def push(self, *changes: Change) -> dict[str, Outcome]:
        """Push, and follow up what is answered later; exactly one outcome each."""
        outcomes = {o.change_id: o for o in self.connector.push(changes)}
        assert len(outcomes) == len(changes)
        pending = [(o.change_id, o.receipt or "") for o in outcomes.values() if o.state == "sent"]
        if pending:
            assert all(o.due for o in outcomes.values() if o.state == "sent"), "a later answer is due some time"
            follow: Callable[[Any], Iterator[Outcome]] = self.connector.follow_up  # type: ignore[attr-defined]

            def settled() -> bool:
                outcomes.update({o.change_id: o for o in follow(pending)})
                return all(o.state != "sent" for o in outcomes.values())

            until(settled)
        return outcomes


class Contract:
    """The behaviours; see the module."""

    manifest_file: ClassVar[str]
    changed: ClassVar[Mapping[str, Any]] = {}
    lacks: ClassVar[Mapping[str, str]] = {}

    # --- what a kind gives -------------------------------------------------------------------------------------------

    def server(self, manifest: Manifest, home: Path) -> Any:
        """The stand-in, not yet started."""
        raise NotImplementedError

    def deliver(self, bench: Bench, rows: Sequence[Mapping[str, Any] | None]) -> None:
        """Deliver rows as the system does, in this order; None is a row that is none (poison)."""
        raise NotImplementedError

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """An empty working folder."""
        return tmp_path

    @pytest.fixture
    def bench(self, home: Path) -> Iterator[Bench]:
        manifest = manifest_of(self.manifest_file, **self.changed)
        for dataset in manifest.datasets:
            seed(home, manifest, [row_of(manifest, dataset, key) for key in KEYS], dataset.name)
        with Running(self.server(manifest, home)) as running:
            steps: list[str] = []
            context = replace(context_of(home, running.variables), sleep=time.sleep, at=steps.append)
            connector = connect(manifest, context)
            yield Bench(home, manifest, running, context, connector, steps)
            connector.close()

    @pytest.fixture(autouse=True)
    def declared(self, request: pytest.FixtureRequest) -> None:
        """Skip what the kind says that it lacks, with its reason."""
        known = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")} | set(CASES)
        assert set(self.lacks) <= known, f"lacks names no behaviour: {set(self.lacks) - known}"
        case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
        name = request.node.originalname.removeprefix("test_")
        reason = self.lacks.get(name) or self.lacks.get(case or "")
        if reason:
            pytest.skip(f"{self.manifest_file} lacks it: {reason}")

    # --- reading -----------------------------------------------------------------------------------------------------

    def test_everything_comes_in_once(self, bench: Bench) -> None:
        pages = bench.pull()
        assert bench.phones(pages) == OLD
        assert sum(page.rows.num_rows for page in pages) == len(KEYS)

    def test_the_cursor_resumes(self, bench: Bench) -> None:
        cursor = bench.pull()[-1].cursor
        assert cursor is not None
        bench.edit("K2", NEW)
        assert bench.phones(bench.pull(cursor))["K2"] == NEW

    def test_a_crash_before_the_cursor_is_stored_reads_again(self, bench: Bench) -> None:
        next(iter(bench.connector.pull(bench.dataset.name, None)))
        assert bench.phones(bench.pull()) == OLD

    def test_nothing_new_is_an_empty_page_or_none(self, bench: Bench) -> None:
        cursor = bench.pull()[-1].cursor
        assert bench.phones(bench.pull(cursor)) == {}

    @pytest.mark.parametrize("case", CASES)
    def test_nasty_delivery(self, bench: Bench, case: str) -> None:
        expected = CASES[case]
        cursor = bench.pull()[-1].cursor
        self.deliver(bench, [self._raw(bench, expected, row) for row in expected["rows"]])
        pages: list[Page] = []
        error = None
        try:
            for page in bench.connector.pull(bench.dataset.name, cursor):
                pages.append(page)  # noqa: PERF402 - the pages before an error count
        except Malformed as problem:
            error = problem
        rejects = [r for page in pages for r in page.rejects.to_pylist() if r["level"] == "record"]
        if "refused" in expected:
            column = bench.column(expected["refused"])
            assert (error is not None and column in str(error)) or {r["column"] for r in rejects} == {column}
            assert bench.phones(pages) == {}
        else:
            assert error is None
            assert bench.phones(pages) == expected["taken"]
            assert len(rejects) == expected.get("rejects", 0)
            assert sum(page.rows.num_rows for page in pages) == len(expected["taken"])  # none twice

    def test_a_clock_that_is_wrong_loses_nothing(self, bench: Bench) -> None:
        stamp = bench.dataset.updated_at
        assert stamp is not None
        cursor = bench.pull()[-1].cursor
        ahead = {stamp.column: datetime(2099, 1, 1).strftime(stamp.formats[0])}  # noqa: DTZ001
        self.deliver(bench, [row_of(bench.manifest, bench.dataset, "K1", "13911110001", 2) | ahead])
        pages = bench.pull(cursor)
        assert bench.phones(pages)["K1"] == "13911110001"
        self.deliver(bench, [row_of(bench.manifest, bench.dataset, "K2", "13911110002", 3)])
        assert bench.phones(bench.pull(pages[-1].cursor))["K2"] == "13911110002"

    def test_what_comes_late_does_not_win(self, bench: Bench) -> None:
        cursor = bench.pull()[-1].cursor
        newer, older = (row_of(bench.manifest, bench.dataset, "K1", phone) for phone in ("13911110003", "13911110002"))
        self.deliver(bench, [{**newer, "version": 9}, {**older, "version": 8}])
        assert bench.phones(bench.pull(cursor)) == {"K1": "13911110003"}

    # --- writing -----------------------------------------------------------------------------------------------------

    def test_nothing_to_write_takes_no_step_and_no_request(self, bench: Bench) -> None:
        quota = bench.context.quota(bench.manifest)
        asked: list[int] = []
        quota.take = lambda count=1: asked.append(count)  # type: ignore[method-assign]
        assert list(bench.connector.push([])) == []
        assert (bench.steps, asked) == ([], [])

    def test_a_write_is_verified_with_its_answer_and_told_step_by_step(self, bench: Bench) -> None:
        outcome = bench.push(bench.change("K1", OLD["K1"], NEW))["1"]
        assert (outcome.state, outcome.record_key, outcome.near) == ("verified", bench.record("K1"), ())
        assert outcome.raw, "the system's own answer is evidence"
        assert bench.steps.index("send") < bench.steps.index("sent")
        assert bench.shown("K1") == NEW
        assert bench.shown("K2") == OLD["K2"]

    def test_the_same_key_twice_has_one_effect(self, bench: Bench) -> None:
        change = bench.change("K1", OLD["K1"], NEW)
        before = bench.stored("K1")[1]
        assert [bench.push(change)["1"].state for _ in range(2)] == ["verified", "verified"]
        assert bench.stored("K1") == (NEW, before + 1)

    def test_a_foreign_edit_is_a_conflict_that_shows_what_is_held(self, bench: Bench) -> None:
        bench.edit("K1", "13733334444")
        before = bench.stored("K1")
        outcome = bench.push(bench.change("K1", OLD["K1"], NEW))["1"]
        assert (outcome.state, outcome.held) == ("conflict", {"phone": "13733334444"})
        assert bench.stored("K1") == before

    def test_what_we_wrote_ourselves_is_no_foreign_edit(self, bench: Bench) -> None:
        assert bench.push(bench.change("K1", OLD["K1"], NEW))["1"].state == "verified"
        second = bench.change("K1", OLD["K1"], "13955556666", number="2")  # the next pull has not told yet
        known = replace(second, changes=tuple(replace(c, pushed=NEW) for c in second.changes))
        assert bench.push(known)["2"].state == "verified"
        assert bench.shown("K1") == "13955556666"

    def test_a_poison_change_does_not_hold_up_the_others(self, bench: Bench) -> None:
        good = bench.change("K1", OLD["K1"], NEW, number="good")
        poison = bench.change("K2", "测试2", "长" * 500, number="poison", name=self.text_field)
        last = bench.change("K3", OLD["K3"], "13955556666", number="last")
        outcomes = bench.push(good, poison, last)
        assert {n: o.state for n, o in outcomes.items()} == {
            "good": "verified", "poison": "rejected", "last": "verified",
        }  # fmt: skip
        assert "长长" not in outcomes["poison"].message

    def test_a_record_that_is_not_there_is_not_written(self, bench: Bench) -> None:
        outcome = bench.push(bench.change("K9", OLD["K1"], NEW))["1"]
        assert outcome.state == "rejected"

    def test_a_target_that_rewrites_is_equal_and_told_as_a_near_miss(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upsert = Store.upsert

        def padded(store: Store, dataset: str, key: str | None, columns: Mapping[str, str | None], *more: Any) -> Any:
            wide = {c: f" {v} " if c == bench.column("phone") and v else v for c, v in columns.items()}
            return upsert(store, dataset, key, wide, *more)

        monkeypatch.setattr(Store, "upsert", padded)
        outcome = bench.push(bench.change("K1", OLD["K1"], NEW))["1"]
        assert (outcome.state, outcome.near) == ("verified", ("phone",))

    # --- helpers -----------------------------------------------------------------------------------------------------

    text_field: ClassVar[str] = "name"

    @staticmethod
    def _raw(bench: Bench, case: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "raw" in row:
            return None
        raw: dict[str, Any] = row_of(bench.manifest, bench.dataset, row["of"])
        raw |= {bench.column(name): row[name] for name in ("name", "phone") if name in row}
        raw |= {"XINLIE": row["+"]} if "+" in row else {}
        for how in ("drop", "rename"):
            if how in case:
                value = raw.pop(bench.column(case[how]))
                raw |= {f"{bench.column(case[how])}HM": value} if how == "rename" else {}
        return raw


def row_of(
    manifest: Manifest, dataset: Dataset, key: str, phone: str | None = None, version: int | None = None
) -> dict[str, Any]:
    """A plausible row of any dataset: key, name, phone, stamps in the manifest's format, the first code of a dictionary."""
    row: dict[str, Any] = dict.fromkeys(dataset.columns)
    row |= dict.fromkeys(dataset.key, key)
    if dataset.updated_at:
        formats = dataset.updated_at.formats
        row[dataset.updated_at.column] = NOW.strftime(formats[0] if formats else "%Y-%m-%d %H:%M:%S")
    if dataset.deleted.column:
        row[dataset.deleted.column] = "0"
    entity = dataset.entities[0]
    for name, mapped in entity.fields.items():
        codes = manifest.code_map(mapped)
        if codes is not None:
            row[mapped.column[0]] = next(iter(codes.codes))
        elif name == "name":
            row[mapped.column[0]] = f"测试{key[1:]}"
        elif name == "phone":
            row[mapped.column[0]] = phone or OLD.get(key)
    return row | ({"version": version} if version is not None else {})
