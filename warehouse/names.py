"""Forms of names kept beside the name: every distinct name that any record holds is standardised once.

What the forms are is the matter of linkage, which this room does not know: the caller brings the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import duckdb
import pyarrow as pa

from warehouse.distinct import columns_of, work_new
from warehouse.duck import standardised_table


def standardise_new(con: duckdb.DuckDBPyConnection, standardise: Callable[[pa.Array], pa.Table]) -> int:
    """Standardise every name that is not in `name_form` yet; return how many were new.

    Args:
        con: the warehouse.
        standardise: from distinct names to one row of forms each, with the columns of `name_form` but `text`.
    """
    return work_new(con, columns_of("name"), "name_form", "folded, surname, pinyin, pinyin_fuzzy", standardise)


ORGANISATION_NAMES: Final = ("name", "short_name", "sign_name")
"""Fields of an organisation that name it: names of a kind that only linkage knows, so they are plain text elsewhere."""


def standardise_organisations_new(con: duckdb.DuckDBPyConnection, standardise: Callable[[pa.Array], pa.Table]) -> int:
    """Standardise every name of an organisation that is not in `org_form` yet; return how many were new.

    Args:
        con: the warehouse.
        standardise: from distinct names to one row of forms each, with the columns of `org_form` but `text`.
    """
    sources = [(standardised_table("organisation"), field) for field in ORGANISATION_NAMES]
    return work_new(con, sources, "org_form", "name, plain, folded, place, family, branch, pinyin", standardise)
