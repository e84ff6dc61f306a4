"""A sample for an audit (抽样): golden values drawn at random with a seed, simple or stratified, the same for everybody who draws.

Each value has a number of its own, the SHA-256 of seed, entity and field; the smallest are drawn. So a draw hangs neither on the order
of rows nor on the engine, every value of a stratum has the same chance, and a value that comes or goes moves no other
(permanent random numbers, Ohlsson 1995). Strata get places in proportion to their size, at least one each (largest remainder).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from onefact.home import Home
from quality import relations
from quality.inputs import Inputs
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse import working_copy
from warehouse.duck import first
from warehouse.reading import MasterReader

Stratum = Literal["none", "system", "street", "community", "grid", "entity", "field"]

FULL_MOST = 200
"""Values that a sheet may show in full: more is a bulk export (domain README §5.1)."""

UNKNOWN = "未知"


class NothingToSample(Exception):
    """There is no golden value that fits."""

    def __init__(self) -> None:
        super().__init__("没有可抽的主数据取值：先运行 onefact run，或放宽 --entity、--field。")


class TooManyInFull(Exception):
    """A sheet with values in full may hold only a few."""

    def __init__(self, size: int) -> None:
        super().__init__(f"不脱敏的抽样表最多 {FULL_MOST} 项，要求了 {size} 项。请减少 --size，或不用 --full。")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn value: where it stands in the sample, what it says, where it came from."""

    number: int
    stratum: str
    entity_type: EntityType
    master_id: str
    field: str
    value: str
    system_id: str
    record_key: str
    observed_at: str
    street: str
    grid: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One stratum: how many values it has, and how many were drawn."""

    name: str
    population: int
    drawn: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample and all that is needed to draw it again.

    Attributes:
        run_id: the consolidation whose golden values it was drawn from.
        digest: SHA-256 over what was drawn, in order: who draws again compares it.
    """

    size: int
    seed: int
    stratify: Stratum
    entities: tuple[EntityType, ...]
    fields: tuple[str, ...]
    run_id: str | None
    drawn_at: datetime
    layers: tuple[Layer, ...]
    values: tuple[Drawn, ...]
    digest: str

    @property
    def population(self) -> int:
        """How many values could have been drawn."""
        return sum(layer.population for layer in self.layers)


def sample(
    home: Home,
    size: int,
    seed: int,
    stratify: Stratum = "none",
    entities: Sequence[EntityType] = (),
    fields: Sequence[str] = (),
) -> Sample:
    """Draw golden values.

    Args:
        home: the installation.
        size: how many; fewer when there are not so many.
        seed: the same seed draws the same values from the same golden records.
        stratify: what makes the strata; `system` is the one that a value came from.
        entities: only of these; all when empty.
        fields: only these fields; when empty all but those that no system may be told (religion, illness, justice).

    Raises:
        NothingToSample: nothing fits.
        schemas.model.UnknownField: an entity of those asked for has no such field, nor has any other.
    """
    chosen = tuple(entities) or tuple(ENTITIES)
    wanted = {e: _fields(e, fields) for e in chosen}
    if not any(wanted.values()):
        for name in fields:
            ENTITIES[chosen[0]].field(name)  # says so
    with home.warehouse() as con, MasterReader(home.database.dsn(), home.seals) as master:
        working_copy.refresh(con, master)
        relations.prepare(con, Inputs(home.now()))
        parts = [_population(e, names) for e, names in wanted.items() if names]
        con.execute(f"CREATE TEMP TABLE sampled_from AS {' UNION ALL '.join(parts)}")
        con.execute(f"CREATE TEMP TABLE layered AS SELECT *, {_stratum(stratify)} AS stratum FROM sampled_from")
        sizes = dict(con.execute("SELECT stratum, count(*) FROM layered GROUP BY stratum ORDER BY stratum").fetchall())
        if not sizes:
            raise NothingToSample
        places = allocate(sizes, size)
        rows = _draw(con, seed, places)
        run = first(con, "SELECT value FROM meta WHERE name = 'run_id'")
    values = tuple(_drawn(i, row) for i, row in enumerate(rows, 1))
    layers = tuple(Layer(name, n, places[name]) for name, n in sizes.items())
    return Sample(
        size,
        seed,
        stratify,
        chosen,
        tuple(fields),
        run[0] if run else None,
        home.now().astimezone(),
        layers,
        values,
        digest(values),
    )


