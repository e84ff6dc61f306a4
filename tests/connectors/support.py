"""What the tests of the kinds share: test manifests, contexts, changes, seeds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from connectors.base import Context, Variables
from connectors.manifest.model import Manifest
from schemas.records import Change, FieldChange

MANIFESTS = Path(__file__).parents[1] / "fixtures" / "manifests"
NOW = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001  # systems write their own local time


def manifest_of(name: str, **changed: Any) -> Manifest:
    """A test manifest; `changed` replaces top-level keys."""
    data = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8"))
    return Manifest.model_validate({**data, **changed})


def context_of(home: Path, variables: Mapping[str, str], now: datetime = NOW) -> Context:
    return Context(home=home, folder=home, variables=Variables(dict(variables)), now=lambda: now, sleep=lambda _: None)


def change_of(
    manifest: Manifest,
    record_key: str | None,
    fields: Mapping[str, tuple[str | None, str | None]],
    *,
    number: str = "1",
    dataset: str | None = None,
    role: str | None = None,
    current: Mapping[str, str] | None = None,
) -> Change:
    spec = manifest.dataset(dataset) if dataset else manifest.datasets[0]
    entity = spec.entity(role) if role else spec.entities[0]
    changes = tuple(FieldChange(name, old, new) for name, (old, new) in fields.items())
    return Change(
        change_id=number,
        system_id=manifest.id,
        dataset=spec.name,
        entity_type=entity.type,
        role=entity.role,
        operation="update" if record_key else "create",
        record_key=record_key,
        changes=changes,
        key=f"{manifest.id}:{record_key}:{number}:v1",
        current=current or {},
    )


def seed(home: Path, manifest: Manifest, rows: Sequence[Mapping[str, str | None]], dataset: str | None = None) -> None:
    """Write the seed file from which a stand-in loads its rows."""
    name = dataset or manifest.datasets[0].name
    path = home / "sandbox" / "seed" / f"{manifest.id}.{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(column for row in rows for column in row))
    pq.write_table(pa.table({n: pa.array([row.get(n) for row in rows], pa.string()) for n in names}), path)


class Running:
    """A stand-in server in an event loop of its own thread, so that tests use it as any other program would."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.variables: dict[str, str] = self.run(self.server.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def rows_of(pages: Any) -> list[dict[str, str | None]]:
    """All rows of pages, without their places."""
    return [{k: v for k, v in row.items() if k != "_place"} for page in pages for row in page.rows.to_pylist()]
