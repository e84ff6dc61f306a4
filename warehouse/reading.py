"""From PostgreSQL to Arrow (读取主库): one connection for all that a run reads, since connecting takes longer than most queries."""

from __future__ import annotations

from typing import Any, Self

import pyarrow as pa

from warehouse.seals import NONE, Seals


class MasterReader:
    """A reading connection to the master; use as a context manager. What is sealed comes opened (`seals`).

    Raises:
        adbc_driver_manager.OperationalError: the master cannot be reached.
    """

    def __init__(self, dsn: str, seals: Seals = NONE) -> None:
        self._dsn, self._seals = dsn, seals
        self._opened: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def fetch(self, query: str) -> pa.Table:
        """Return the result of a query as it stands now: no snapshot is held from one query to the next."""
        with self._connection().cursor() as cursor:
            cursor.execute(query)
            return self._seals.table(cursor.fetch_arrow_table())

    def fetch_beside(self, name: str, rows: pa.Table, query: str) -> pa.Table:
        """Return the result of a query that reads `rows` as the temporary table `name`: what the master knows of a few."""
        with self._connection().cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
            cursor.adbc_ingest(name, rows, mode="create", temporary=True)
            cursor.execute(f"ANALYZE {name}")  # else the planner takes the few for many and reads the whole large table
            cursor.execute(query)
            return self._seals.table(cursor.fetch_arrow_table())

    def _connection(self) -> Any:
        if self._opened is None:
            import adbc_driver_postgresql.dbapi as adbc  # brings pyarrow.dataset: a second, for the verbs that never read

            self._opened = adbc.connect(self._dsn, autocommit=True)
        return self._opened


def fetch(dsn: str, query: str, seals: Seals = NONE) -> pa.Table:
    """Return the result of one query as Arrow (for exports)."""
    with MasterReader(dsn, seals) as master:
        return master.fetch(query)
