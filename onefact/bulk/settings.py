"""Settings of uploads (`bulk.yaml` in the home): limits of size, and from which share of bad rows a file is refused whole."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onefact.home import Home

FILE = "bulk.yaml"
"""In the home; without it the defaults count."""


class SettingsUnreadable(Exception):
    """The file of the settings is not what it should be; nothing is taken in by guessed limits."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{FILE}: {why}. Correct it, or remove it: the defaults count then.")


class Limits(BaseModel):
    """What an uploaded workbook may be.

    Attributes:
        megabytes: of the file.
        unpacked_megabytes: of everything in it, unpacked (a workbook is a ZIP archive).
        ratio: greatest compression of one part; 200 is far above what sheets of real records reach.
        parts: number of parts in the archive.
        rows: data rows of the sheet.
        columns: columns of the sheet.
        errors: share of bad rows above which the whole file is refused.
        few: with at most so many bad rows a file is never refused for its share.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    megabytes: int = Field(default=20, ge=1)
    unpacked_megabytes: int = Field(default=400, ge=1)
    ratio: int = Field(default=200, ge=2)
    parts: int = Field(default=500, ge=10)
    rows: int = Field(default=100_000, ge=1)
    columns: int = Field(default=300, ge=1)
    errors: float = Field(default=0.3, ge=0, le=1)
    few: int = Field(default=5, ge=0)


def load_limits(home: Home) -> Limits:
    """Return the limits of a home; raises `SettingsUnreadable`."""
    path = home.path / FILE
    if not path.exists():
        return Limits()
    try:
        return Limits.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as problem:
        raise SettingsUnreadable("no valid YAML") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        raise SettingsUnreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from problem
