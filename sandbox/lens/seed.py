"""Seeding the sandbox: a town seen through every manifest, written where the stand-ins load it from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.manifest.model import Manifest
from sandbox.lens.look import view
from sandbox.lens.settings import lens_for
from sandbox.town import make_town


def seed_all(home: Path, manifests: Mapping[str, Manifest], people: int, seed: int) -> None:
    """Make a town and write each system's rows, the truth and the counts below `<home>/sandbox/`.

    Files: `seed/<system>.<dataset>.parquet` (raw text rows), `truth.parquet` (`sandbox.lens.TRUTH`), `town.json`.
    """
    folder = home / "sandbox" / "seed"
    folder.mkdir(parents=True, exist_ok=True)
    town = make_town(people, seed)
    truth: list[pa.Table] = []
    counts: dict[str, int] = {}
    for system, manifest in sorted(manifests.items()):
        seen = view(town, manifest, lens_for(system), seed)
        for dataset, rows in seen.rows.items():
            pq.write_table(rows, folder / f"{system}.{dataset}.parquet", compression="zstd")
            counts[f"{system}.{dataset}"] = rows.num_rows
        truth.append(seen.truth)
    pq.write_table(pa.concat_tables(truth), home / "sandbox" / "truth.parquet", compression="zstd")
    summary = {
        "people": people,
        "seed": seed,
        "today": town.today.isoformat(),
        "entities": {entity: table.num_rows for entity, table in town.tables.items()},
        "records": sum(counts.values()),
        "datasets": counts,
    }
    (home / "sandbox" / "town.json").write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
