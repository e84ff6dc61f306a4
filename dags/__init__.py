"""When does it run? (调度) Airflow DAGs over onefact's verbs: wiring only. Each task's body is one call, imported inside it.

`shared` holds what all have in common, `start` runs a whole Airflow on one machine. Other files hold one DAG (or one per
cadence class) and are named unlike any room, because Airflow puts this folder on the import path.
"""
