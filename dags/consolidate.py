"""Consolidate (归集): whenever records have landed, one run at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import LANDED, OUTBOX, common, secrets, within


@dag(
    dag_id="consolidate",
    dag_display_name="归集：链接、定值、计划回写",
    schedule=[LANDED],
    deadline=within(timedelta(hours=2), "归集未按时完成"),
    doc_md="""### 归集
Links the standardised records, decides each field's value and plans what every system lacks, in one transaction. It depends
on nothing but the current records, so a run that failed or ran twice does no harm. The working copy has one writer: one run
at a time.""",
    **common(["consolidate"]),
)
def consolidate() -> None:
    """Wire the one task."""

    @task(
        task_id="consolidate",
        task_display_name="归集",
        doc_md="Returns counts: golden records changed, changes planned. Wakes `push` through the asset `outbox`.",
        outlets=[OUTBOX],
        execution_timeout=timedelta(hours=6),
    )
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.consolidate()

    once()


consolidate()
