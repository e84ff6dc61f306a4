"""What all DAGs share: assets, retries by class of error, deadlines, the clock of the site, secrets."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AsyncCallback,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

SITE = "Asia/Shanghai"

LANDED = Asset("landed", uri="x-onefact://landed")
"""New records are in the warehouse (已归集): consolidate."""

OUTBOX = Asset("outbox", uri="x-onefact://outbox")
"""The outbox was planned anew (待回写): push."""

DELIVERED = Asset("delivered", uri="x-onefact://delivered")
"""What waited was sent (已回写): verify."""

RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            "onefact.scheduled.errors.NeedsAPerson",
            RetryAction.FAIL,
            reason="等待无济于事，需人工处理 (waiting does not help)",
        ),
        RetryRule(
            "onefact.scheduled.errors.NotNow",
            RetryAction.RETRY,
            retry_delay=timedelta(minutes=2),
            reason="暂时不可用，稍后重试 (not reachable now)",
        ),
    ],
)
"""By class: what a person must settle fails at once, what may pass is tried again, the rest as the task says."""

DEFAULTS: dict[str, Any] = {
    "owner": "onefact",
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": RETRIES,
    "execution_timeout": timedelta(hours=1),
}


def common(tags: list[str]) -> dict[str, Any]:
    """Return what every DAG is declared with: no catching up (cursors are ours), one run at a time.

    And no start date: with one, Airflow runs the last time that has passed at once, the yearly training too.
    """
    return {
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULTS,
        "tags": ["onefact", *tags],
    }


def at(cron: str) -> CronTriggerTimetable:
    """Return a schedule in the site's own time; a DAG that is new waits for its next time."""
    return CronTriggerTimetable(cron, timezone=SITE, run_immediately=timedelta(0))


def within(limit: timedelta, what: str) -> DeadlineAlert:
    """Return a deadline, counted from when a run was queued; a missed one is written to `deadlines.jsonl` of the home."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=limit,
        callback=AsyncCallback("onefact.scheduled.deadlines.missed", kwargs={"what": what, "limit": str(limit)}),
    )


def secrets(systems: list[str]) -> None:
    """Take addresses and passwords from Airflow's Connections, where `ONEFACT_SECRETS=connections` says so."""
    if os.environ.get("ONEFACT_SECRETS") != "connections":
        return
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from onefact.scheduled.secrets import MASTER, into_environment

    found = {}
    for name in (MASTER, *(f"onefact_{s}" for s in systems)):
        try:
            found[name] = Connection.get(name)
        except AirflowNotFoundException:
            continue  # the environment or endpoints.json may have it; a value that nobody has is named by the connector
    into_environment(found.pop(MASTER, None), found.values())
