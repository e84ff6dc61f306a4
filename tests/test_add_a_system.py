"""`docs/add-a-system.md` is executed: its files are written, read, checked and decoded, and its output must be true."""

from __future__ import annotations

import re
import types
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from connectors.base import Context, Variables
from connectors.check import inspect
from connectors.manifest import Manifest, ManifestErrors, load, model, sources
from connectors.manifest.windows import Window
from connectors.mapping import decode
from connectors.registry import connect
from schemas.records import RECORD_COLUMNS

DOC = (Path(__file__).parents[1] / "docs" / "add-a-system.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) ([^\n]+)\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE)
NOW = datetime(2026, 4, 1, 8, 0)  # noqa: DTZ001 - local time, as in the manifests
FRONT = {name for name, _ in RECORD_COLUMNS}


def shown(name: str) -> str:
    return next(text for language, about, text in BLOCKS if language == "text" and about == name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The doc's files, written where it says and in the encoding it says."""
    for _, about, text in BLOCKS:
        told = dict(part.split("=") for part in about.split() if "=" in part)
        if "file" in told:
            path = tmp_path / told["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode(told.get("encoding", "utf-8")))
    return tmp_path


def context(folder: Path) -> Context:
    return Context(folder, folder, Variables({}), now=lambda: NOW)


def test_the_example_is_pulled_and_decoded_as_shown(folder: Path) -> None:
    manifest = load(folder / "rental_office.yaml")
    pages = list(connect(manifest, context(folder)).pull("rentals", None))
    assert not any(page.snapshot for page in pages)
    records, links, rejects = [], [], []
    for page in pages:
        decoded = decode(page.rows, manifest, "rentals", NOW.isoformat())
        for table in decoded.tables.values():
            for record in table.to_pylist():
                facts = [f"{k}={v}" for k, v in record.items() if k not in FRONT and v is not None]
                records.append(" ".join([record["role"], record["record_key"], *facts]))
        for link in decoded.links.to_pylist():
            key = link["record_key"]
            links.append(f"{link['left_role']} {key} -> {link['right_role']} {key} ({link['relation']})")
        rejects += [*decoded.rejects.to_pylist(), *page.rejects.to_pylist()]
    assert [*records, *links] == shown("records").splitlines()
    told = [f"{r['place']} {r['column'] or '-'} {r['rule']} {r['reason']}" for r in rejects]
    assert sorted(told) == shown("rejects").splitlines()


def test_the_check_says_what_is_shown_and_masks_persons(folder: Path) -> None:
    found = inspect(folder / "rental_office.yaml", context(folder))
    text = "\n".join(found.lines())
    assert found.ok
    assert text.startswith(shown("check").rstrip("\n"))
    assert "张三" not in text
    assert "420199199001011235" not in text
    assert "    name 姓名 <- 承租人: '张*' -> '张*'" in text
    assert "    sex 性别 <- 性别: '男' -> '1'" in text
    assert "! 公民身份号码校验码不对" in text
    open_text = "\n".join(inspect(folder / "rental_office.yaml", context(folder), masked=False).lines())
    assert "'420199199001011235'" in open_text


def test_a_mistake_is_told_as_shown(folder: Path) -> None:
    path = folder / "rental_office.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("          name:", "          nmae:"), encoding="utf-8")
    with pytest.raises(ManifestErrors) as raised:
        load(path)
    assert shown("problem").strip() in [str(error).replace(f"{folder}/", "") for error in raised.value.errors]
    found = inspect(path, context(folder))
    assert not found.ok
    assert any("nmae" in line for line in found.lines())


def test_a_system_that_is_not_there_is_part_of_the_answer(folder: Path) -> None:
    (folder / "data" / "房屋名册_2026-03.csv").unlink()
    found = inspect(folder / "rental_office.yaml", context(folder))
    assert not found.ok
    assert any(line.startswith("FAIL") and "no file matches" in line for line in found.lines())


# --- the reference lists exactly the keys that the model has -------------------------------------------------------------

TABLES: dict[str, type[BaseModel]] = {
    "manifest": Manifest, "authorisation": model.Authorisation, "rate_limit": model.RateLimit, "maintenance": Window,
    "capabilities": model.Capabilities, "dataset": model.Dataset, "updated_at": model.UpdatedAt,
    "deleted": model.Deleted, "local": model.LocalColumn, "entity": model.EntityMap, "field": model.FieldMap,
    "scope": model.Scope, "condition": model.Condition, "age": model.AgeRange, "link": model.LinkMap,
    "code_map": model.CodeMap, "files.footer": sources.Footer, "rest.paging": sources.Paging,
    "rest.auth.oauth2": sources.OAuth2, "rest.auth.appkey": sources.AppKey, "rest.auth.none": sources.NoAuth,
    **{f"{kind}.connection": part for kind, part in sources.CONNECTIONS.items()},
    **{f"{kind}.source": part for kind, part in sources.SOURCES.items()},
}  # fmt: skip


@pytest.mark.parametrize("title", TABLES)
def test_the_reference_lists_every_key_and_marks_the_required_ones(title: str) -> None:
    section = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", DOC, re.DOTALL | re.MULTILINE)
    assert section is not None, f"docs/add-a-system.md has no table for {title}"
    first_cells = [row.split(" | ")[0] for row in re.findall(r"^\| ([^\n]*`[^\n]*) \|$", section[1], re.MULTILINE)]
    keys = re.findall(r"(\*\*)?`(\w+)`", " ".join(first_cells))
    fields = TABLES[title].model_fields
    assert {key: bool(bold) for bold, key in keys} == {
        field.alias or name: field.is_required() for name, field in fields.items()
    }


def test_every_block_of_the_model_has_a_table() -> None:
    documented = set(TABLES.values())
    assert {part for table in documented for part in parts(table)} <= documented


def parts(block: type[BaseModel]) -> set[type[BaseModel]]:
    return {found for field in block.model_fields.values() for found in classes(field.annotation)}


def classes(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return {annotation} if issubclass(annotation, BaseModel) else set()
    if get_origin(annotation) in {list, dict, Union, types.UnionType, Annotated}:
        return {found for part in get_args(annotation) for found in classes(part)}
    return set()
