"""Extracts: exact counts, readable by the real connector, truth complete, the same bytes for the same seed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import Context, Variables
from connectors.manifest import load_all
from connectors.mapping import decode
from connectors.registry import connect
from sandbox.extracts import write_extracts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("extracts")
    write_extracts(path, 5000, seed=3)
    return path


def test_the_real_connector_reads_exactly_the_records(folder: Path) -> None:
    manifests = load_all(folder)
    assert len(manifests) == 10
    truth = pq.read_table(folder / "truth.parquet")
    known = set(zip(*(truth[c].to_pylist() for c in ("system_id", "record_key", "role")), strict=True))
    assert len(known) == truth.num_rows
    total = 0
    for system, manifest in manifests.items():
        connector = connect(manifest, Context(home=folder, folder=folder, variables=Variables({})))
        pages = list(connector.pull(manifest.datasets[0].name, None))
        rows = pa.concat_tables([page.rows for page in pages])
        assert sum(page.rejects.num_rows for page in pages) == 0
        total += rows.num_rows
        decoded = decode(rows, manifest, manifest.datasets[0].name, "2026-11-01T00:00:00")
        bad = [
            c
            for c, lv in zip(decoded.rejects["column"].to_pylist(), decoded.rejects["level"].to_pylist(), strict=True)
            if lv == "value"
        ]
        assert all(bad.count(column) < rows.num_rows / 5 for column in set(bad)), system
        for table in decoded.tables.values():
            assert table.num_rows > 0
            for key, role in zip(table["record_key"].to_pylist(), table["role"].to_pylist(), strict=True):
                assert (system, key, role) in known
    assert total == 5000


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_extracts(tmp_path, 5000, seed=3)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert len(names) >= 21
    assert all((folder / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_more_systems_than_conventions(tmp_path: Path) -> None:
    write_extracts(tmp_path, 3000, systems=13)
    assert sorted(load_all(tmp_path))[1:3] == ["x01_register_2", "x02_grid"]


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 100 records"):
        write_extracts(tmp_path, 99)
