"""How a place of the standard address tree looks on the terminal, in Chinese: counts of people, never who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from onefact.cli.show import table
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.address import Place


def show(console: Console, place: Place, limit: int) -> None:
    """Show the way to a place, its children and how many golden records point there."""
    here = place.path[-1]
    console.print(f"{here.full_text}", highlight=False, markup=False)
    rows = [["  " * depth + node.name, node.level_name, node.node_id] for depth, node in enumerate(place.path)]
    console.print(table("标准地址路径", ["名称", "级别", "节点"], rows))
    if here.master_id:
        console.print(f"标准地址主记录：{here.master_id}", highlight=False)
    children = place.children[:limit]
    if children:
        title = f"下级（共 {len(place.children)} 个" + (f"，先列 {limit} 个）" if len(place.children) > limit else "）")
        console.print(table(title, ["名称", "级别", "节点"], [[c.name, c.level_name, c.node_id] for c in children]))
    counts = [
        [ENTITIES[p.entity_type].cn, ENTITIES[p.entity_type].field(p.field).cn, p.here, p.below]  # type: ignore[index]
        for p in place.pointing
    ]
    if counts:
        console.print(
            table("落在此处（条数）", ["主体", "数据项", "本级", "含下级"], counts, numeric=["本级", "含下级"])
        )
    else:
        console.print("没有主记录落在此处。")
    if place.others:
        console.print(f"另有 {len(place.others)} 处也符合，写得详细些可以区分：")
        for node in place.others:
            console.print(f"  {node.full_text}", highlight=False, markup=False)