def _fields(entity_type: EntityType, wanted: Sequence[str]) -> list[str]:
    fields = ENTITIES[entity_type].fields
    return [f.name for f in fields if (f.name in wanted if wanted else f.propagate and f.compartment == "base")]


def _population(entity_type: EntityType, names: Sequence[str]) -> str:
    """The SQL of the values of an entity, one row each, with source and place."""
    columns = ", ".join(f'"{n}"' for n in names)
    return (
        f"SELECT '{entity_type}' AS entity_type, u.master_id::VARCHAR AS master_id, u.field, u.value, "
        "string_split(json_extract_string(u.provenance, '$.' || u.field), '|') AS source, p.street, p.community, p.grid "
        f"FROM (UNPIVOT (SELECT master_id, provenance, {columns} FROM golden_{entity_type}) ON {columns} INTO NAME field VALUE value) u "
        f"LEFT JOIN q_place p ON p.entity_type = '{entity_type}' AND p.master_id = u.master_id"
    )


def _stratum(by: Stratum) -> str:
    match by:
        case "none":
            return "''"
        case "system":
            return f"coalesce(source[1], '{UNKNOWN}')"
        case "entity":
            return "entity_type"
        case "field":
            return "entity_type || '.' || field"
        case _:
            return f"coalesce({by}, '{UNKNOWN}')"


def allocate(sizes: dict[str, int], size: int) -> dict[str, int]:
    """Give strata their places: in proportion, at least one each while there are enough, never more than they have.

    The remainders decide about the last places; of equal ones the first name.
    """
    total = sum(sizes.values())
    wanted = min(size, total)
    if wanted < len(sizes):
        largest = sorted(sizes, key=lambda n: (-sizes[n], n))[:wanted]
        return {name: int(name in largest) for name in sizes}
    exact = {name: wanted * n / total for name, n in sizes.items()}
    places = {name: min(max(int(share), 1), sizes[name]) for name, share in exact.items()}
    order = sorted(sizes, key=lambda n: (places[n] - exact[n], n))
    while (missing := wanted - sum(places.values())) > 0:
        for name in [n for n in order if places[n] < sizes[n]][:missing]:
            places[name] += 1
    while (over := sum(places.values()) - wanted) > 0:
        for name in [n for n in reversed(order) if places[n] > 1][:over]:
            places[name] -= 1
    return places


def _draw(con: duckdb.DuckDBPyConnection, seed: int, places: dict[str, int]) -> list[tuple[str, ...]]:
    con.execute("CREATE TEMP TABLE places (stratum VARCHAR, n BIGINT)")
    con.executemany("INSERT INTO places VALUES (?, ?)", list(places.items()))
    number = f"sha256(concat_ws('|', '{int(seed)}', entity_type, master_id, field))"
    rows = con.execute(
        f"SELECT stratum, entity_type, master_id, field, value, coalesce(source[1], ''), coalesce(source[2], ''), coalesce(source[4], ''), "
        f"coalesce(street, ''), coalesce(grid, '') FROM (SELECT *, {number} AS number FROM layered) JOIN places USING (stratum) "
        "QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY number) <= n ORDER BY stratum, number"
    ).fetchall()
    return [tuple(map(str, r)) for r in rows]


def _drawn(number: int, row: tuple[str, ...]) -> Drawn:
    stratum, entity_type, *rest = row
    return Drawn(number, stratum, next(e for e in ENTITIES if e == entity_type), *rest)


def digest(values: Sequence[Drawn]) -> str:
    """Return the SHA-256 over entity, id, field and value of what was drawn, in order."""
    total = hashlib.sha256()
    for v in values:
        total.update(f"{v.entity_type}\x1f{v.master_id}\x1f{v.field}\x1f{v.value}\x1e".encode())
    return total.hexdigest()
