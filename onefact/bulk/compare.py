"""Who each row is about, and what of it is new (比对): set by set in PostgreSQL, in the transaction that enters it.

Everything goes through temporary tables that end with the transaction: `bulk_row` (n and the canonical columns),
`bulk_found` (n, master_id, hits), `bulk_fact` (n, master_id, field, value). A dry run does the same and rolls back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv

from onefact.bulk.layout import Layout
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.publish import as_text
from warehouse.seals import MARK, seals_of
from warehouse.seals.values import sealed_fields

CSV = csv.WriteOptions(include_header=False, quoting_style="all_valid")
"""Every value quoted, NULL empty: PostgreSQL's CSV tells the two apart."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the master says of a row: the entity it is about, and how many entities fit."""

    master_id: str
    hits: int


def load(connection: sa.Connection, values: Mapping[str, pa.StringArray], rows: int) -> None:
    """Create `bulk_row` from canonical columns."""
    columns = "".join(f', "{name}" text' for name in values)
    connection.exec_driver_sql(f"CREATE TEMP TABLE bulk_row (n integer PRIMARY KEY{columns}) ON COMMIT DROP")
    table = pa.table({"n": pa.array(range(rows), pa.int32()), **values})
    copy(connection, "bulk_row", table)
    connection.exec_driver_sql("ANALYZE bulk_row")


def copy(connection: sa.Connection, name: str, table: pa.Table) -> None:
    """Stream an Arrow table into a PostgreSQL table within the transaction."""
    columns = ", ".join(f'"{c}"' for c in table.column_names)
    driver: Any = connection.connection.driver_connection
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, CSV)
    with driver.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT csv)".encode()) as stream:
        stream.write(memoryview(sink.getvalue()))


def find(connection: sa.Connection, layout: Layout, given: Sequence[str]) -> dict[int, Match]:
    """Find whom each row is about by the template's keys, the strongest first; creates `bulk_found`.

    Entities that were entered and not yet consolidated count as known, so that a second upload finds what the first one
    made. A weaker key counts only where the golden record does not contradict a stronger one of the row.
    """
    keys = [key for key in layout.found_by if set(key) <= set(given)]
    connection.exec_driver_sql("CREATE TEMP TABLE bulk_found (n integer, master_id uuid, hits integer) ON COMMIT DROP")
    if keys:
        known = _known(layout.entity_type, sorted({f for key in keys for f in key}))
        _equal(connection, layout.entity_type, sorted({f for key in keys for f in key}))
        connection.exec_driver_sql(f"CREATE TEMP TABLE bulk_known ON COMMIT DROP AS {known}")
        _opened(connection, "bulk_known")
    for i, key in enumerate(keys):
        same = " AND ".join(f'k."{f}" = r."{f}"' for f in key)
        calm = "".join(
            f' AND (k."{f}" IS NULL OR r."{f}" IS NULL OR k."{f}" = r."{f}")' for stronger in keys[:i] for f in stronger
        )
        connection.exec_driver_sql(
            "INSERT INTO bulk_found SELECT r.n, min(k.master_id::text)::uuid, count(DISTINCT k.master_id) FROM bulk_row r "
            f"JOIN bulk_known k ON {same}{calm} WHERE r.n NOT IN (SELECT n FROM bulk_found) GROUP BY r.n"
        )
    if keys:
        connection.exec_driver_sql("DROP TABLE bulk_known")
    connection.exec_driver_sql("ANALYZE bulk_found")
    rows = connection.exec_driver_sql("SELECT n, master_id::text, hits FROM bulk_found")
    return {n: Match(i, hits) for n, i, hits in rows}


