"""What can go wrong between a system's row and master fields, beyond a single value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class MappingError(Exception):
    """Rows and manifest do not fit together."""


class MissingColumn(MappingError):
    """A page lacks a column that the manifest maps; a connector must deliver every column, NULL where absent.

    Attributes:
        system: system id.
        dataset: name of the dataset.
        columns: the missing columns.
        remedy: what the data engineer can do.
    """

    def __init__(self, system: str, dataset: str, columns: tuple[str, ...]) -> None:
        self.system, self.dataset, self.columns = system, dataset, columns
        self.remedy = "Compare the manifest with the columns that the system sends now (onefact systems check)."
        super().__init__(f"{system}: the rows of {dataset} lack {', '.join(columns)}. {self.remedy}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that cannot be written: its name and why, without the value."""

    field: str
    reason: str


class Inexpressible(MappingError):
    """Some values have no spelling in the target system.

    Attributes:
        problems: the fields that cannot be written, each with its reason.
        columns: column -> raw text of all other fields, so that a caller may write those.
        field, reason: of the first problem.
    """

    def __init__(self, system: str, problems: tuple[Problem, ...], columns: Mapping[str, str]) -> None:
        self.system, self.problems, self.columns = system, problems, columns
        self.field, self.reason = problems[0].field, problems[0].reason
        super().__init__(f"{system}: " + "; ".join(f"{p.field}: {p.reason}" for p in problems))
