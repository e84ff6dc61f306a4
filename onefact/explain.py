"""Explain (解释): why two records, or the records of two entities, are one or not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import duckdb
import sqlalchemy as sa

from linkage.comparable import SPECS
from linkage.comparison import kind_of
from linkage.explain import Explanation, Step, explain, take_apart
from linkage.model import Model
from linkage.state import State
from linkage.waterfall import Bar, draw
from onefact import models
from onefact.enter import is_uuid
from onefact.home import Home
from onefact.review import Question
from schemas.model import EntityType
from warehouse.tables import REVIEW


class NothingToExplain(Exception):
    """Two names between which there is nothing to explain, with the reason and what to do (中文)."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with the names of the two records, the model, and what became of them in the master.

    Attributes:
        together: both are one entity now.
        judged: what a person decided (positive, negative, unsure), if one did: of these two records where they are one
            entity, of any records of the two entities where they are not.
        asked: why the pair of entities waits for a person (as in the review list), if it does.
    """

    entity_type: EntityType
    left: str
    right: str
    model: Model
    told: Explanation
    together: bool
    judged: str | None = None
    asked: str | None = None


def of_question(home: Home, asked: Question) -> Explained | None:
    """Explain the two records of a review question; None where that cannot be (no weights, a record is gone)."""
    one, other = (f"{r.system_id}/{r.record_key}/{r.role}" for r in (asked.left.record, asked.right.record))
    try:
        return between(home, one, other, asked.entity_type)
    except NothingToExplain:
        return None


@dataclass(frozen=True, slots=True)
class _Record:
    rid: int
    name: str
    master: str


def between(home: Home, one: str, other: str, entity_type: EntityType = "person") -> Explained:
    """Explain two records (`system/key` or `system/key/role`) or two master ids; of two entities their likeliest pair.

    Raises:
        NothingToExplain: a name is unknown, both are one record, or the entity is not linked by weights.
    """
    if entity_type not in SPECS:
        raise NothingToExplain("该类对象按号码与地址归并，不计权重；请用 onefact trace 查看来源。")
    model, names = models.current(home, entity_type), State(entity_type)
    with home.warehouse() as con:
        if not con.execute("SELECT 1 FROM information_schema.tables WHERE table_name = ?", [names.record]).fetchall():
            raise NothingToExplain("尚未归集。请先执行 onefact consolidate。")
        left, right = (_records(con, entity_type, wanted) for wanted in (one, other))
        pairs = [(a, b) for a in left for b in right if a.rid != b.rid]
        if not pairs:
            raise NothingToExplain("两个名称指同一条记录，没有可比之处。")
        a, b = pairs[0] if len(pairs) == 1 else _likeliest(con, names, pairs)
        told = explain(con, model, names.record, a.rid, b.rid)
        judged = _judged(con, names, a, b)
    asked = None if a.master == b.master else _asked(home, entity_type, a.master, b.master)
    return Explained(entity_type, a.name, b.name, model, told, a.master == b.master, judged, asked)


def _judged(con: duckdb.DuckDBPyConnection, names: State, one: _Record, other: _Record) -> str | None:
    """What a person decided of the two records if they are one entity, of any records of the two entities if not.

    What joins one entity may be a judgement on records that have nothing to do with these two; what keeps two apart
    keeps all their records apart.
    """
    if one.master == other.master:
        rids, rids_other = f"SELECT {one.rid}", f"SELECT {other.rid}"
    else:
        entity = "SELECT rid FROM crosswalk WHERE master_id = '{}'::UUID"
        rids, rids_other = entity.format(one.master), entity.format(other.master)
    rows = con.execute(
        f"SELECT judgement FROM {names.judged} WHERE (l IN ({rids}) AND r IN ({rids_other})) "
        f"OR (l IN ({rids_other}) AND r IN ({rids})) ORDER BY judgement = 'unsure', judgement LIMIT 1"
    ).fetchall()
    return str(rows[0][0]) if rows else None


def _asked(home: Home, entity_type: EntityType, one: str, other: str) -> str | None:
    open_ = sa.select(REVIEW.c.reason).where(
        REVIEW.c.state == "open",
        REVIEW.c.entity_type == entity_type,
        REVIEW.c.left_master.in_([one, other]),
        REVIEW.c.right_master.in_([one, other]),
    )
    with home.engine.connect() as connection:
        reason: str | None = connection.execute(open_).scalar()
    return reason


def _records(con: duckdb.DuckDBPyConnection, entity_type: EntityType, wanted: str) -> list[_Record]:
    if is_uuid(wanted):
        test, values = "master_id = ?::UUID", [wanted]
    else:
        parts = wanted.split("/")
        if len(parts) < 2:
            raise NothingToExplain(f"“{wanted}”不是记录名。请写作 系统/记录号，或主数据编号。")
        test, values = "system_id || '/' || record_key IN (?, ?)", [wanted, "/".join(parts[:-1])]
        if len(parts) > 2:
            test += " AND (system_id || '/' || record_key = ? OR role = ?)"
            values += [wanted, parts[-1]]
    rows = con.execute(
        "SELECT rid, system_id || '/' || record_key, master_id::VARCHAR FROM crosswalk "
        f"WHERE entity_type = ? AND {test} ORDER BY ALL",
        [entity_type, *values],
    ).fetchall()
    if not rows:
        raise NothingToExplain(f"没有名为“{wanted}”的记录或主数据。用 onefact trace 可按证件号码、姓名或电话查到。")
    return [_Record(*row) for row in rows]


def _likeliest(
    con: duckdb.DuckDBPyConnection, names: State, pairs: list[tuple[_Record, _Record]]
) -> tuple[_Record, _Record]:
    """The pair that weighs most; the first by name where none was weighed."""
    by_rid = {(a.rid, b.rid): (a, b) for a, b in pairs} | {(b.rid, a.rid): (a, b) for a, b in pairs}
    ids = sorted({rid for pair in by_rid for rid in pair})
    heaviest = con.execute(
        f"SELECT l, r FROM {names.edge} WHERE l IN (SELECT unnest(?)) AND r IN (SELECT unnest(?)) "
        "ORDER BY weight DESC, l, r",
        [ids, ids],
    ).fetchall()
    return next((by_rid[pair] for pair in heaviest if pair in by_rid), pairs[0])


@lru_cache(maxsize=1)
def _words() -> dict[tuple[str, str], str]:
    with files("linkage").joinpath("words.csv").open(encoding="utf-8") as file:
        return {(row["kind"], row["name"]): row["words"] for row in csv.DictReader(file)}


def label(model: Model, step: Step) -> str:
    """Return what a step says, e.g. 姓名：同音不同字."""
    comparison = model.comparison(step.comparison)
    # The same column is called otherwise for another entity: 户籍地址 of a person, 注册地址 of an organisation.
    own = _words().get((f"comparison of {model.entity}", step.comparison))
    named = own or _words().get(("comparison", step.comparison), step.comparison)
    if step.level is None:
        return f"{named}：一方未填"
    assert step.level in kind_of(comparison.kind).levels  # noqa: S101 - a level comes from its kind
    return f"{named}：{_words().get((comparison.kind, step.level), step.level)}"


_STOPPED = {
    "ambiguous": "另有同样相近、又互相排斥的对象，两边都不归",
    "bridge": "归并会连接两个已确立的主数据（各有有效号码或多条相互印证的记录，或事实矛盾），不自动归并",
}
"""What keeps a pair apart that weighs enough, by the reason of its question."""


def verdict(found: Explained) -> str:
    """Return the outcome in words, and why the weight alone did not decide where it did not."""
    return f"{'目前归为同一' if found.together else '目前未归为同一'}：{_why(found)}。"


def _number(found: Explained) -> str:
    """What the number is called that identifies such an entity by itself."""
    return _words().get(("number", found.entity_type), "证件号码")


def _why(found: Explained) -> str:
    why = _why_together(found) if found.together else _why_apart(found)
    return f"{why}；有人看过这两条记录，无法判断" if found.judged == "unsure" else why


def _why_together(found: Explained) -> str:
    told, link = found.told, found.model.thresholds.link
    if told.same_number:
        return f"有效{_number(found)}相同，直接归并，不看权重"
    if found.judged == "positive":
        return "由人判定为同一"
    if told.two_numbers:
        return f"双方各有不同的有效{_number(found)}，是经由同组其他记录上的人工判定归为同一的"
    if told.weight >= link:
        return f"权重达到归并阈值 {link:g}"
    return f"这两条记录之间权重不足归并阈值 {link:g}，是经由同组的其他记录归为同一的"


def _why_apart(found: Explained) -> str:
    if found.judged == "negative":
        return "由人判定为不是同一"
    return _hindrance(found) + ("，待复核" if found.asked and found.judged != "unsure" else "")


def _hindrance(found: Explained) -> str:
    """What keeps two apart that no person has judged, as far as it can be told from the pair."""
    told, limits = found.told, found.model.thresholds
    if told.two_numbers:
        return f"双方各有不同的有效{_number(found)}，不会自动归并"
    if told.weight < limits.review:
        other = "；两边另有更相近的记录" if found.asked else ""
        return f"权重低于复核阈值 {limits.review:g}，视为不同{other}"
    if told.weight < limits.link:
        return f"权重在复核阈值 {limits.review:g} 与归并阈值 {limits.link:g} 之间，由人判定"
    reached = f"权重达到归并阈值 {limits.link:g}，但"
    if told.contradicted:
        facts = dict.fromkeys(_words().get(("guard", c), c) for c in told.contradicted)
        return f"{reached}{'、'.join(facts)}矛盾"
    return reached + _STOPPED.get(found.asked or "", "两边所在的对象不能合并（有效号码、事实或人工判定矛盾）")


def picture(found: Explained) -> str:
    """Return the waterfall as SVG; it shows levels and weights, no value of a record."""
    told = found.told
    return _drawn(found.model, told.prior, told.at_home, told.steps)


def waterfall(home: Home, connection: sa.Connection, number: int) -> str | None:
    """Return the waterfall of a review question as SVG, from what was published with it; the warehouse stays closed.

    None where there is nothing to draw: a question of an older onefact, or one that another model weighed.
    """
    query = sa.select(REVIEW.c.entity_type, REVIEW.c.model, REVIEW.c.compared).where(REVIEW.c.review_id == number)
    row = connection.execute(query).first()
    if row is None or not row.compared:
        return None
    model = models.current(home, row.entity_type)
    if model.version != row.model:
        return None
    return _drawn(model, *take_apart(model, row.compared))


def _drawn(model: Model, prior: float, at_home: bool, steps: Sequence[Step]) -> str:
    bars = [Bar("起点（随机两条记录" + ("，同户" if at_home else "") + "）", 0.0, prior)]
    at = prior
    for step in steps:
        if step.level is not None:
            bars.append(Bar(label(model, step), at, at + step.counted))
            at += step.counted
    bars.append(Bar("合计权重", 0.0, at, total=True))
    limits = model.thresholds
    return draw("两条记录为何相同或不同", bars, [("复核", limits.review), ("归并", limits.link)])
