"""Push (回写): a task per target for which something waits, whenever the outbox was planned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from dags.shared import DELIVERED, OUTBOX, common, secrets, within


@dag(
    dag_id="push",
    dag_display_name="回写：逐系统投递",
    schedule=[OUTBOX],
    deadline=within(timedelta(hours=1), "回写未按时完成"),
    doc_md="""### 回写
One mapped task per target, named by it, for those with changes to write or answers to ask for. A target in trouble keeps
its changes in the outbox and fails its own task only. Guards, breakers, maintenance windows and the law are the verb's: a
target that a guard holds fails at once and waits for `onefact target release`.""",
    **common(["push"]),
)
def push() -> None:
    """Wire setup, targets, one task per target, teardown."""

    @task(task_display_name="准备", doc_md="Checks that manifests and database are in order.")
    def begin() -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.begin()

    @task(task_display_name="待回写系统", doc_md="The ids of the systems for which something waits.")
    def targets() -> list[str]:
        from onefact.scheduled import verbs

        secrets([])
        return verbs.targets()

    @task(
        task_id="push",
        task_display_name="回写",
        map_index_template="{{ task.op_kwargs['system'] }}",
        doc_md="Recovers what is in doubt, writes what is due, reads it back; returns how many changes ended in which state.",
    )
    def one(system: str) -> dict[str, Any]:
        from onefact.scheduled import verbs

        secrets([system])
        return verbs.push(system)

    @task(
        task_display_name="汇总：通知核验", doc_md="Wakes `verify` through the asset `delivered`.", outlets=[DELIVERED]
    )
    def delivered() -> None:
        pass

    begun = begin().as_setup()
    pushed = one.expand(system=targets())
    ended = delivered().as_teardown(setups=begun)
    begun >> pushed >> ended


push()
