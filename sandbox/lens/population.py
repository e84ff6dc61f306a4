"""Populations: `age >= 60`, `segment in food retail`, `permit_no present` → which rows of the town belong (纳管对象).

The little language has four forms on traits, master fields and `age`: a bare trait; `x present` (`x or y present`);
`x = value`; `x in a b c`; `x >= number` and `x <= number`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.lens.settings import Population
from sandbox.town import Town
from sandbox.town.draw import Ints, Mask, Text
from schemas.entities import ENTITIES
from schemas.model import EntityType


class BadCondition(ValueError):
    """A condition that is none of the four forms, or names nothing known."""

    def __init__(self, condition: str) -> None:
        self.condition = condition
        super().__init__(f"lenses.yaml: cannot understand the condition {condition!r}")


def members(town: Town, population: Population) -> Ints:
    """Rows of the population's entity that meet all its conditions."""
    mask = np.ones(town.count(population.of), dtype=bool)
    for condition in population.where:
        mask &= _holds(town, population.of, condition)
    return np.flatnonzero(mask)


def _holds(town: Town, entity: EntityType, condition: str) -> Mask:
    match condition.split():
        case [trait] if f"{entity}.{trait}" in town.traits:
            return np.asarray(town.traits[f"{entity}.{trait}"], dtype=bool)
        case [*names, "present"] if names:
            masks = [np.asarray(_values(town, entity, n, condition).is_valid()) for n in names if n != "or"]
            return np.asarray(np.logical_or.reduce(masks), dtype=bool)
        case [name, "=", value]:
            return np.asarray(pc.equal(_values(town, entity, name, condition), value).fill_null(False))
        case [name, "in", *values] if values:
            return np.asarray(pc.is_in(_values(town, entity, name, condition), value_set=pa.array(values)))
        case [name, ">=" | "<=" as sign, bound]:
            numbers = _numbers(town, entity, name, condition)
            return numbers >= float(bound) if sign == ">=" else numbers <= float(bound)
    raise BadCondition(condition)


def _values(town: Town, entity: EntityType, name: str, condition: str) -> Text:
    if f"{entity}.{name}" in town.traits:
        return town.traits[f"{entity}.{name}"]
    if name not in ENTITIES[entity].names:
        raise BadCondition(condition)
    return town.tables[entity].column(name).combine_chunks()


def _numbers(town: Town, entity: EntityType, name: str, condition: str) -> np.ndarray:
    """Numbers of a field, or the age in completed years; an absent value meets no bound."""
    if name != "age":
        return np.asarray(pc.cast(_values(town, entity, name, condition), pa.float64()).fill_null(float("nan")))
    born = pc.cast(_values(town, entity, "birth_date", condition), pa.date32())
    days = pc.cast(born, pa.int32()).fill_null(town.day + 1)
    return np.floor((town.day - np.asarray(days)) / 365.2425)
