"""An Airflow of the tests' own: its folder is chosen before anything imports Airflow."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("airflow") is None:
    pytest.skip("Airflow has an environment of its own: make test-airflow", allow_module_level=True)

ROOT = Path(__file__).parents[2]
PEOPLE = 150

_folder = tempfile.TemporaryDirectory(prefix="onefact-airflow-")
os.environ |= {
    "AIRFLOW_HOME": _folder.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__OPENLINEAGE__NAMESPACE": "onefact",
    "AIRFLOW__OPENLINEAGE__TRANSPORT": f'{{"type": "file", "log_file_path": "{_folder.name}/lineage.jsonl", "append": true}}',
}


@pytest.fixture(scope="session")
def lineage() -> Path:
    return Path(_folder.name) / "lineage.jsonl"


@pytest.fixture(scope="session")
def airflow() -> None:
    """Airflow's own database, without which no DAG runs."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True, timeout=240)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with forty running stand-ins."""
    folder = tmp_path_factory.mktemp("cycle") / "home"
    onefact = [sys.executable, "-m", "onefact", "--home", str(folder)]
    os.environ["ONEFACT_HOME"] = str(folder)
    try:
        subprocess.run(
            [*onefact, "sandbox", "start", "--people", str(PEOPLE)], check=True, capture_output=True, timeout=240
        )
        yield folder
    finally:
        subprocess.run([*onefact, "stop"], check=False, capture_output=True, timeout=60)
        os.environ.pop("ONEFACT_HOME")
