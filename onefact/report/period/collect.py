"""The report's facts, read from the tables in one go; nothing here knows how they will look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onefact.home import Home
from onefact.quality.settings import catalogue
from onefact.report.period.burden import Burden, burden
from onefact.report.period.cover import Checkpoint, Runs, checkpoint, runs
from onefact.report.period.flow import SystemFlow, flows
from onefact.report.period.merging import Merging, merging
from onefact.report.period.scores import Quality, quality
from onefact.report.period.span import Period
from quality.rule import Rule

ROWS = 200_000
"""Failing rows that are read at most: what a sheet of a spreadsheet bears, and more than anybody reads."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the report of a period says.

    Attributes:
        period, made_at: which days, and when it was made; `unfinished` when the period was not over then.
        runs: registered runs of the period by verb; checkpoint: of the sealed log, or why there is none.
        rules: the rule catalogue as it is now; `version` its version, that of the period's run stands in `quality.run`.
    """

    period: Period
    made_at: datetime
    runs: Sequence[Runs]
    checkpoint: Checkpoint | str
    quality: Quality
    merging: Sequence[Merging]
    burden: Burden
    flows: Sequence[SystemFlow]
    rules: Sequence[Rule]
    version: str

    @property
    def unfinished(self) -> bool:
        """True when the period was not over when the report was made."""
        return self.made_at < self.period.end

    @property
    def system_names(self) -> dict[str, str]:
        """System id -> its name."""
        return {f.system_id: f.name for f in self.flows}


def collect(home: Home, period: Period) -> Report:
    """Read the facts of a period's report.

    Raises:
        quality.catalogue.CatalogueError: an own rule of the installation is wrong.
    """
    rules = catalogue(home)
    return Report(
        period, home.now().astimezone(), runs(home, period), checkpoint(home, period), quality(home, period, ROWS),
        merging(home, period), burden(home, period), flows(home, period), rules.rules, rules.version,
    )  # fmt: skip
