"""Quality (质量): every night, the whole rule catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import at, common, secrets, within


@dag(
    dag_id="quality",
    dag_display_name="质量：规则全量检查",
    schedule=at("0 5 * * *"),
    deadline=within(timedelta(hours=2), "质量检查未按时完成"),
    doc_md="""### 质量检查
Runs the rule catalogue and publishes failing rows, scores and work orders. A failed gate stops publishing, never pulling.
Fails at once with the verb's name where this onefact has no quality room.""",
    **common(["nightly"]),
)
def quality() -> None:
    """Wire the one task."""

    @task(task_id="quality", task_display_name="质量检查", doc_md="Returns the counts of the run.")
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.quality()

    once()


quality()
