"""The catalogue in Great Expectations 1.24 (optional): suite and checkpoint generated from the same rules, never written twice.

Rules of the forms that Great Expectations has itself (filled, codes, pattern, length, range, uniqueness) run there on pandas, a
landed batch, or on PostgreSQL, the golden records. A row's NULL is no value there either, and `when` is its row condition. What it
has not (check digits, refused values, groups, golden beside record) is left to the SQL: the two agree on what both can say.

Great Expectations takes seconds to import: nothing imports it before one of these functions is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from quality.rule import Rule
from quality.verdicts import VERDICT

if TYPE_CHECKING:
    import pandas as pd

NATIVE = ("not_null", "codes", "regex", "length", "range", "unique")
"""Forms of a check that Great Expectations has itself."""

KEY = ("system_id", "record_key", "role")

SEVERITIES = {"critical": "critical", "error": "warning", "warning": "info"}


class NotInstalled(Exception):
    """Great Expectations is not there."""

    def __init__(self) -> None:
        super().__init__("Great Expectations is not installed: pip install -r requirements-gx.txt")


def native(rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules that Great Expectations can say by itself: a native form, about all rows that have the field."""
    return [r for r in rules if _by_itself(r)]


def _by_itself(rule: Rule) -> bool:
    return rule.check.kind in NATIVE and not rule.when and not rule.systems and rule.relation != "systems"


