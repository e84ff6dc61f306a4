"""What the tests of bulk entry share: readable fixtures to golden records and to workbooks."""

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import xlsxwriter

from onefact.bulk.layout import layout
from onefact.home import Home
from warehouse.tables import ADDRESS_NODE, ADDRESS_POINT, ENTITY_GRID, METADATA

FIXTURES = Path(__file__).parent.parent / "fixtures" / "bulk"


def rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def fill_master(home: Home) -> list[str]:
    """Load the persons of master_person.tsv, each at a place of a grid; returns their ids in order."""
    ids = []
    with home.engine.begin() as connection:
        for i, row in enumerate(rows("master_person.tsv"), start=1):
            master, node, place = (f"00000000-0000-7000-8000-{n:04}{i:08}" for n in (1, 2, 3))
            grid = row.pop("grid")
            told = {n: v for n, v in row.items() if v}
            source = dict.fromkeys(told, f"ybss|{i}|person|2026-01-01T00:00:00")
            connection.execute(
                sa.insert(METADATA.tables["person"]).values(master_id=master, provenance=source, run_id="test", **told)
            )
            address = row["residence_address"]
            connection.execute(
                sa.insert(METADATA.tables["address"]).values(
                    master_id=place, full_text=address, grid_code=grid, provenance={}, run_id="test"
                )
            )
            connection.execute(
                sa.insert(ADDRESS_NODE).values(
                    node_id=node, level="room", name="室", full_text=address, master_id=place
                )
            )
            points = [("person", master, "residence_address"), ("address", place, "full_text")]
            for entity, who, field in points:
                connection.execute(
                    sa.insert(ADDRESS_POINT).values(
                        entity_type=entity, master_id=who, field=field, node_id=node, exact=True
                    )
                )
            for entity, who, field in points:
                connection.execute(
                    sa.insert(ENTITY_GRID).values(entity_type=entity, master_id=who, field=field, grid=grid)
                )
            ids.append(master)
    return ids


def workbook(entity: str, filled: Sequence[Mapping[str, Any]], *, titles: Mapping[str, str] | None = None) -> bytes:
    """Return a filled template; numbers are written as numeric cells, texts as texts."""
    named = {c.field.name: c.title for c in layout(entity).columns} | dict(titles or {})
    fields = list(dict.fromkeys(n for row in filled for n in row if n in named))
    memory = BytesIO()
    with xlsxwriter.Workbook(memory, {"strings_to_formulas": False, "in_memory": True}) as book:
        sheet = book.add_worksheet("填报")
        sheet.write_row(0, 0, [named[f] for f in fields])
        for at, row in enumerate(filled, start=1):
            for column, field in enumerate(fields):
                value = row.get(field)
                if isinstance(value, int | float):
                    sheet.write_number(at, column, value)
                elif value:
                    sheet.write_string(at, column, value)
    return memory.getvalue()
