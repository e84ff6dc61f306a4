"""Pull (拉取): one DAG per cadence class, one task per system; then the asset `landed` wakes the consolidation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, dag, get_parsing_context, task

from dags.shared import LANDED, at, common, secrets, within
from onefact.scheduled.inventory import Listed, systems

CADENCES = {
    "realtime": ("*/10 * * * *", "实时", timedelta(minutes=30)),
    "hourly": ("5 * * * *", "每小时", timedelta(hours=1)),
    "daily": ("30 1 * * *", "每日", timedelta(hours=3)),
    "weekly": ("30 2 * * 6", "每周", timedelta(hours=6)),
    "monthly": ("30 3 1 * *", "每月", timedelta(hours=6)),
    "yearly": ("30 4 2 1 *", "每年", timedelta(hours=12)),
}
"""Cadence class of the manifests -> schedule, Chinese name, deadline."""


def pull_of(cadence: str, chosen: list[Listed]) -> DAG:
    """Return the DAG that pulls the systems of a cadence class."""
    cron, title, limit = CADENCES[cadence]

    @dag(
        dag_id=f"pull_{cadence}",
        dag_display_name=f"拉取：{title}系统",
        schedule=at(cron),
        deadline=within(limit, f"拉取（{title}）未按时完成"),
        doc_md=f"""### 拉取{title}系统（{len(chosen)} 个）
Reads the new rows of each system into landing and standardises them. A system in trouble fails its own task only; the
others go on, and what has landed is consolidated. Cursors stand in onefact's own database, beside the batches: clearing a
task and running it again counts known records as unchanged. How fast a system is asked is its manifest's `rate_limit`.""",
        **common(["pull", cadence]),
    )
    def pull() -> None:
        @task(
            task_display_name="准备：清单、工作目录与数据库",
            doc_md="Checks manifests, folder and database before any system is asked.",
        )
        def begin() -> dict[str, Any]:
            from onefact.scheduled import verbs

            secrets([])
            return verbs.begin()

        @task(
            task_display_name="汇总：通知归集",
            doc_md="Sums up the cycle and wakes the consolidation through the asset `landed`, unless nothing landed.",
            outlets=[LANDED],
        )
        def landed(results: list[dict[str, Any] | None]) -> dict[str, Any]:
            from airflow.sdk.exceptions import AirflowSkipException

            from onefact.scheduled import verbs

            told = verbs.landed(results, len(chosen))
            if not told["systems"]:
                raise AirflowSkipException("No system landed anything.")
            return told

        begun = begin().as_setup()
        pulled = [pull_one(system) for system in chosen]
        ended = landed(pulled).as_teardown(setups=begun)
        begun >> pulled >> ended

    return pull()


def pull_one(system: Listed) -> Any:
    """Return the task of a system, named by it."""

    @task(
        task_id=system.id,
        task_display_name=system.name,
        doc_md=f"**{system.name}**（{system.department}，{system.kind}）：{system.note}",
    )
    def pull(system: str) -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([system])
        return verbs.pull(system)

    return pull(system.id)


# A worker that runs one task reads this file too: it needs that task's DAG only.
_wanted = get_parsing_context().dag_id
for _cadence in CADENCES:
    if _wanted not in (None, f"pull_{_cadence}"):
        continue
    if _chosen := [s for s in systems() if s.cadence == _cadence and s.reads]:
        globals()[f"pull_{_cadence}"] = pull_of(_cadence, _chosen)
