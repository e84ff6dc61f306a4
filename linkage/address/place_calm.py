"""New texts that change nothing but their own building (平静的新文本): resolved there, their neighbourhood left alone.

Most new texts say of a place what others say already: the same plate, the same estate, another flat. Which site they mean
is then known, and nothing that the neighbourhood decides together can turn with them: which names are one, how a plate is
split, which doors are one compound, what a name without a plate means. Only the flats of their building are settled again.

A saying, new or vanished, is calm where another one stays that says the same of everything but the flat (`_WITNESS`), and

- its door has one site and at most one name, which stands at no other door: counts of texts and of shared flats decide
  nothing there (`linkage.address.place_sites`);
- every name without a plate in the neighbourhood means the one site at which just this name stands: no choice is open.

What is not calm is left to `linkage.address.place_neighbours`.
"""

from __future__ import annotations

from typing import Final

import duckdb

from linkage.address.place_flats import NAMED, fill_flats, name_sites, settle_codes

_WITNESS: Final = ("door", "combo", "name_code", "fold_code", "road")
_SAME: Final = " AND ".join(f"f.{c} IS NOT DISTINCT FROM k.{c}" for c in _WITNESS)


def find_calm(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_calm`: the calm ones of `place_scope` (new: `came`) and `place_gone`, with their place and building."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_news AS SELECT *, true AS came FROM place_scope "
        "UNION ALL SELECT *, false FROM place_gone"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_witness AS WITH known AS (SELECT saying, door, combo, name_code, fold_code, road "
        "FROM place_key WHERE combo IN (SELECT combo FROM place_news) AND saying NOT IN (SELECT saying FROM place_news)) "
        f"SELECT f.saying, min(k.saying) AS witness FROM place_news f JOIN known k ON f.combo = k.combo AND {_SAME} "
        # What names nothing that a place could be found by is alone, however many say it.
        "WHERE coalesce(f.door, f.name_code) IS NOT NULL OR coalesce(f.road, f.community, f.street, f.district, f.city) IS NOT NULL "
        "GROUP BY f.saying"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_calm AS SELECT n.*, p.site, p.neighbourhood FROM place_news n "
        "JOIN place_witness w USING (saying) JOIN (SELECT saying, site, neighbourhood FROM place_resolved "
        "WHERE saying IN (SELECT witness FROM place_witness)) p ON p.saying = w.witness"
    )
    _settled_doors(con)
    con.execute(
        "DELETE FROM place_calm WHERE site NOT IN (SELECT site FROM place_site WHERE sure) "
        "OR neighbourhood IN (SELECT neighbourhood FROM place_loose) "
        "OR (door IS NOT NULL AND door NOT IN (SELECT door FROM place_plain))"
    )
    for table in ("place_news", "place_witness", "place_plain", "place_loose"):
        con.execute(f"DROP TABLE {table}")


def _settled_doors(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_plain` (door, site, name_code): doors of one site and at most one name, which is no other door's.

    Also creates `place_loose` (neighbourhood): where a name without a plate means anything else than the one site of that
    name at a plain door.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_plain AS WITH named AS (SELECT DISTINCT door, name_code FROM place_key "
        "WHERE door IS NOT NULL AND name_code IS NOT NULL), "
        "many AS (SELECT door FROM named GROUP BY door HAVING count(*) > 1 UNION SELECT door FROM named WHERE name_code IN "
        "(SELECT name_code FROM named GROUP BY name_code HAVING count(*) > 1)) "
        "SELECT door, any_value(site) AS site, any_value(n.name_code) AS name_code FROM "
        "(SELECT DISTINCT door, site FROM place_resolved WHERE door IS NOT NULL) d LEFT JOIN named n USING (door) "
        "WHERE door NOT IN (SELECT door FROM many) GROUP BY door HAVING count(*) = 1"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_loose AS WITH bare AS (SELECT saying, name_code FROM place_key "
        "WHERE door IS NULL AND name_code IS NOT NULL) "
        "SELECT DISTINCT p.neighbourhood FROM place_resolved p JOIN bare b USING (saying) "
        "ANTI JOIN place_plain o ON o.site = p.site AND o.name_code = b.name_code"
    )


def settle_calm(con: duckdb.DuckDBPyConnection) -> int:
    """Settle the flats of the buildings that `place_calm` names; return how many sayings that were.

    Leaves the sayings whose place or its names changed in `place_changed` (saying).
    """
    _scope(con)
    con.execute("CREATE OR REPLACE TEMP TABLE place_maybe (saying UBIGINT, site UBIGINT)")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_asked AS SELECT saying FROM place_row UNION SELECT saying FROM place_calm"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_was AS SELECT * FROM place_resolved WHERE saying IN (SELECT saying FROM place_asked)"
    )
    rows = con.execute("SELECT count(*) FROM place_row").fetchall()
    for table in ("place_resolved", "place_option"):
        con.execute(f"DELETE FROM {table} WHERE saying IN (SELECT saying FROM place_asked)")
    fill_flats(con)
    settle_codes(con)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_changed AS SELECT saying FROM "
        "(SELECT * FROM place_resolved WHERE saying IN (SELECT saying FROM place_asked) EXCEPT SELECT * FROM place_was)"
    )
    _name_again(con)
    for table in ("place_row", "place_was", "place_asked", "place_calm"):
        con.execute(f"DROP TABLE {table}")
    return int(rows[0][0])


