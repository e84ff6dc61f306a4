"""The sealed log's checkpoint (检查点): every day, signed, into the folder that is kept elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import at, common, secrets, within


@dag(
    dag_id="checkpoint",
    dag_display_name="密封日志：每日检查点",
    schedule=at("30 0 * * *"),
    deadline=within(timedelta(hours=2), "每日检查点未按时签发"),
    doc_md="""### 每日检查点
Seals the ledgers of the pipeline, signs how far the log has come, writes the file to `ONEFACT_CHECKPOINTS`, and verifies
the whole log. Fails when a row was touched: then look at once (`onefact log verify`).""",
    **common(["nightly"]),
)
def checkpoint() -> None:
    """Wire the one task."""

    @task(
        task_id="checkpoint",
        task_display_name="签发并核验",
        doc_md="Returns number and hash of the last row, and the file.",
    )
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.checkpoint()

    once()


checkpoint()
