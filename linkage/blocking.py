"""Blocking (分块): which pairs are compared at all, bounded block by block.

A blocking key is the hash of a rule's columns. A key shared by more records than the rule's cap is a hub, a default value
or the phone of an office: it proposes no pairs, and `hubs_sql` reports it. A pair is proposed by the first rule that
holds, so no pair is compared twice and none needs to be remembered.
"""

from __future__ import annotations

from linkage.model import Model
from linkage.scoring import levels_sql, weight_sql


def keys_sql(model: Model) -> str:
    """Return the SQL of the blocking keys of a comparable record, `k_<rule>`, NULL where a column is empty."""
    keys = []
    for rule in model.blocking:
        known = " AND ".join(f"{column} IS NOT NULL" for column in rule.on)
        keys.append(f"CASE WHEN {known} THEN hash({', '.join(rule.on)}) END AS k_{rule.name}")
    return ", ".join(keys)


def hubs_sql(model: Model, proposers: str, records: str) -> str:
    """Return the SQL of the hubs among the keys of `proposers`: (rule, k, n), one row for each key over its rule's cap."""
    return " UNION ALL ".join(
        f"SELECT '{rule.name}' AS rule, k_{rule.name} AS k, count(*) AS n FROM {records} "
        f"WHERE k_{rule.name} IN (SELECT k_{rule.name} FROM {proposers} WHERE k_{rule.name} IS NOT NULL) "
        f"GROUP BY k_{rule.name} HAVING count(*) > {rule.cap}"
        for rule in model.blocking
    )


def proposers_sql(model: Model, records: str, hubs: str) -> str:
    """Return the SQL of the records that propose pairs: `records` with the keys that are hubs emptied."""
    names = [rule.name for rule in model.blocking]
    joins = " ".join(f"LEFT JOIN {hubs} h_{n} ON h_{n}.rule = '{n}' AND h_{n}.k = p.k_{n}" for n in names)
    emptied = ", ".join(f"CASE WHEN h_{n}.k IS NULL THEN p.k_{n} END AS e_{n}" for n in names)
    return f"SELECT p.*, {emptied} FROM {records} p {joins}"


def pairs_sql(model: Model, left: str, right: str, *, once: str) -> str:
    """Return the SQL of the proposed pairs that can reach the review threshold: (l, r, g_<comparison>, rarity_<comparison>).

    Args:
        model: the linkage model.
        left: relation of the proposers (`proposers_sql`): `rid`, `label`, keys, comparable columns.
        right: relation of all comparable records.
        once: SQL over `l` and `r` that is true for one of the two directions in which a pair may be found.

    Two records with labels (valid identifiers) are never compared: equal labels are one entity by rule, different ones
    never join by themselves.
    """
    parts = []
    for i, rule in enumerate(model.blocking):
        earlier = "".join(
            f" AND NOT coalesce(l.e_{other.name} = r.k_{other.name}, false)" for other in model.blocking[:i]
        )
        parts.append(
            f"SELECT l.rid AS l, r.rid AS r, {_compared(model)} FROM {left} l JOIN {right} r ON l.e_{rule.name} = r.k_{rule.name} "
            f"WHERE l.rid <> r.rid AND (l.label IS NULL OR r.label IS NULL) AND {once}{earlier}"
        )
    return _worth(model, " UNION ALL ".join(parts))


def listed_sql(model: Model, pairs: str, records: str) -> str:
    """Return the SQL of `pairs_sql` for pairs that are known: `pairs` (l, r) of comparable `records`."""
    return _worth(
        model,
        f"SELECT l.rid AS l, r.rid AS r, {_compared(model)} FROM {pairs} p JOIN {records} l ON l.rid = p.l "
        f"JOIN {records} r ON r.rid = p.r WHERE l.label IS NULL OR r.label IS NULL",
    )


def all_sql(model: Model, pairs: str, records: str) -> str:
    """Return the SQL of the levels of given pairs, whatever they weigh and whoever they are: for explaining."""
    return (
        f"SELECT l.rid AS l, r.rid AS r, {_compared(model)} FROM {pairs} p JOIN {records} l ON l.rid = p.l "
        f"JOIN {records} r ON r.rid = p.r"
    )


def _compared(model: Model) -> str:
    levels = ", ".join(f"{levels_sql(c, 'l', 'r')} AS g_{c.name}" for c in model.comparisons)
    # The commoner of the two values counts: what is rare in one decade may be common in the next.
    return levels + "".join(
        f", least(l.{c.name}_rarity, r.{c.name}_rarity) AS rarity_{c.name}" for c in model.comparisons if c.frequency
    )


def _worth(model: Model, compared: str) -> str:
    return f"SELECT * FROM ({compared}) p WHERE {weight_sql(model)} >= {model.thresholds.review}"
