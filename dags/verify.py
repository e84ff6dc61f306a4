"""Verify (核验): after each push, every record and change counted once and no answer overdue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import DELIVERED, common, secrets, within


@dag(
    dag_id="verify",
    dag_display_name="核验：计数平衡与回执",
    schedule=[DELIVERED],
    deadline=within(timedelta(minutes=30), "核验未按时完成"),
    doc_md="""### 核验
Fails when the counts of a system do not add up, or when an answer that a system owes is overdue (`onefact outbox overdue`).
Each write was read back by `push` already; this looks at what is still open.""",
    **common(["push"]),
)
def verify() -> None:
    """Wire the one task."""

    @task(task_id="verify", task_display_name="核验", doc_md="Returns the number of changes by state.")
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.verify()

    once()


verify()
