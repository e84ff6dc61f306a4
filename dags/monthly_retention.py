"""Retention (到期删除): on the second of each month, after the month's report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import at, common, secrets, within


@dag(
    dag_id="retention",
    dag_display_name="到期删除：按保存期限",
    schedule=at("0 3 2 * *"),
    deadline=within(timedelta(hours=6), "到期删除未按时完成"),
    doc_md="""### 到期删除
Deletes what `retention.yaml` lets expire and notes count, hash and rule of it in the sealed log. Fails at once for a setting
below the floor of the law, and when the log does not verify; nothing is deleted then.""",
    **common(["monthly"]),
)
def retention() -> None:
    """Wire the one task."""

    @task(task_id="retention", task_display_name="到期删除", doc_md="Returns how many of each kind went.")
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.retention()

    once()


retention()
