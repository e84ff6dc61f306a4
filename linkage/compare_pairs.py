"""From proposed pairs to weighed pairs: the levels that need the texts, then the exact match weight."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from linkage.blocking import all_sql, hubs_sql, listed_sql, pairs_sql, proposers_sql
from linkage.comparison import Kind, kind_of
from linkage.engine import Engine
from linkage.model import Comparison, Model
from linkage.scoring import OPEN, weight_sql, worse_sql


def score_all(engine: Engine, model: Model, *, records: str) -> None:
    """Make `scored` from all proposed pairs of records, and `hub` (rule, k, n), the keys that propose none.

    `scored` is (l, r, g_<comparison>, rarity_<comparison>, weight): the pairs from the review threshold on.

    Args:
        engine: where the tables are.
        model: the linkage model.
        records: relation of all comparable records.
    """
    engine.table("unlabelled", f"SELECT * FROM {records} WHERE label IS NULL")
    engine.table("hub", hubs_sql(model, "unlabelled", records))
    engine.table("proposer", proposers_sql(model, "unlabelled", "hub"))
    # A pair of two records without identifiers is found from both sides; the smaller one keeps it.
    once = "(r.label IS NOT NULL OR l.rid < r.rid)"
    engine.table("scored", pairs_sql(model, "proposer", records, once=once))
    engine.drop("unlabelled", "proposer")
    _weigh(engine, model, records)


def score_listed(engine: Engine, model: Model, *, pairs: str, records: str) -> None:
    """Make `scored` from pairs that are known already.

    Args:
        engine: where the tables are.
        model: the linkage model.
        pairs: relation (l, r), each pair once.
        records: relation of the comparable records of these pairs.
    """
    engine.table("scored", listed_sql(model, pairs, records))
    _weigh(engine, model, records)


def levels_of(engine: Engine, model: Model, *, pairs: str, records: str) -> None:
    """Make `scored` of given pairs (l, r), whatever they weigh: for explaining."""
    engine.table("scored", all_sql(model, pairs, records))
    for comparison in model.comparisons:
        if kind_of(comparison.kind).textual:
            _look_at_texts(engine, model, comparison, records)
    engine.table("scored", f"SELECT p.*, {weight_sql(model)} AS weight FROM scored p")


def _weigh(engine: Engine, model: Model, records: str) -> None:
    """Look at the texts where the codes did not decide, and keep the pairs that reach the review threshold."""
    for comparison in model.comparisons:
        if kind_of(comparison.kind).textual:
            _look_at_texts(engine, model, comparison, records)
    weight = weight_sql(model)
    engine.table(
        "scored",
        f"SELECT * FROM (SELECT p.*, {weight} AS weight FROM scored p) w WHERE weight >= {model.thresholds.review}",
    )


def _look_at_texts(engine: Engine, model: Model, comparison: Comparison, records: str) -> None:
    """Replace `OPEN` in the levels of one comparison by what the texts say, each distinct pair of texts compared once."""
    kind, name = kind_of(comparison.kind), comparison.name
    text = f"{name}{kind.text}"
    # Records are joined as sides of the open pairs only: these are few, the records many.
    engine.table(
        "open_pair",
        f"SELECT p.l, p.r, least(a.{text}, b.{text}) AS one, greatest(a.{text}, b.{text}) AS other, "
        f"{worse_sql(comparison, 'a', 'b')} AS worse FROM scored p JOIN {records} a ON a.rid = p.l "
        f"JOIN {records} b ON b.rid = p.r WHERE p.g_{name} = {OPEN}",
    )
    pairs = engine.arrow("SELECT DISTINCT one, other FROM open_pair")
    if not pairs.num_rows:
        engine.drop("open_pair")
        return
    engine.put("told", _told(pairs, kind))
    engine.table(
        "told_pair",
        "SELECT o.l, o.r, CASE WHEN t.level IS NULL THEN o.worse ELSE t.level END AS level FROM open_pair o "
        "LEFT JOIN told t ON t.one = o.one AND t.other = o.other",
    )
    levels = ", ".join(
        f"CASE WHEN p.g_{c.name} = {OPEN} THEN t.level ELSE p.g_{c.name} END AS g_{c.name}"
        if c.name == name
        else f"p.g_{c.name}"
        for c in model.comparisons
    )
    rarity = "".join(f", p.rarity_{c.name}" for c in model.comparisons if c.frequency)
    engine.table(
        "scored", f"SELECT p.l, p.r, {levels}{rarity} FROM scored p LEFT JOIN told_pair t ON t.l = p.l AND t.r = p.r"
    )
    engine.drop("open_pair", "told", "told_pair")


def _told(pairs: pa.Table, kind: Kind) -> pa.Table:
    """Compare distinct pairs of texts; only pairs with a textual level come back, with its number."""
    if kind.compare is None or not pairs.num_rows:
        return pa.table(
            {"one": pa.array([], pa.string()), "other": pa.array([], pa.string()), "level": pa.array([], pa.int32())}
        )
    one, other = (pairs[side].combine_chunks() for side in ("one", "other"))
    said = kind.compare(one, other)
    position = pc.index_in(said, pa.array(kind.textual, pa.string()))
    alike = pc.is_valid(position)
    offset = pa.scalar(len(kind.better) + 1, pa.int32())
    return pa.table({"one": one, "other": other, "level": pc.add(position, offset)}).filter(alike)
