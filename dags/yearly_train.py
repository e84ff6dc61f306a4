"""Train (训练): once a year the linkage models learn from this installation's own records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import LANDED, at, common, secrets, within


@dag(
    dag_id="train",
    dag_display_name="训练：链接模型年度更新",
    schedule=at("0 3 15 1 *"),
    deadline=within(timedelta(hours=12), "模型训练未按时完成"),
    doc_md="""### 年度训练
Trains the linkage models on the records that are here and keeps them in `models/` of the working folder. They count from
the next consolidation on, which the asset `landed` wakes; answers of people outrank them.""",
    **common(["yearly"]),
)
def train() -> None:
    """Wire the one task."""

    @task(
        task_id="train",
        task_display_name="训练模型",
        doc_md="Returns the paths of the models written; entities with too few records keep the model they have.",
        outlets=[LANDED],
        execution_timeout=timedelta(hours=8),
    )
    def once() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.train()

    once()


train()