def _equal(connection: sa.Connection, entity_type: EntityType, fields: Sequence[str]) -> None:
    """Create `bulk_equal` (field, text): the texts by which the keys of the rows may stand in the master, sealed or not."""
    connection.exec_driver_sql("CREATE TEMP TABLE bulk_equal (field text, text text) ON COMMIT DROP")
    seals = seals_of(connection)
    for name in fields:
        field = ENTITIES[entity_type].field(name)
        typed = connection.exec_driver_sql(
            f'SELECT DISTINCT "{name}" FROM bulk_row WHERE "{name}" IS NOT NULL'
        ).scalars()
        texts = [text for one in typed for text in seals.equal(field, one)]
        copy(
            connection,
            "bulk_equal",
            pa.table({"field": pa.array([name] * len(texts)), "text": pa.array(texts, pa.string())}),
        )
    connection.exec_driver_sql("ANALYZE bulk_equal")


def _opened(connection: sa.Connection, name: str) -> None:
    """Put what is sealed in a temporary table of the comparison in clear for its time, and analyse it."""
    rows = connection.exec_driver_sql(
        f"SELECT * FROM {name} t WHERE t::text LIKE '%%{MARK}%%'"  # rows without a sealed value stay where they are
    )
    names, held = list(rows.keys()), rows.all()
    if held:
        connection.exec_driver_sql(f"DELETE FROM {name} t WHERE t::text LIKE '%%{MARK}%%'")
        texts = [
            [v if v is None or isinstance(v, str) else _text(v) for v in column] for column in zip(*held, strict=True)
        ]
        copy(connection, name, pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, texts, strict=True)}))
    connection.exec_driver_sql(f"ANALYZE {name}")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def sealed(connection: sa.Connection, entity_type: EntityType) -> None:
    """Seal the values of `bulk_fact` that are to be written."""
    seals, names = seals_of(connection), [f.name for f in sealed_fields(entity_type)]
    found = connection.execute(
        sa.text("SELECT n, master_id::text, field, value FROM bulk_fact WHERE field = ANY(:names)"), {"names": names}
    ).all()
    if not found or seals.ring is None:
        return
    columns = zip(*((n, m, f, seals.value(entity_type, f, m, v)) for n, m, f, v in found), strict=True)
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bulk_sealed (n integer, master_id uuid, field text, value text) ON COMMIT DROP"
    )
    copy(
        connection,
        "bulk_sealed",
        pa.table(dict(zip(("n", "master_id", "field", "value"), map(pa.array, columns), strict=True))),
    )
    connection.exec_driver_sql(
        "UPDATE bulk_fact f SET value = s.value FROM bulk_sealed s WHERE s.n = f.n AND s.master_id = f.master_id AND s.field = f.field"
    )


def _known(entity_type: EntityType, fields: Sequence[str]) -> str:
    """Return the SQL of (master_id, keys): golden records that a row may mean, and entities entered since."""
    entity = ENTITIES[entity_type]
    golden = ", ".join(f'{as_text(entity.field(f))} AS "{f}"' for f in fields)
    entered = ", ".join(
        f"(array_agg(e.value ORDER BY e.entered_at DESC) FILTER (WHERE e.field = '{f}'))[1]" for f in fields
    )
    named = ", ".join(f"'{f}'" for f in fields)
    wanted = " OR ".join(f"\"{f}\" IN (SELECT text FROM bulk_equal WHERE field = '{f}')" for f in fields)
    return (
        f"SELECT master_id, {golden} FROM {entity_type} WHERE {wanted} UNION ALL SELECT e.master_id, {entered} FROM entry e "
        f"WHERE e.entity_type = '{entity_type}' AND e.field IN ({named}) "
        f"AND NOT EXISTS (SELECT 1 FROM {entity_type} g WHERE g.master_id = e.master_id) "
        "AND NOT EXISTS (SELECT 1 FROM redirect d WHERE d.old_id = e.master_id) GROUP BY e.master_id"
    )


