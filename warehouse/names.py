"""Forms of names kept beside the name: every distinct name that any record holds is standardised once.

What the forms are is the matter of linkage, which this room does not know: the caller brings the function.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa

from warehouse.distinct import work_new


def standardise_new(con: duckdb.DuckDBPyConnection, standardise: Callable[[pa.Array], pa.Table]) -> int:
    """Standardise every name that is not in `name_form` yet; return how many were new.

    Args:
        con: the warehouse.
        standardise: from distinct names to one row of forms each, with the columns of `name_form` but `text`.
    """
    return work_new(con, "name", "name_form", "folded, surname, pinyin, pinyin_fuzzy", standardise)
