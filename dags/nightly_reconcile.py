"""Reconcile (核对): every night, all systems against the master, field by field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import at, common, secrets, within
from onefact.scheduled.inventory import systems


@dag(
    dag_id="reconcile",
    dag_display_name="核对：各系统与主库逐项比对",
    schedule=at("0 2 * * *"),
    deadline=within(timedelta(hours=5), "夜间核对未按时完成"),
    doc_md="""### 夜间核对
Reads every system afresh and compares it with the master. Findings are kept in the table `finding`; the next consolidation
plans again what was lost silently. Fails when somebody has to look (`onefact reconcile`). No cursor moves.""",
    **common(["nightly"]),
)
def reconcile() -> None:
    """Wire the one task."""

    @task(
        task_id="reconcile",
        task_display_name="核对",
        doc_md="Returns counts by kind of finding and the systems that were not reached.",
        execution_timeout=timedelta(hours=5),
    )
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([s.id for s in systems()])
        return verbs.reconcile()

    once()


reconcile()
