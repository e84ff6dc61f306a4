"""Quality (质量检查): run the rule catalogue over what the warehouse holds, publish the result, keep the work orders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from onefact.acting import acted
from onefact.home import Home
from onefact.law.tickets import working_days_after
from onefact.quality.inputs import inputs
from onefact.quality.settings import Settings, catalogue, load_settings
from quality import agreement, scores
from quality.catalogue import Catalogue
from quality.run import Result, run
from warehouse import working_copy
from warehouse.duck import first
from warehouse.quality import Orders, QualityWriter
from warehouse.reading import MasterReader

FOLDER = "quality"
"""Folder of the home with the snapshots, one folder per run."""

FAILING = (
    "SELECT rule_id, severity, code, entity_type, relation, system_id, record_key, role, master_id::VARCHAR AS master_id, field, street, "
    "community, grid, department, ordered FROM q_failing"
)

SNAPSHOT = {
    "failing": FAILING,
    "rules": "SELECT * FROM q_result",
    "scores": "SELECT * FROM q_score",
    "agreement": "SELECT * FROM q_agreement",
}
"""File of a snapshot -> what it holds. Failing rows name records and hold no values."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a run.

    Attributes:
        folder: the snapshot.
        total: the total score, None = 未评价.
        failing: failing rows.
    """

    run_id: str
    catalogue: str
    results: tuple[Result, ...]
    folder: Path
    total: float | None
    failing: int
    opened: int
    closed: int
    held: int

    @property
    def critical(self) -> tuple[Result, ...]:
        """Critical rules that failed."""
        return tuple(r for r in self.results if r.state == "failed" and r.rule.severity == "critical")

    @property
    def did_not_run(self) -> tuple[Result, ...]:
        """Rules that did not run."""
        return tuple(r for r in self.results if r.state == "did_not_run")


def check(home: Home) -> Checked:
    """Run all rules over the records and golden records of the last consolidation and publish the result.

    Raises:
        quality.catalogue.CatalogueError: a rule is wrong.
        onefact.quality.settings.SettingsUnreadable: so are the settings.
    """
    settings = load_settings(home)
    rules = catalogue(home, settings)
    run_id = home.new_run("quality")
    folder = home.path / FOLDER / run_id
    with home.warehouse() as con:
        with MasterReader(home.database.dsn(), home.seals) as master:
            working_copy.refresh(con, master)
        given = inputs(home, con)
        results = run(con, rules, given)
        scores.compute(con)
        agreement.compute(con, given.now)
        failing = _summarise(con, results)
        total = first(con, "SELECT score FROM q_score WHERE level = 'all' AND dimension = '00'")
        _snapshot(con, folder)
        orders = _keep(home, con, run_id, rules, results, settings, str(folder.relative_to(home.path)), failing)
    _forget_old(home, settings.keep)
    acted(
        home,
        "quality",
        "run",
        [run_id],
        count=failing,
        catalogue=rules.version,
        opened=orders.opened,
        closed=orders.closed,
    )
    return Checked(
        run_id, rules.version, tuple(results), folder, total[0] if total else None, failing, orders.opened, orders.closed,
        orders.held,
    )  # fmt: skip


def _summarise(con: duckdb.DuckDBPyConnection, results: list[Result]) -> int:
    table = pa.Table.from_pylist(
        [
            {
                "rule_id": r.rule.id, "state": r.state, "evaluated": r.evaluated, "failed": r.failed, "reason": r.reason,
            }
            for r in results
        ],
        schema=pa.schema(
            [("rule_id", pa.string()), ("state", pa.string()), ("evaluated", pa.int64()), ("failed", pa.int64()), ("reason", pa.string())]
        ),
    )  # fmt: skip
    con.register("_results", table)
    con.execute("CREATE OR REPLACE TEMP TABLE q_result AS SELECT * FROM _results")
    con.unregister("_results")
    row = first(con, "SELECT count(*) FROM q_failing")
    return int(row[0]) if row else 0


def _snapshot(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the snapshot beside its place and move it there whole: a reader never sees half of one."""
    beside = folder.with_name(f".{folder.name}")
    beside.mkdir(parents=True)
    for name, query in SNAPSHOT.items():
        reader = con.sql(query).to_arrow_reader(20_000)
        with pq.ParquetWriter(beside / f"{name}.parquet", reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    beside.rename(folder)


def _keep(
    home: Home, con: duckdb.DuckDBPyConnection, run_id: str, rules: Catalogue, results: list[Result], settings: Settings,
    folder: str, failing: int,
) -> Orders:  # fmt: skip
    now = home.now().astimezone()
    consolidated = first(con, "SELECT value FROM meta WHERE name = 'run_id'")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_run AS SELECT ?::TIMESTAMPTZ AS at, ? AS catalogue, ? AS consolidated, ?::BIGINT AS failing, ? AS folder",
        [now.isoformat(), rules.version, consolidated[0] if consolidated else None, failing, folder],
    )
    due = {
        "grid": working_days_after(now, settings.orders.grid_days),
        "authority": working_days_after(now, settings.orders.authority_days),
    }
    today = now.date()
    ran = [r.rule.id for r in results if r.state != "did_not_run"]
    ended: dict[str, tuple[str, ...]] = {
        r.id: () for r in rules.rules if not r.in_force(today) or r.waived(today) is None
    }
    ended |= {r.id: waived for r in rules.rules if r.id not in ended and (waived := r.waived(today))}
    with QualityWriter(home.database.dsn(), con, run_id, home.now()) as writer:
        writer.history()
        return writer.orders(ran, ended, due, settings.orders.most)


def _forget_old(home: Home, keep: int) -> None:
    """Remove old snapshots; their numbers stay in the master."""
    kept = sorted(p for p in (home.path / FOLDER).iterdir() if p.is_dir() and not p.name.startswith("."))
    for folder in kept[:-keep]:
        shutil.rmtree(folder)


def document(checked: Checked) -> dict[str, object]:
    """Return the result as plain data, for machines."""
    return {
        "run_id": checked.run_id, "catalogue": checked.catalogue, "total": checked.total, "failing": checked.failing,
        "orders": {"opened": checked.opened, "closed": checked.closed, "held": checked.held}, "folder": str(checked.folder),
        "rules": [
            {
                "id": r.rule.id, "name": r.rule.name, "code": r.rule.code, "severity": r.rule.severity, "state": r.state,
                "evaluated": r.evaluated, "failed": r.failed, "threshold": r.rule.threshold, "reason": r.reason,
            }
            for r in checked.results
        ],
    }  # fmt: skip
