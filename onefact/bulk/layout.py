"""The columns of a bulk template (模板栏目), read from `layouts.yaml` and checked against the master's declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from schemas.codes import code_set
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field

LISTED = 90
"""Code sets with at most so many codes become a list to choose from; longer ones are typed."""

NUMBER_TITLE = "序号"
REASON_TITLE = "错误原因"
ROW_TITLE = "原行号"
OWN_TITLES = (NUMBER_TITLE, REASON_TITLE, ROW_TITLE)
"""Columns of the workbook that are about the row, not about the entity."""

EXAMPLE = "示例"
"""What stands in the column 序号 of a row that only shows how to fill in."""


class NoSuchLayout(Exception):
    """There is no bulk template for this kind of entity."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"没有“{wanted}”的批量导入模板。可用：{'、'.join(layouts())}。标准地址由公安维护，不批量导入。"
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a template: the master field, whether a new entity needs it, and what the worker is told."""

    field: Field
    needed: bool
    hint: str

    @property
    def title(self) -> str:
        """The heading as printed, without the star of a needed column."""
        return self.field.cn

    @property
    def choices(self) -> tuple[str, ...]:
        """The words to choose from; empty when the column is typed."""
        if self.field.kind == "boolean":
            return ("是", "否")
        if self.field.kind != "code" or self.field.code_set is None:
            return ()
        names = tuple(code_set(self.field.code_set).codes.values())
        return names if len(names) <= LISTED else ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A template.

    Attributes:
        found_by: keys by which a known entity is found, strongest first.
        example: field -> text of the example row.
    """

    entity_type: EntityType
    found_by: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]
    example: Mapping[str, str]

    @property
    def title(self) -> str:
        """The Chinese name of the entity."""
        return ENTITIES[self.entity_type].cn

    @property
    def by_title(self) -> dict[str, Column]:
        """Heading, bare or as the catalogue's English name -> column."""
        return {c.title: c for c in self.columns} | {c.field.name: c for c in self.columns}


@cache
def layouts() -> Mapping[EntityType, Layout]:
    """Return all templates; a field that the master lacks or that may not flow is a mistake in our file."""
    document = yaml.safe_load(files(__package__).joinpath("layouts.yaml").read_text(encoding="utf-8"))
    return {entity: _layout(entity, about) for entity, about in document.items()}


def layout(entity_type: str) -> Layout:
    """Return the template of an entity; raises `NoSuchLayout`."""
    for known, found in layouts().items():
        if entity_type in {known, found.title}:
            return found
    raise NoSuchLayout(entity_type)


def _layout(entity_type: EntityType, about: Mapping[str, Any]) -> Layout:
    entity = ENTITIES[entity_type]
    columns, needed = about["columns"], about["needed"]
    made = tuple(Column(entity.field(name), name in needed, hint) for name, hint in columns.items())
    if kept := [c.field.name for c in made if not c.field.propagate or c.field.sensitivity == 4]:
        raise ValueError(f"layouts.yaml: {kept} may not be collected")
    found_by, example = about["found_by"], about["example"]
    return Layout(entity_type, tuple(tuple(key) for key in found_by), made, example)
