"""The auditor's report (审计报告): on the first of each month, for the month before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import at, common, secrets, within


@dag(
    dag_id="audit_report",
    dag_display_name="审计报告：月报",
    schedule=at("0 6 1 * *"),
    deadline=within(timedelta(hours=4), "审计月报未按时完成"),
    doc_md="""### 审计月报
Writes the report of the month before into `reports/` of the working folder: page, PDF and workbook.""",
    **common(["monthly"]),
)
def audit_report() -> None:
    """Wire the one task."""

    @task(task_id="audit_report", task_display_name="生成月报", doc_md="Returns the period's total score and counts.")
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.audit_report()

    once()


audit_report()