def _name_again(con: duckdb.DuckDBPyConnection) -> None:
    """Name the sites at which another name may be the commonest now, and add their texts to `place_changed` if so.

    One more of the commonest name, or one less of another, leaves it the commonest.
    """
    turned = " OR ".join(
        f"CASE WHEN c.came THEN c.{e} IS NOT NULL AND c.{e} IS DISTINCT FROM s.{e} ELSE c.{e} = s.{e} END"
        for e in NAMED
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_names AS SELECT * FROM place_site WHERE site IN "
        f"(SELECT c.site FROM place_calm c JOIN place_site s USING (site) WHERE {turned})"
    )
    if con.execute("SELECT 1 FROM place_names LIMIT 1").fetchall():
        con.execute("DELETE FROM place_site WHERE site IN (SELECT site FROM place_names)")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE place_row AS SELECT p.neighbourhood, p.site, true AS sure, k.* FROM place_key k "
            "JOIN (SELECT saying, neighbourhood, site FROM place_resolved WHERE site IN (SELECT site FROM place_names)) p USING (saying)"
        )
        name_sites(con)
        con.execute(
            "INSERT INTO place_changed SELECT saying FROM place_resolved WHERE site IN (SELECT site FROM "
            "(SELECT * FROM place_site WHERE site IN (SELECT site FROM place_names) EXCEPT SELECT * FROM place_names))"
        )
    con.execute("DROP TABLE place_names")


def _scope(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_row`: the sayings of the buildings in question, as they are before flats are filled in.

    A site of one building lends it to the texts that name none, so there all of the site is in question.
    """
    # A building that was filled in is the only one of its site: for telling how many there are it is as good as said.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_within AS SELECT saying, site, neighbourhood, building_no AS building, "
        "saying NOT IN (SELECT saying FROM place_calm WHERE NOT came) AS came, true AS was FROM place_resolved "
        "WHERE site IN (SELECT site FROM place_calm)"
    )
    con.execute(
        "INSERT INTO place_within SELECT saying, site, neighbourhood, building, true, false FROM place_calm WHERE came"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS WITH news AS (SELECT site, building FROM place_calm), "
        "whole AS (SELECT site FROM place_within GROUP BY site HAVING count(DISTINCT building) FILTER (came) < 2 "
        "OR count(DISTINCT building) FILTER (was) < 2 UNION SELECT site FROM news WHERE building IS NULL), "
        "chosen AS (SELECT saying, site, neighbourhood FROM place_within WHERE came AND (site IN (SELECT site FROM whole) "
        "OR (site, building) IN (SELECT site, building FROM news WHERE building IS NOT NULL))) "
        "SELECT k.*, c.neighbourhood, c.site, true AS sure, CASE WHEN k.door IS NULL AND k.name IS NULL THEN 0 END AS area "
        "FROM place_key k JOIN chosen c USING (saying)"
    )
    con.execute("DROP TABLE place_within")
