"""DuckDB's SQL as Spark's, for the part of the language that the linkage pipeline keeps to.

What the two understand alike was checked where it matters: `least` and `greatest` pass over NULL in both, texts are
ordered by their bytes, numbers with an exponent are DOUBLE. What differs is translated here.
"""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp


@lru_cache(maxsize=512)
def spark_sql(sql: str) -> str:
    """Return a query of DuckDB's dialect in Spark's.

    `hash` becomes `xxhash64`: 64 bits as well, but signed and other values. Codes are compared for equality only and
    never leave an engine, so that is no difference in what is linked.

    Raises:
        sqlglot.errors.ParseError: the text is no query.
    """
    return sqlglot.parse_one(sql, read="duckdb").transform(_translated).sql(dialect="spark")


def _translated(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.lower() == "hash":
        return exp.Anonymous(this="xxhash64", expressions=node.expressions)
    return node
