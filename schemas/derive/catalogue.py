"""The field catalogue page (数据项目录), generated so that it can never disagree with the declaration."""

from __future__ import annotations

from schemas.entities import ENTITIES, LINKS
from schemas.model import Field

HEADER = "| 字段 field | 名称 | 类型 kind | 长度 | 代码集 code set | 必填 | 敏感级 | 权威源 authority | 依据 |"
RULE = "|---|---|---|---|---|---|---|---|---|"


def row(field: Field) -> str:
    """Return one table row of the catalogue."""
    worker = "（网格员可改）" if field.worker else ""
    cells = (
        f"`{field.name}`", field.cn, field.kind, str(field.length), field.code_set or "", field.mandatory,
        str(field.sensitivity), f"{field.authority}{worker}", field.standard,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """Return the whole catalogue as Markdown: one table per entity, then the links."""
    lines = [
        "# 数据项目录 Field catalogue",
        "",
        "Generated from `schemas/entities` by `onefact schema catalogue`; do not edit.",
        "",
    ]
    lines += ["必填: M 必填, O 选填, C 条件必填. 敏感级: 1 一般, 2 个人, 3 敏感个人, 4 受限.", ""]
    for entity in ENTITIES.values():
        lines += [f"## {entity.cn} `{entity.name}`", "", HEADER, RULE, *(row(f) for f in entity.fields), ""]
    lines += ["## 关联 links", "", "| link | 名称 | from | to | relations |", "|---|---|---|---|---|"]
    for link in LINKS:
        relations = ", ".join(f"{code} {cn}" for code, cn in link.relations)
        lines.append(f"| `{link.name}` | {link.cn} | {link.left} | {link.right} | {relations} |")
    return "\n".join(lines) + "\n"
