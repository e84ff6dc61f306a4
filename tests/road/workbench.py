"""The consolidation without the master: what DuckDB derives from records, for histories that need many runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from onefact.consolidate import derive
from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import HINT_SCHEMA, REJECT_SCHEMA, standardised_schema
from warehouse import golden, working_copy
from warehouse.duck import open_warehouse
from warehouse.golden import Authority
from warehouse.standardised import Counts, Stage

LINKS = pa.schema(
    [(n, pa.string()) for n in ("system_id", "record_key", "link", "left_role", "right_role", "relation")]
)

Record = Mapping[str, Any]
"""Master fields plus `system`, `key`, `at` (observed), `deleted`, and `hint`: (kind, value) of a refused ID number."""

Partition = frozenset[frozenset[str]]


def person(system: str, key: str, at: str = "2026-10-01T00:00:00", *, deleted: bool = False, **fields: Any) -> Record:
    return {"system": system, "key": key, "at": at, "deleted": deleted, **fields}


class Workbench:
    """A warehouse file whose state is carried from run to run as after a publication."""

    def __init__(self, path: Path, authorities: Sequence[Authority] = ()) -> None:
        self.con: duckdb.DuckDBPyConnection = open_warehouse(path, threads=1, memory="300MB")
        self.authorities = list(authorities)
        self.pushed: list[tuple[str, ...]] = []
        self.decided: list[tuple[str, ...]] = []
        self.redirects: dict[str, str | None] = {}
        self.questions: dict[tuple[str, str], tuple[str, set[str]]] = {}
        self.batches = self.runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def load(
        self, records: Iterable[Record], entity_type: EntityType = "person", *, page: int = 1000, complete: bool = False
    ) -> list[Counts]:
        """Stage and merge one batch for each system, in pages of the given size."""
        by_system: dict[str, list[Record]] = {}
        for record in records:
            by_system.setdefault(record["system"], []).append(record)
        return [self._merge(s, rows, entity_type, page, complete) for s, rows in by_system.items()]

    def _merge(self, system: str, rows: Sequence[Record], entity_type: EntityType, page: int, complete: bool) -> Counts:
        self.batches += 1
        stage = Stage(self.con, system, f"b{self.batches}", "2026-11-01T00:00:00")
        twice = 0
        for start in range(0, len(rows), page):
            newest = {r["key"]: r for r in rows[start : start + page]}  # as decode does within a page
            twice += len(rows[start : start + page]) - len(newest)
            names = set(ENTITIES[entity_type].names)
            table = pa.Table.from_pylist(
                [
                    {
                        "system_id": system, "record_key": r["key"], "role": entity_type, "dataset": "all",
                        "observed_at": r["at"], "deleted": r["deleted"], "place": f"row {i}",
                        **{k: v for k, v in r.items() if k in names},
                    }
                    for i, r in enumerate(newest.values())
                ],
                schema=standardised_schema(entity_type),
            )  # fmt: skip
            hints = pa.Table.from_pylist(
                [
                    dict(
                        zip(
                            HINT_SCHEMA.names,
                            (system, r["key"], entity_type, entity_type, "id_number", *r["hint"]),
                            strict=True,
                        )
                    )
                    for r in newest.values()
                    if r.get("hint") and not r["deleted"]
                ],
                schema=HINT_SCHEMA,
            )
            stage.add({entity_type: table}, LINKS.empty_table(), REJECT_SCHEMA.empty_table(), hints)
        counts = Counts(received=len(rows), taken=len(rows) - twice, duplicates=twice)
        return stage.merge(counts, {"all": complete})

    def run(self) -> None:
        """Derive the new state and carry it over."""
        self.runs += 1
        golden.load_authority(self.con, self.authorities)
        key = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE decision_now ({key}, master_id UUID)")
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE pushed_now ({key}, field VARCHAR, value VARCHAR)")
        sides = ", ".join(f"{s}_{c} VARCHAR" for s in ("left", "right") for c in ("system", "key", "role"))
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE judgement_now (entity_type VARCHAR, {sides}, judgement VARCHAR)"
        )
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE former_now ({key}, master_id UUID)")
        for table, rows, marks in (("decision_now", self.decided, 5), ("pushed_now", self.pushed, 6)):
            for row in rows:
                self.con.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * marks)})", list(row))
        derive(self.con)
        for entity_type in ENTITIES:
            self.redirects |= dict(
                self.con.execute(f"SELECT old_id::VARCHAR, new_id::VARCHAR FROM ended_{entity_type}").fetchall()
            )
        self._ask()
        working_copy.commit(self.con, f"run{self.runs}")

    def _ask(self) -> None:
        """Keep the questions as the ledger does: those about touched entities are replaced by what is asked now."""
        touched = {i for (i,) in self.con.execute("SELECT master_id::VARCHAR FROM touched").fetchall()}
        self.questions = {pair: q for pair, q in self.questions.items() if not q[1] & touched}
        for left, right, reason, *masters in self.con.execute(
            "SELECT left_system || '/' || left_key, right_system || '/' || right_key, reason, left_master::VARCHAR, "
            "right_master::VARCHAR FROM review_now WHERE entity_type = 'person'"
        ).fetchall():
            self.questions[left, right] = reason, set(masters)

    def asked(self) -> dict[tuple[str, str], str]:
        """Two records (`system/key`) of persons -> the reason why it is asked whether they are one."""
        return {pair: reason for pair, (reason, _) in self.questions.items()}

    def ids(self, entity_type: EntityType = "person") -> dict[str, str]:
        """Record (`system/key`) -> master id."""
        found = self.con.execute(
            "SELECT system_id || '/' || record_key, master_id::VARCHAR FROM crosswalk WHERE entity_type = ?",
            [entity_type],
        ).fetchall()
        return dict(found)

    def rules(self, entity_type: EntityType = "person") -> dict[str, str]:
        """Record -> the rule that linked it."""
        found = self.con.execute(
            "SELECT system_id || '/' || record_key, rule FROM crosswalk WHERE entity_type = ?", [entity_type]
        ).fetchall()
        return dict(found)

    def partition(self, entity_type: EntityType = "person") -> Partition:
        groups: dict[str, set[str]] = {}
        for record, master in self.ids(entity_type).items():
            groups.setdefault(master, set()).add(record)
        return frozenset(map(frozenset, groups.values()))

    def golden(self, entity_type: EntityType = "person") -> dict[frozenset[str], dict[str, str]]:
        """Group of records -> golden values and provenance."""
        records: dict[str, set[str]] = {}
        for record, master in self.ids(entity_type).items():
            records.setdefault(master, set()).add(record)
        rows = self.con.execute(f"SELECT * FROM golden_{entity_type}")
        names = [d[0] for d in rows.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        assert sorted(str(r["master_id"]) for r in found) == sorted(records)  # one golden record for each entity
        return {
            frozenset(records[str(r["master_id"])]): {k: v for k, v in r.items() if v is not None and k != "master_id"}
            for r in found
        }

    def value(self, record: str, field: str) -> str | None:
        return next(values.get(field) for group, values in self.golden().items() if record in group)
