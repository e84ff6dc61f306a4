"""Explain (解释): why two records, or the records of two entities, are one or not."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import duckdb

from linkage.comparable import SPECS
from linkage.comparison import kind_of
from linkage.explain import Explanation, Step, explain
from linkage.model import Model
from linkage.state import State
from linkage.waterfall import Bar, draw
from onefact import models
from onefact.enter import is_uuid
from onefact.home import Home
from schemas.model import EntityType


class NothingToExplain(Exception):
    """Two names between which there is nothing to explain, with the reason and what to do (中文)."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with the names of the two records, the model, and whether they are one in the master now."""

    entity_type: EntityType
    left: str
    right: str
    model: Model
    told: Explanation
    together: bool


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
    return Explained(entity_type, a.name, b.name, model, told, a.master == b.master)


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
        f"SELECT rid, system_id || '/' || record_key, master_id::VARCHAR FROM crosswalk WHERE entity_type = ? AND {test} ORDER BY ALL",
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
        f"SELECT l, r FROM {names.edge} WHERE l IN (SELECT unnest(?)) AND r IN (SELECT unnest(?)) ORDER BY weight DESC, l, r",
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


def verdict(found: Explained) -> str:
    """Return the outcome in words, and why the weight alone did not decide where it did not."""
    return f"{'目前归为同一' if found.together else '目前未归为同一'}：{_why(found)}。"


def _number(found: Explained) -> str:
    """What the number is called that identifies such an entity by itself."""
    return _words().get(("number", found.entity_type), "证件号码")


def _why(found: Explained) -> str:
    told, limits = found.told, found.model.thresholds
    if told.same_number:
        why = f"有效{_number(found)}相同，直接归并，不看权重"
    elif told.two_numbers:
        why = f"双方各有不同的有效{_number(found)}，不会自动归并"
    elif told.weight < limits.review:
        why = f"权重低于复核阈值 {limits.review:g}，视为不同"
    elif told.weight < limits.link:
        why = f"权重在复核阈值 {limits.review:g} 与归并阈值 {limits.link:g} 之间，由人判定"
    else:
        why = f"权重达到归并阈值 {limits.link:g}"
        if told.contradicted and not found.together:
            why += "，但" + "、".join(_words().get(("guard", c), c) for c in told.contradicted) + "矛盾"
        elif not found.together:
            why += "，但另有同样相近的对象，或已有人工判定"
    return why


def picture(found: Explained) -> str:
    """Return the waterfall as SVG; it shows levels and weights, no value of a record."""
    told, at = found.told, 0.0
    bars = [Bar("起点（随机两条记录" + ("，同户" if told.at_home else "") + "）", 0.0, told.prior)]
    at = told.prior
    for step in told.steps:
        if step.level is not None:
            bars.append(Bar(label(found.model, step), at, at + step.counted))
            at += step.counted
    bars.append(Bar("合计权重", 0.0, told.weight, total=True))
    limits = found.model.thresholds
    return draw("两条记录为何相同或不同", bars, [("复核", limits.review), ("归并", limits.link)])