def outside(connection: sa.Connection, entity_type: EntityType, field: str | None, within: Sequence[str]) -> set[int]:
    """Return the rows about places outside some grids: golden entities by where they are, others by their address.

    An address that is not word by word in the tree is nowhere yet, and so not outside.
    """
    golden = connection.execute(
        sa.text(
            f"SELECT f.n FROM bulk_found f JOIN {entity_type} g USING (master_id) WHERE NOT EXISTS (SELECT 1 FROM entity_grid e "
            f"WHERE e.entity_type = '{entity_type}' AND e.master_id = f.master_id AND e.grid = ANY(:within))"
        ),
        {"within": list(within)},
    )
    rows = {int(n) for (n,) in golden}
    if field is not None:
        new = connection.execute(
            sa.text(
                f'SELECT r.n FROM bulk_row r JOIN address_node a ON a.full_text = r."{field}" '
                "JOIN entity_grid e ON e.entity_type = 'address' AND e.master_id = a.master_id WHERE NOT EXISTS (SELECT 1 FROM "
                f"bulk_found f JOIN {entity_type} g USING (master_id) WHERE f.n = r.n) GROUP BY r.n HAVING NOT bool_or(e.grid = ANY(:within))"
            ),
            {"within": list(within)},
        )
        rows |= {int(n) for (n,) in new}
    return rows


def settle(connection: sa.Connection, table: pa.Table) -> None:
    """Create `bulk_take` (n, master_id, created): the rows that are taken in, each with its id."""
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bulk_take (n integer PRIMARY KEY, master_id uuid NOT NULL, created boolean NOT NULL) ON COMMIT DROP"
    )
    copy(connection, "bulk_take", table)
    connection.exec_driver_sql("ANALYZE bulk_take")


def facts(connection: sa.Connection, entity_type: EntityType, said: Sequence[str], derived: Sequence[str]) -> None:
    """Create `bulk_fact` (n, master_id, created, field, value): what the rows say that the master does not have.

    A field's present value is the golden one, or the newest entry where that is not older: it is on its way. `derived`
    columns (`bulk_row` has them as `derived_<field>`) count for new entities only.
    """
    entity = ENTITIES[entity_type]
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bulk_said ON COMMIT DROP AS SELECT DISTINCT ON (e.master_id, e.field) e.master_id, e.field, e.value, "
        f"e.entered_at FROM entry e JOIN bulk_take t USING (master_id) WHERE e.entity_type = '{entity_type}' "
        "ORDER BY e.master_id, e.field, e.entered_at DESC, e.entry_id DESC"
    )
    _opened(connection, "bulk_said")
    held = "".join(f', {as_text(entity.field(f))} AS "{f}"' for f in dict.fromkeys([*said, *derived]))
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE bulk_held ON COMMIT DROP AS SELECT g.master_id, provenance{held} FROM {entity_type} g "
        "WHERE master_id IN (SELECT master_id FROM bulk_take)"
    )
    _opened(connection, "bulk_held")
    lines = [f'(\'{f}\', r."{f}", h."{f}", true)' for f in said]
    for f in derived:
        silent = f' AND r."{f}" IS NULL' if f in said else ""
        lines.append(f'(\'{f}\', r."derived_{f}", h."{f}", t.created{silent})')
    since = "substring(h.provenance ->> v.field from '[^|]*$')"
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bulk_fact ON COMMIT DROP AS SELECT t.n, t.master_id, t.created, v.field, v.value "
        "FROM bulk_take t JOIN bulk_row r USING (n) LEFT JOIN bulk_held h USING (master_id) "
        f"CROSS JOIN LATERAL (VALUES {', '.join(lines)}) AS v(field, value, held, counts) "
        "LEFT JOIN bulk_said s ON s.master_id = t.master_id AND s.field = v.field "
        "WHERE v.counts AND v.value IS NOT NULL AND v.value IS DISTINCT FROM "
        f"CASE WHEN s.entered_at >= coalesce({since}, '') THEN s.value ELSE v.held END"
    )
    connection.exec_driver_sql("ANALYZE bulk_fact")
