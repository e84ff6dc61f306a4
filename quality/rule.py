"""What a quality rule is (质量规则): data that a person can read, from which SQL and Great Expectations are derived.

A rule speaks of one row of one relation. `when` says which rows it is about, the check says which of those are wrong.
Both are needed: a score is right rows over rows that the rule is about, never over all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from schemas.model import EntityType

Severity = Literal["critical", "error", "warning"]
"""critical = the gate looks at it (阻断), error = wrong (错误), warning = to be looked at (提示)."""

Relation = Literal["records", "golden", "systems"]
"""records = the standardised records of all systems; golden = golden records; systems = one row per system."""

Order = Literal["none", "grid", "authority"]
"""Who gets a work order for a failing row: nobody, the grid worker (网格员核实), or the authority (权威部门纠错)."""

Kind = Literal["sql", "refused", "not_null", "codes", "regex", "length", "range", "unique", "group"]
"""Form of the check. All but `sql`, `refused` and `group` exist in Great Expectations by themselves."""


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong with a row that a rule is about.

    Attributes:
        kind: form of the check.
        fields: fields that it looks at, the first is the one that scores by field count.
        sql: `sql`: predicate that is true for a wrong row; `group`: aggregate predicate that is true for a wrong group.
        by: `group`: columns or expressions that make the group. A row where one of them is NULL is in no group.
        values: `codes`: allowed values.
        pattern: `regex`: RE2 pattern of the whole value.
        least: `range`: smallest, most: `range`: greatest number, `length`: greatest number of characters.
        within: `unique`: NULL is no value, so a row that lacks one of the fields is never a duplicate; `system` looks
            within a system and role, `all` across everything.
        refused: issues of `schemas.values` that count as failing too: their value was nulled when it was standardised.
    """

    kind: Kind
    fields: tuple[str, ...]
    sql: str = ""
    by: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str = ""
    least: float | None = None
    most: float | None = None
    within: Literal["system", "all"] = "system"
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiver:
    """A failing that is known and accepted for a while (豁免): who allowed it, why, until when; empty systems = all."""

    systems: tuple[str, ...]
    until: date
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue.

    Attributes:
        id: unique, `person.sex.matches_id`; name: Chinese name as auditors read it.
        code: indicator of GB/T 36344, six digits.
        entity: which entity; None for a rule on systems.
        relation: which relation.
        when: SQL of the rows that the rule is about; empty = rows where all fields of the check are filled.
        systems: only records of these systems; empty = all.
        needs: inputs without which the rule does not run, e.g. `findings`.
        severity, threshold: the rule is kept when at least this share of the rows it is about is right.
        owner: `source` (the system's department), `authority` (the department of the field's authority), `grid` (the
            street's grid), or the name of a department.
        order: who gets a work order for a failing row.
        since, until: effective dates, both inclusive.
        approver: who approved it; waivers: what is accepted for a while.
        file: where it is written, for messages.
    """

    id: str
    name: str
    code: str
    entity: EntityType | None
    relation: Relation
    check: Check
    when: str
    systems: tuple[str, ...]
    needs: tuple[str, ...]
    severity: Severity
    threshold: float
    owner: str
    order: Order
    since: date
    until: date | None
    approver: str
    waivers: tuple[Waiver, ...]
    file: str

    @property
    def dimension(self) -> str:
        """The dimension's two digits."""
        return self.code[:2]

    @property
    def field(self) -> str:
        """The field that the rule counts for; empty for a rule on systems without one."""
        return self.check.fields[0] if self.check.fields else ""

    @property
    def expectation(self) -> str:  # noqa: PLR0911 - one way out for each form
        """What one reads in a list: the SQL of what is wrong, or the form of the check with its bounds."""
        c = self.check
        match c.kind:
            case "codes":
                return f"{self.field} ∈ {{{', '.join(c.values[:6])}{', …' if len(c.values) > 6 else ''}}}"
            case "regex":
                return f"{self.field} ~ {c.pattern}"
            case "length":
                return f"length({self.field}) ≤ {c.most:.0f}"
            case "range":
                return f"{self.field} in [{c.least}, {c.most}]"
            case "unique":
                return f"unique({', '.join(c.fields)}) within {c.within}"
            case "group":
                return f"no group by {', '.join(c.by)} having {c.sql}"
            case "not_null":
                return f"{self.field} is filled"
            case "refused":
                return f"none of {', '.join(c.refused)}"
            case _:
                return f"not ({c.sql})"

    def in_force(self, today: date) -> bool:
        """Return whether the rule is in force on a day."""
        return self.since <= today and (self.until is None or today <= self.until)

    def waived(self, today: date) -> tuple[str, ...] | None:
        """Return the systems for which the rule is waived; None when it is waived for all of them."""
        now = [w for w in self.waivers if today <= w.until]
        if any(not w.systems for w in now):
            return None
        return tuple(sorted({s for w in now for s in w.systems}))
