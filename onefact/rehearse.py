"""Dry runs (试运行): a verb does all it would do, on a copy of the warehouse and in a transaction that is taken back.

Nothing is estimated: what a dry run tells is what the verb itself worked out. Systems are read, and not marked as read;
nothing is sent to anybody; landing, warehouse, master and log stay as they are. The copy holds personal data, so it lies in
the home, readable by the owner only, and goes with the run.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from onefact.home import Home

WAREHOUSE = "warehouse.duckdb"


@contextmanager
def rehearsal(home: Home, *, warehouse: bool = True) -> Iterator[Home]:
    """Yield a home of which nothing lasts.

    Args:
        home: the installation.
        warehouse: copy the warehouse; not needed by verbs that only judge.

    Raises:
        WarehouseBusy: another verb is writing to the warehouse.
    """
    home.path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=home.path) as folder:
        scratch = Path(folder)
        if warehouse:
            with home.warehouse() as con:  # nobody writes while it is copied
                con.execute("CHECKPOINT")
                shutil.copyfile(home.path / WAREHOUSE, scratch / WAREHOUSE)
        rehearsed = replace(home, scratch=scratch)
        # One server, one set of connections: the copy is of the warehouse only.
        rehearsed.__dict__.update({n: getattr(home, n) for n in ("manifests", "database", "engine")})
        yield rehearsed