def library() -> Any:
    """Return the module; raises `NotInstalled`. No analytics, no progress bars: it must be silent and work offline."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        import great_expectations
    except ImportError as missing:
        raise NotInstalled from missing
    return great_expectations


def _context() -> Any:
    """Return a context of this process alone, without files and without progress bars."""
    made = library().get_context(mode="ephemeral")
    from great_expectations.data_context.types.base import ProgressBarsConfig

    made.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return made


def expectation(rule: Rule) -> Any:  # noqa: PLR0911 - one way out for each form
    """Return the expectation of a rule, with its Chinese name and its codes in `meta`.

    A rule that is not native is held to the column of its verdicts (`quality.verdicts`).
    """
    library()
    import great_expectations.expectations as gxe

    check = rule.check
    shared: dict[str, Any] = {
        "mostly": rule.threshold, "severity": SEVERITIES[rule.severity], "description": rule.name,
        "meta": {"rule": rule.id, "gbt36344": rule.code, "owner": rule.owner, "approver": rule.approver},
    }  # fmt: skip
    if not _by_itself(rule):
        return gxe.ExpectColumnValuesToBeInSet(column=f"{VERDICT}{rule.id}", value_set=[True], **shared)
    if check.kind == "unique":
        columns = [*check.fields, *(("system_id", "role") if check.within == "system" else ())]
        if len(columns) == 1:
            return gxe.ExpectColumnValuesToBeUnique(column=columns[0], **shared)
        return gxe.ExpectCompoundColumnsToBeUnique(column_list=columns, ignore_row_if="any_value_is_missing", **shared)
    shared["column"] = rule.field
    match check.kind:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(**shared)
        case "codes":
            return gxe.ExpectColumnValuesToBeInSet(value_set=list(check.values), **shared)
        case "regex":
            return gxe.ExpectColumnValuesToMatchRegex(regex=check.pattern, **shared)
        case "length":
            return gxe.ExpectColumnValueLengthsToBeBetween(max_value=int(check.most or 0), **shared)
        case _:
            return gxe.ExpectColumnValuesToBeBetween(min_value=check.least, max_value=check.most, **shared)


def suite(rules: Sequence[Rule], name: str = "onefact") -> Any:
    """Return the suite of native rules."""
    made = library().ExpectationSuite(name=name)
    for rule in rules:
        made.add_expectation(expectation(rule))
    return made


def checkpoint(rules: Sequence[Rule], batch: Any, context: Any, name: str = "onefact", key: Sequence[str] = KEY) -> Any:
    """Return a checkpoint that runs the rules on a batch definition; it succeeds when every rule reaches its threshold.

    It names every failing row by the columns of `key`.
    """
    gx = library()
    kept = context.suites.add(suite(rules, name))
    validation = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=kept))
    result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": list(key)}
    return context.checkpoints.add(
        gx.Checkpoint(name=name, validation_definitions=[validation], result_format=result_format)
    )


def on_frame(rules: Sequence[Rule], frame: pd.DataFrame, now: datetime) -> dict[str, set[tuple[str, str, str]]]:
    """Run native rules on a pandas frame with the columns of standardised records; rule id -> keys of its failing rows.

    Args:
        rules: see `native`; effective dates and waivers count as they do in SQL.
        frame: the records. Numbers of `range` rules are read from text first, as in SQL.
        now: the day.
    """
    import pandas as pd

    wanted = [r for r in rules if r.in_force(now.date()) and r.waived(now.date()) == ()]
    if not wanted:
        return {}
    numbers = {r.field for r in wanted if r.check.kind == "range" and _by_itself(r)}
    read = frame.assign(**{f: pd.to_numeric(frame[f], errors="coerce") for f in numbers})
    context = _context()
    asset = context.data_sources.add_pandas("batch").add_dataframe_asset("records")
    batch = asset.add_batch_definition_whole_dataframe("whole")
    done = checkpoint(wanted, batch, context).run(batch_parameters={"dataframe": read})
    return _failing(done, _key)


def gate(rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, tuple[bool, set[tuple[str, str, str]]]]:
    """Run a checkpoint on one landed batch of records; rule id -> (kept, keys of its failing rows).

    Args:
        rules: rules on records, in force and not waived altogether.
        frame: the records with fields and verdicts (`quality.verdicts.verdicts`).

    Raises:
        RuleBroken: an expectation could not be evaluated: that is neither kept nor failed.
    """
    context = _context()
    asset = context.data_sources.add_pandas("batch").add_dataframe_asset("records")
    batch = asset.add_batch_definition_whole_dataframe("whole")
    done = checkpoint(rules, batch, context, "gate").run(batch_parameters={"dataframe": frame})
    failing = _failing(done, _key)
    kept = {
        r.expectation_config.meta["rule"]: bool(r.success) for found in done.run_results.values() for r in found.results
    }
    return {rule: (kept[rule], keys) for rule, keys in failing.items()}


def on_postgres(rules: Sequence[Rule], url: str, table: str) -> dict[str, tuple[bool, set[str]]]:
    """Run a checkpoint of native rules inside PostgreSQL; rule id -> (kept, master ids of its failing rows).

    Args:
        rules: native rules about golden records.
        url: the database.
        table: a table of golden records, with `master_id`; the numbers of `range` rules are numbers there.

    Raises:
        RuleBroken: an expectation could not be evaluated: that is neither kept nor failed.
    """
    context = _context()
    # Not add_postgres: it refuses the address of a server that listens on a socket of this machine.
    asset = context.data_sources.add_sql("master", connection_string=url).add_table_asset(table, table_name=table)
    batch = asset.add_batch_definition_whole_table("whole")
    done = checkpoint(rules, batch, context, table, ("master_id",)).run()
    results = [r for run in done.run_results.values() for r in run.results]
    failing = _failing(done, lambda row: str(row["master_id"]))
    return {(rule := r.expectation_config.meta["rule"]): (bool(r.success), failing[rule]) for r in results}


class RuleBroken(Exception):
    """Great Expectations could not run a rule; that is neither passed nor failed."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{rule}: {why}")


Name = TypeVar("Name")


def _failing(done: Any, name: Callable[[Mapping[str, Any]], Name]) -> dict[str, set[Name]]:
    found: dict[str, set[Name]] = {}
    for run in done.run_results.values():
        for result in run.results:
            rule = result.expectation_config.meta["rule"]
            if result.exception_info and _raised(result.exception_info):
                raise RuleBroken(rule, str(result.exception_info)[:300])
            rows: Sequence[Mapping[str, Any]] = result.result.get("unexpected_index_list") or ()
            found[rule] = {name(row) for row in rows}
    return found


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["system_id"], row["record_key"], row["role"]


def _raised(info: Mapping[str, Any]) -> bool:
    nested = [v for v in info.values() if isinstance(v, Mapping)]
    return bool(info.get("raised_exception")) or any(v.get("raised_exception") for v in nested)
