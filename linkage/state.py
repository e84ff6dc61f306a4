"""What linking remembers between runs (链接状态), per entity, in the working copy: derived, so it can always be made again.

Comparable records, weighed pairs, and which component and cluster each record is in. A state made by another model or for
other columns is worth nothing and is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from linkage.comparable import Spec
from linkage.model import Model
from linkage.model.schema import document

PARTS: Final = ("record", "edge", "cluster", "foreign", "judged", "evidence", "two")


@dataclass(frozen=True, slots=True)
class State:
    """Names of the state tables of one entity.

    Attributes:
        record: comparable records with their blocking keys.
        edge: (l, r, weight) pairs from the review threshold on.
        cluster: (rid, component, cluster, rule).
        foreign: (rid) records whose number is another's.
        judged: (l, r, judgement) what persons decided, as last seen.
        evidence: (l, r, weight, rule) the edges told to the master.
        two: (rule, k, l, r, weight) very alike records of different valid identifiers (`linkage.two_numbers`).
    """

    entity: str

    def __getattr__(self, part: str) -> str:
        if part not in PARTS:
            raise AttributeError(part)
        return f"link_{part}_{self.entity}"


def current(con: duckdb.DuckDBPyConnection, spec: Spec, model: Model) -> bool:
    """Return whether the state of the entity was made by this model for these columns, and has all parts."""
    con.execute("CREATE TABLE IF NOT EXISTS link_state (entity VARCHAR PRIMARY KEY, made_by VARCHAR)")
    found = con.execute("SELECT made_by FROM link_state WHERE entity = ?", [spec.entity_type]).fetchall()
    return bool(found) and found[0][0] == _maker(spec, model)


def outdated(con: duckdb.DuckDBPyConnection, spec: Spec, model: Model) -> bool:
    """Return whether there is a state and another model made it: then everything is linked anew, though nothing changed."""
    if current(con, spec, model):
        return False
    return bool(con.execute("SELECT 1 FROM link_state WHERE entity = ?", [spec.entity_type]).fetchall())


def mark(con: duckdb.DuckDBPyConnection, spec: Spec, model: Model) -> None:
    """Remember by which model the state was made."""
    con.execute("INSERT OR REPLACE INTO link_state VALUES (?, ?)", [spec.entity_type, _maker(spec, model)])


def _maker(spec: Spec, model: Model) -> str:
    written = document(model)
    written.pop("trained")
    return f"{PARTS}{spec}{written}"


def fill(con: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Make a state table anew from a query."""
    con.execute(f"CREATE OR REPLACE TABLE {table} AS {query}")


def fill_records(con: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Make the state table of comparable records anew; its texts are nearly all different and lie uncompressed.

    A delta reads few of them everywhere in the table, and DuckDB would unpack all that lie beside each.
    """
    told = con.execute(f"DESCRIBE {query}").fetchall()
    columns = ", ".join(
        f"{name} {kind}{' USING COMPRESSION uncompressed' if name.endswith('_text') else ''}" for name, kind, *_ in told
    )
    con.execute(f"CREATE OR REPLACE TABLE {table} ({columns})")
    con.execute(f"INSERT INTO {table} {query}")
