"""Functions that predicates of rules may use, as DuckDB macros: vectorised, without leaving SQL."""

from __future__ import annotations

import duckdb

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _id_sum() -> str:
    # Arithmetic on one number: seventeen substrings would be ten times as slow.
    digits = (f"(TRY_CAST(left(x, 17) AS BIGINT) // {10 ** (16 - i)} % 10) * {w}" for i, w in enumerate(_ID_WEIGHTS))
    return " + ".join(digits)


def _uscc_sum() -> str:
    return " + ".join(f"(strpos('{_USCC_ALPHABET}', substr(x, {i + 1}, 1)) - 1) * {3**i % 31}" for i in range(17))


MACROS = {
    "id_birth(x)": "substr(x, 7, 4) || '-' || substr(x, 11, 2) || '-' || substr(x, 13, 2)",
    "id_sex(x)": "CASE WHEN ascii(substr(x, 17, 1)) % 2 = 1 THEN '1' ELSE '2' END",
    "id_ok(x)": (
        "length(x) = 18 AND TRY_CAST(left(x, 17) AS BIGINT) >= 0 "
        f"AND substr('10X98765432', (({_id_sum()}) % 11)::INTEGER + 1, 1) = right(x, 1) "
        "AND TRY_CAST(substr(x, 7, 4) || '-' || substr(x, 11, 2) || '-' || substr(x, 13, 2) AS DATE) IS NOT NULL"
    ),
    "uscc_ok(x)": (
        f"regexp_full_match(x, '[{_USCC_ALPHABET}]{{18}}') "
        f"AND substr('{_USCC_ALPHABET}', ((31 - ({_uscc_sum()}) % 31) % 31)::INTEGER + 1, 1) = right(x, 1)"
    ),
    "years(a, b)": (
        "TRY_CAST(left(b, 4) AS INTEGER) - TRY_CAST(left(a, 4) AS INTEGER) - (substr(b, 6, 5) < substr(a, 6, 5))::INTEGER"
    ),
    "days(a, b)": "date_diff('day', TRY_CAST(left(a, 10) AS DATE), TRY_CAST(left(b, 10) AS DATE))",
}
"""Signature -> definition. `id_ok`, `uscc_ok`: the check character is right (GB 11643, GB 32100); `id_birth`, `id_sex`: what a
citizen number says; `years`, `days`: whole years and days from a to b, texts that begin with an ISO date."""


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Create the macros in a connection."""
    for signature, definition in MACROS.items():
        con.execute(f"CREATE OR REPLACE TEMP MACRO {signature} AS ({definition})")
