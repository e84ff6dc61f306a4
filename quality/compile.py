"""From a rule to SQL: which rows it is about, and which of those are wrong. Uniqueness and NULL are defined here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from quality.rule import Rule


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule as SQL over its relation.

    Attributes:
        applies: true for a row that the rule is about (never NULL).
        wrong: true for a wrong row among those (never NULL); for groups: true for a wrong group.
        by: columns of the group; empty for a rule that can be judged row by row.
    """

    rule: Rule
    applies: str
    wrong: str
    by: tuple[str, ...] = ()


def compile_rule(
    rule: Rule, now: datetime, expected: Mapping[tuple[str, str], frozenset[tuple[str, str]]] | None = None
) -> Compiled:
    """Return the SQL of a rule on a day.

    Args:
        rule: what is compiled.
        now: `{today}` and `{now}` in its SQL.
        expected: see `quality.inputs.Inputs`.
    """
    check, refused = rule.check, _refused(rule)
    filled = " AND ".join(f'"{f}" IS NOT NULL' for f in check.fields) or "true"
    when = rule.when or ("true" if check.kind == "not_null" else filled)
    about = f"({when})"
    if check.kind == "not_null" and rule.relation == "records" and expected is not None:
        # A system that does not hold the field lacks nothing.
        about = f"{about} AND {_among(expected.get((str(rule.entity), rule.field), frozenset()))}"
    if refused and check.kind != "not_null":
        about = f"({about} OR {refused})"
    parts = [f"coalesce({about}, false)"]
    if rule.systems:
        parts.append(f"system_id IN ({_quoted(rule.systems)})")
    waived = rule.waived(now.date())
    if waived:
        parts.append(f"system_id NOT IN ({_quoted(waived)})")
    by = _by(rule)
    parts += [f"({column}) IS NOT NULL" for column in by]  # NULL is no value: such a row is never a duplicate
    wrong = _wrong(rule)
    if refused:
        wrong = f"coalesce({wrong}, false) OR {refused}"
    filling = {"{today}": now.date().isoformat(), "{now}": now.isoformat()}
    applies = " AND ".join(parts)
    for mark, value in filling.items():
        applies, wrong = applies.replace(mark, value), wrong.replace(mark, value)
    return Compiled(rule, applies, f"coalesce({wrong}, false)", by)


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join("'" + v.replace("'", "''") + "'" for v in values)


def _among(pairs: frozenset[tuple[str, str]]) -> str:
    """Return the SQL that a record is of one of these (system, role)."""
    if not pairs:
        return "false"
    return f"(system_id || '/' || role IN ({_quoted(tuple(sorted(f'{s}/{r}' for s, r in pairs)))}))"


def _refused(rule: Rule) -> str:
    """Return the SQL that a value of the rule's fields was refused for one of its issues: it is NULL by now, and wrong."""
    if not rule.check.refused or rule.relation != "records":
        return ""
    issues = tuple(f"{f}:{issue}" for f in rule.check.fields for issue in rule.check.refused)
    return f"coalesce(list_has_any(refused, [{_quoted(issues)}]), false)"


def _by(rule: Rule) -> tuple[str, ...]:
    if rule.check.kind == "group":
        return rule.check.by
    if rule.check.kind == "unique":
        fields = tuple(f'"{f}"' for f in rule.check.fields)
        return (*fields, "system_id", "role") if rule.check.within == "system" else fields
    return ()


def _wrong(rule: Rule) -> str:  # noqa: PLR0911 - one way out for each form
    check, field = rule.check, f'"{rule.field}"'
    match check.kind:
        case "not_null":
            return f"{field} IS NULL"
        case "codes":
            return f"{field} NOT IN ({_quoted(check.values)})"
        case "regex":
            return f"NOT regexp_matches({field}, {_quoted((check.pattern,))})"
        case "length":
            return f"length({field}) > {int(check.most or 0)}"
        case "range":
            bounds = [
                f"TRY_CAST({field} AS DOUBLE) {sign} {bound!r}"
                for sign, bound in (("<", check.least), (">", check.most))
                if bound is not None
            ]
            return f"({' OR '.join(bounds)})"
        case "unique":
            return "count(*) > 1"
        case "refused":
            return "false"
        case _:
            return f"({check.sql})"
