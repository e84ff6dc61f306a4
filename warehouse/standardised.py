"""Standardised records (标准化记录): the current version of every source record in master fields, with rejects kept.

A batch is staged page by page and merged in one transaction. A record whose content is what is already known is
counted `unchanged` and touches nothing downstream, so replays and re-deliveries are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import standardised_schema
from warehouse.duck import RECORD_ID, SOURCE_ID, count, standardised_table

ADDRESS_PARTS = (
    "province", "city", "district", "street", "community", "road", "road_no", "compound", "building", "unit", "floor",
    "room",
)  # fmt: skip
"""Elements from which a full text is composed when a system delivers the elements only."""

VANISH_SHARE = 0.2
"""A complete reading may retract at most this share of a dataset's records by itself (DESIGN.md: an empty or
truncated source never deletes)."""

VANISH_FLOOR = 10
"""Below this number of absent records the share is not looked at: small datasets may lose a fifth honestly."""


DOUBT_FLOOR = 20
"""Below this number of rows nothing is said about a column of rejected values."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records of a batch; `received` is always the sum of the four outcomes.

    Attributes:
        taken: new, changed or retracted records; unchanged: already known with the same content.
        rejected: not taken, each with a row in `reject`; duplicates: delivered more than once in the batch.
        removed: of `taken`, how many were retracted; withheld_removals: absent records that the guard did not retract.
    """

    received: int = 0
    taken: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    removed: int = 0
    withheld_removals: int = 0
    rejected_values: int = 0

    @property
    def balanced(self) -> bool:
        """True when every received record has exactly one outcome."""
        return self.received == self.taken + self.unchanged + self.rejected + self.duplicates


class Stage:
    """Collects the decoded pages of one system's batch, then merges them into the standardised tables."""

    def __init__(self, con: duckdb.DuckDBPyConnection, system_id: str, batch_id: str, pulled_at: str) -> None:
        self._con, self._system, self._batch, self._pulled_at = con, system_id, batch_id, pulled_at
        self._page = 0
        for entity_type in ENTITIES:
            table = standardised_table(entity_type)
            con.execute(f"CREATE OR REPLACE TEMP TABLE stage_{entity_type} AS SELECT *, 0 AS page FROM {table} LIMIT 0")
        con.execute("CREATE OR REPLACE TEMP TABLE stage_link AS SELECT *, 0 AS page FROM std_link LIMIT 0")
        con.execute("CREATE OR REPLACE TEMP TABLE stage_hint AS SELECT *, 0 AS page FROM std_hint LIMIT 0")
        con.execute("CREATE OR REPLACE TEMP TABLE stage_reject AS SELECT *, 0 AS page FROM reject LIMIT 0")

    def add(
        self,
        tables: Mapping[EntityType, pa.Table],
        links: pa.Table | None = None,
        rejects: pa.Table | None = None,
        hints: pa.Table | None = None,
    ) -> None:
        """Stage one page; what is None has no rows. `hints` as `schemas.records.HINT_SCHEMA`."""
        self._page += 1
        for entity_type, table in tables.items():
            if table.num_rows:
                self._insert(entity_type, table)
        for name, table in (("link", links), ("reject", rejects), ("hint", hints)):
            if table is not None and table.num_rows:
                self._con.register("_page", table)
                columns = ", ".join(f'"{c}"' for c in table.column_names)
                self._con.execute(
                    f"INSERT INTO stage_{name} BY NAME SELECT {columns}, {self._page} AS page"
                    + (", ? AS batch_id" if name == "reject" else "")
                    + " FROM _page",
                    [self._batch] if name == "reject" else [],
                )
                self._con.unregister("_page")

    def _insert(self, entity_type: EntityType, table: pa.Table) -> None:
        # Only the columns that hold anything are hashed and copied: a page of persons fills a dozen of 77 fields.
        filled = [c for c in table.column_names if table[c].null_count < table.num_rows]
        columns = ", ".join(f'"{c}"' for c in filled)
        self._con.register("_page", table.select(filled))
        self._con.execute(
            f"INSERT INTO stage_{entity_type} BY NAME SELECT {columns}, ? AS batch_id, "
            f"{self._hashed(entity_type, filled)} AS content_hash, {RECORD_ID} AS rid, {SOURCE_ID} AS sid, "
            f"{self._page} AS page FROM _page",
            [self._batch],
        )
        self._con.unregister("_page")

    @staticmethod
    def _hashed(entity_type: EntityType, filled: Sequence[str]) -> str:
        """Return the SQL of a record's content hash: the same whichever empty columns a page happens to carry.

        Each value is hashed with its position in the declaration (a value moving to another field changes the hash) and
        the hashes are folded with xor. It is hashed twice, shifted by a character: DuckDB's hash gives long texts that differ
        in two places (9栋1单元301, 6栋1单元302) the same number too often. `place` and `dataset` move with the reading and say nothing about content.
        """
        names = [n for n in standardised_schema(entity_type).names if n not in {"place", "dataset", "system_id"}]
        terms = [
            f"""coalesce(CASE WHEN "{n}" IS NOT NULL THEN hash('{i}:' || "{n}"::VARCHAR, '~' || "{n}"::VARCHAR) END, 0)"""
            for i, n in enumerate(names)
            if n in filled
        ]
        folded = terms[0]
        for term in terms[1:]:
            folded = f"xor({folded}, {term})"
        return folded

    def mostly_rejected(self, received: int) -> list[tuple[str, str, str, int]]:
        """Return (dataset, column, rule, count) of columns of which at least half of the staged values were rejected."""
        if received < DOUBT_FLOOR:
            return []
        return self._con.execute(
            'SELECT r.dataset, r."column", mode(r.rule), count(*) FROM stage_reject r '
            "WHERE r.level = 'value' GROUP BY r.dataset, r.\"column\" HAVING count(*) * 2 >= ? ORDER BY ALL",
            [received],
        ).fetchall()

    def merge(self, counts: Counts, complete: Mapping[str, bool], *, dry_run: bool = False) -> Counts:
        """Merge the staged pages and return `counts` with taken/unchanged/duplicates settled.

        Args:
            counts: received and rejected as decoding counted them (taken = decoded records before merging).
            complete: dataset -> True when absence means gone (the reading was complete and the manifest says so).
            dry_run: only count; the standardised records stay as they are.
        """
        con = self._con
        con.execute("BEGIN")
        try:
            self._latest_versions()
            duplicates = self._count(
                "SELECT count(*) FROM (SELECT DISTINCT record_key, page FROM stage_version) v"
            ) - self._count("SELECT count(*) FROM stage_latest")
            self._changed()
            vanished, withheld = self._vanished([d for d, whole in complete.items() if whole])
            changed = self._count("SELECT count(*) FROM changed")
            removed = self._count("SELECT count(*) FROM changed WHERE gone")
            self._replace()
            con.execute("ROLLBACK" if dry_run else "COMMIT")
        except BaseException:
            con.execute("ROLLBACK")
            raise
        taken = changed - vanished
        return Counts(
            received=counts.received,
            taken=taken,
            unchanged=counts.taken - duplicates - taken,
            rejected=counts.rejected,
            duplicates=counts.duplicates + duplicates,
            removed=removed,
            withheld_removals=withheld,
            rejected_values=counts.rejected_values,
        )

    def preview(self) -> int:
        """Return how many records a merge would change, without merging."""
        self._latest_versions()
        self._changed()
        return self._count("SELECT count(*) FROM changed")

    def _count(self, sql: str) -> int:
        return count(self._con, sql)

    def _latest_versions(self) -> None:
        union = " UNION ALL ".join(
            f"SELECT record_key, page, dataset, deleted, content_hash FROM stage_{e}" for e in ENTITIES
        )
        # Two masked numbers are both NULL in the record: without its hints it would seem unchanged.
        union += " UNION ALL SELECT record_key, page, NULL, NULL, hash(entity_type, role, field, kind, value) FROM stage_hint"
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE stage_version AS SELECT record_key, page, any_value(dataset) AS dataset, "
            f"bool_or(coalesce(deleted, false)) AS deleted, sum(content_hash::HUGEINT) AS total FROM ({union}) "
            "GROUP BY record_key, page"
        )
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE stage_latest AS SELECT record_key, max(page) AS page, "
            "arg_max(dataset, page) AS dataset, arg_max(deleted, page) AS deleted, "
            "(arg_max(total, page) % 18446744073709551557)::UBIGINT AS content_hash FROM stage_version GROUP BY record_key"
        )

    def _changed(self) -> None:
        known = " UNION ".join(
            f"SELECT record_key, content_hash FROM {standardised_table(e)} WHERE system_id = '{self._system}'"
            for e in ENTITIES
        )
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE changed AS SELECT s.record_key, s.page, s.content_hash, s.deleted AS gone "
            f"FROM stage_latest s LEFT JOIN ({known}) k USING (record_key) "
            "WHERE CASE WHEN s.deleted THEN k.record_key IS NOT NULL "
            "ELSE k.content_hash IS DISTINCT FROM s.content_hash END"
        )

    def _vanished(self, datasets: Sequence[str]) -> tuple[int, int]:
        """Mark records absent from a complete reading as gone; return (marked, withheld by the guard)."""
        marked = withheld = 0
        for dataset in datasets:
            known = " UNION ".join(
                f"SELECT record_key FROM {standardised_table(e)} WHERE system_id = '{self._system}' "
                f"AND dataset = '{dataset}'"
                for e in ENTITIES
            )
            # A row that was there and could not be taken is not a row that is gone.
            seen_keys = (
                "SELECT record_key FROM stage_latest UNION SELECT record_key FROM stage_reject "
                "WHERE level = 'record' AND record_key IS NOT NULL"
            )
            absent = f"SELECT record_key FROM ({known}) WHERE record_key NOT IN ({seen_keys})"
            gone, before = (
                self._count(f"SELECT count(*) FROM ({absent})"),
                self._count(f"SELECT count(*) FROM ({known})"),
            )
            seen = self._count(f"SELECT count(*) FROM stage_latest WHERE dataset = '{dataset}'")
            if gone and (seen == 0 or (gone > VANISH_FLOOR and gone > before * VANISH_SHARE)):
                withheld += gone
                continue
            self._con.execute(f"INSERT INTO changed SELECT record_key, NULL, NULL, true FROM ({absent})")
            marked += gone
        return marked, withheld

    def _replace(self) -> None:
        con, where = self._con, f"system_id = '{self._system}' AND record_key IN (SELECT record_key FROM changed)"
        for entity_type in ENTITIES:
            table, stage = standardised_table(entity_type), f"stage_{entity_type}"
            con.execute(f"DELETE FROM {table} WHERE {where}")
            replaced = (
                "s.* EXCLUDE (page) REPLACE (c.content_hash AS content_hash, coalesce(s.observed_at, ?) AS observed_at"
            )
            if entity_type == "address":
                joined = f"concat({', '.join('s.' + p for p in ADDRESS_PARTS)})"
                longest = ENTITIES["address"].field("full_text").length
                whole = f"CASE WHEN length({joined}) BETWEEN 1 AND {longest} THEN {joined} END"
                replaced += f", coalesce(s.full_text, {whole}) AS full_text"
            con.execute(
                f"INSERT INTO {table} SELECT {replaced}) FROM {stage} s JOIN changed c USING (record_key, page) "
                "WHERE NOT c.gone",
                [self._pulled_at],
            )
        con.execute(f"DELETE FROM std_link WHERE {where}")
        con.execute(
            "INSERT INTO std_link SELECT s.* EXCLUDE (page) FROM stage_link s JOIN changed c USING (record_key, page) "
            "WHERE NOT c.gone"
        )
        con.execute(f"DELETE FROM std_hint WHERE {where}")
        con.execute(
            "INSERT INTO std_hint SELECT s.* EXCLUDE (page) FROM stage_hint s JOIN changed c USING (record_key, page) "
            "WHERE NOT c.gone"
        )
        # Rejects follow the delivery, not the content: a value that was put right by its neighbour (the sex by the ID number)
        # leaves the same record when the source corrects it.
        con.execute(
            f"DELETE FROM reject WHERE system_id = '{self._system}' AND record_key IN "
            "(SELECT record_key FROM changed UNION SELECT record_key FROM stage_latest)"
        )
        con.execute(
            "INSERT INTO reject SELECT s.* EXCLUDE (page) FROM stage_reject s LEFT JOIN stage_latest l USING (record_key) "
            "WHERE (l.page = s.page AND NOT l.deleted) OR s.level = 'record'"
        )
        con.execute(
            f"INSERT INTO touched_record SELECT '{self._system}' AS system_id, record_key, {SOURCE_ID} FROM changed"
        )
