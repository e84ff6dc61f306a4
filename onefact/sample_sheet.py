"""The sign-off sheet of a sample (抽样核查表): a row per value, with places for the finding and the signature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from onefact.home import Home
from onefact.masking import mask, mask_key
from onefact.sample import Drawn, Sample
from schemas.codes import code_set
from schemas.entities import ENTITIES
from schemas.model import Field

FINDINGS = ("相符", "不符", "无法核实")

HEAD = (
    ("序号", 6), ("层", 16), ("对象", 10), ("主数据编号", 38), ("数据项", 20), ("主数据取值", 30), ("含义", 18), ("来源系统", 24), ("来源记录", 24),
    ("观察时间", 20), ("街道", 14), ("网格", 16), ("核查结果", 10), ("实际情况", 26), ("说明", 26), ("核查人签名", 14), ("日期", 12),
)  # fmt: skip

STRATA = {
    "none": "不分层", "system": "来源系统", "street": "街道", "community": "社区", "grid": "网格", "entity": "对象", "field": "数据项",
}  # fmt: skip


def write(home: Home, drawn: Sample, path: Path, *, full: bool = False) -> Path:
    """Write the workbook; values are masked unless `full`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        plain = book.add_format({"border": 1, "valign": "top", "text_wrap": True})
        head = book.add_format({"bold": True, "bg_color": "#E8F1EF", "border": 1, "valign": "top", "text_wrap": True})
        to_fill = book.add_format({"border": 1, "bg_color": "#FFFBEA"})
        _values(book.add_worksheet("核查表"), home, drawn, full, (head, plain, to_fill))
        _about(book.add_worksheet("抽样说明"), drawn, full, (head, plain))
    return path


def _values(sheet: Any, home: Home, drawn: Sample, full: bool, formats: tuple[Any, Any, Any]) -> None:
    head, plain, to_fill = formats
    for i, (title, width) in enumerate(HEAD):
        sheet.set_column(i, i, width)
        sheet.write_string(0, i, title, head)
    for row, value in enumerate(drawn.values, 1):
        told = _row(home, value, full)
        for i, text in enumerate(told):
            sheet.write_string(row, i, text, plain)
        for i in range(len(told), len(HEAD)):
            sheet.write_blank(row, i, None, to_fill)
    last = max(len(drawn.values), 1)
    finding = [t for t, _ in HEAD].index("核查结果")
    sheet.data_validation(1, finding, last, finding, {"validate": "list", "source": list(FINDINGS)})
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, last, len(HEAD) - 1)
    _print(sheet)


def _row(home: Home, v: Drawn, full: bool) -> Sequence[str]:
    entity = ENTITIES[v.entity_type]
    field = entity.field(v.field)
    manifest = home.manifests.get(v.system_id)
    source = f"{manifest.name}（{v.system_id}）" if manifest else {"entry": "录入"}.get(v.system_id, v.system_id)
    return (
        str(v.number), v.stratum, entity.cn, v.master_id, f"{field.cn}（{v.field}）", v.value if full else mask(field, v.value),
        meaning(field, v.value), source, v.record_key if full else mask_key(v.record_key), v.observed_at, v.street, v.grid,
    )  # fmt: skip


def meaning(field: Field, value: str) -> str:
    """Return what a code means, empty for other values."""
    if field.code_set is None:
        return ""
    return code_set(field.code_set).codes.get(value, "")


def _about(sheet: Any, drawn: Sample, full: bool, formats: tuple[Any, Any]) -> None:
    head, plain = formats
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 3, 26)
    told = (
        ("抽样时间", f"{drawn.drawn_at:%Y-%m-%d %H:%M:%S}"), ("所依据的归集", drawn.run_id or "—"), ("总体", f"{drawn.population} 个主数据取值"),
        ("要求样本量", str(drawn.size)), ("实抽", str(len(drawn.values))), ("随机种子", str(drawn.seed)), ("分层", STRATA[drawn.stratify]),
        ("对象", "、".join(ENTITIES[e].cn for e in drawn.entities)), ("数据项", "、".join(drawn.fields) or "全部可外传的数据项"),
        ("脱敏", "否" if full else "是"), ("样本校验值", f"SHA-256 {drawn.digest}"),
        ("方法", "每个取值按“种子|对象|编号|数据项”的 SHA-256 排序，各层取最小的若干个；各层名额按层的大小分配，每层至少一个。同一种子对同一主数据再抽，结果相同。"),
    )  # fmt: skip
    for row, (name, text) in enumerate(told):
        sheet.write_string(row, 0, name, head)
        sheet.merge_range(row, 1, row, 3, text, plain)
    sheet.set_row(len(told) - 1, 48)
    row = len(told) + 1
    for i, title in enumerate(("层", "总体", "抽取", "")):
        sheet.write_string(row, i, title, head)
    for layer in drawn.layers:
        row += 1
        sheet.write_string(row, 0, layer.name or "全部", plain)
        sheet.write_number(row, 1, layer.population, plain)
        sheet.write_number(row, 2, layer.drawn, plain)
    row += 2
    for who in ("核查组长", "被核查单位", "审计"):
        sheet.write_string(row, 0, who, head)
        sheet.merge_range(row, 1, row, 3, "签名：                              日期：", plain)
        row += 1
    _print(sheet)


def _print(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
