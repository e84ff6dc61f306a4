"""Replay (重放): by hand only, what was received in a span of time is read again by today's rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from dags.shared import LANDED, common, secrets, within
from onefact.scheduled.inventory import systems


@dag(
    dag_id="replay",
    dag_display_name="重放：按今日规则重读历史批次",
    schedule=None,
    deadline=within(timedelta(hours=12), "重放未按时完成"),
    params={
        "from": Param(type="string", format="date", title="起始日期", description="含当日"),
        "to": Param(type="string", format="date", title="截止日期", description="含当日"),
        "systems": Param(
            [],
            type="array",
            items={"type": "string", "enum": [s.id for s in systems()]},
            title="系统",
            description="不选 = 全部",
        ),
        "dry_run": Param(True, type="boolean", title="试运行", description="只计数，不改动"),
    },
    doc_md="""### 重放
For a mapping, code map or rule that was wrong and is right now. Reads landing, not the systems: cursors do not move. Of
each record only the newest landed version counts. **Dry run by default**: it returns how many records would change.""",
    **common(["replay"]),
)
def replay() -> None:
    """Wire the two tasks."""

    @task(
        task_id="replay",
        task_display_name="重读批次",
        doc_md="Returns batches, records and how many records changed (or would change) per system.",
        execution_timeout=timedelta(hours=8),
    )
    def read_again(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from onefact.scheduled import verbs

        asked = params or {}
        secrets([])
        return verbs.replay(asked["from"], asked["to"], asked["systems"], dry_run=asked["dry_run"])

    @task(task_display_name="通知归集", doc_md="Wakes the consolidation, unless this was a dry run.", outlets=[LANDED])
    def landed(told: dict[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        if told["dry_run"]:
            raise AirflowSkipException("Dry run: nothing was changed.")

    landed(read_again())


replay()
