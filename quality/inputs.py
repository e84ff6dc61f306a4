"""What a run of the rules needs beside the warehouse: days, departments, and what the master knows of systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

SYSTEM_SCHEMA = pa.schema(
    [
        ("system_id", pa.string()),
        ("department", pa.string()),
        ("readable", pa.bool_()),
        ("writable", pa.bool_()),
        ("cadence_days", pa.int32()),
        ("expires", pa.string()),
        ("last_pull", pa.string()),
        ("last_good_pull", pa.string()),
        ("last_error", pa.bool_()),
        ("received", pa.int64()),
        ("refused_records", pa.int64()),
        ("withheld_removals", pa.int64()),
        ("records", pa.int64()),
        ("overdue_changes", pa.int64()),
        ("settled_changes", pa.int64()),
        ("rejected_changes", pa.int64()),
    ]
)
"""One row per system, what rules on systems see: times are ISO texts, counts are of the last good pull or of the outbox."""

GHOST_SCHEMA = pa.schema([(n, pa.string()) for n in ("entity_type", "system_id", "record_key", "role")])
"""Records that the last reconciliation found to be gone or doubled at their system."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one run.

    Attributes:
        now: the moment of the run, local time of the site.
        departments: system id -> department.
        expected: (entity, field) -> the (system, role) whose manifest reads the field: only there can it be missing.
            None = every record is expected to have every field.
        systems: `SYSTEM_SCHEMA`.
        ghosts: `GHOST_SCHEMA`, None when no reconciliation has run.
        available: the inputs that rules may name in `needs` and that are there; `system:<id>` for systems with records is
            worked out from the warehouse.
    """

    now: datetime
    departments: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[tuple[str, str], frozenset[tuple[str, str]]] | None = None
    systems: pa.Table = field(default_factory=SYSTEM_SCHEMA.empty_table)
    ghosts: pa.Table | None = None
    available: frozenset[str] = frozenset()
