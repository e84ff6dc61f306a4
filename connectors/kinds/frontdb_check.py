"""Do the staging tables look as the manifest says? Answers in lines that a data engineer can act on."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.manifest.sources import FrontdbSource

Line = tuple[str, bool, str]
"""What was tried, whether it worked, a remark."""


def check_columns(
    inspector: sa.Inspector, schema: str | None, dataset: str, source: FrontdbSource, columns: Sequence[str]
) -> list[Line]:
    """Return one line per staging table of a dataset: is it there, and has it all columns?"""
    flags = [source.row_id, source.operation, source.sync_flag, source.error, source.batch, source.time]
    lines = [_check(inspector, schema, f"{dataset} out", source.out_table, [*columns, *flags, source.sequence])]
    if source.in_table:
        lines.append(_check(inspector, schema, f"{dataset} in", source.in_table, [*columns, *flags]))
    return lines


def _check(inspector: sa.Inspector, schema: str | None, what: str, table: str, wanted: Sequence[str]) -> Line:
    try:
        present = [column["name"] for column in inspector.get_columns(table, schema)]
    except exc.NoSuchTableError:
        near = difflib.get_close_matches(table, inspector.get_table_names(schema), n=3, cutoff=0.4)
        return what, False, f"no table {table}{_hint(near)}"
    missing = [name for name in dict.fromkeys(wanted) if name not in present]
    if not missing:
        return what, True, f"{table}: {len(set(wanted))} columns found"
    near = difflib.get_close_matches(missing[0], present, n=3, cutoff=0.4)
    return what, False, f"{table} lacks {', '.join(missing)}{_hint(near)}"


def _hint(near: Sequence[str]) -> str:
    return f"; did you mean {', '.join(near)}?" if near else ""
