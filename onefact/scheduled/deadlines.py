"""What came too late (超时登记): a line per missed deadline in `<home>/deadlines.jsonl`, for whoever is on duty."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "deadlines.jsonl"


def home_folder() -> Path:
    """Return the working folder of this installation: `ONEFACT_HOME`, else `.onefact` where the scheduler runs."""
    return Path(os.environ.get("ONEFACT_HOME") or ".onefact").resolve()


async def missed(context: Mapping[str, Any] | None = None, **words: str) -> None:
    """Write a missed deadline down; a scheduler calls it with its context and the words given in the DAG."""
    run = (context or {}).get("dag_run")
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dag": _told(run, "dag_id"),
        "run": _told(run, "run_id") or _told(run, "dag_run_id"),
        **words,
    }
    path = home_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


def _told(run: object, name: str) -> str | None:
    """Return an attribute of a run, which a scheduler may hand over as an object or as a mapping."""
    value = run.get(name) if isinstance(run, Mapping) else getattr(run, name, None)
    return None if value is None else str(value)
