"""A Spark session for linking: on this machine without a network, or on a cluster that the user names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import linkage

if TYPE_CHECKING:
    from linkage.spark.engine import SparkEngine

JAVA: Final = 17
"""The oldest Java that Spark 4 runs on."""

BATCH: Final = 100_000
"""Rows that go to a Python worker at a time."""


class SparkMissing(Exception):
    """Spark cannot run here; says what is missing and what to do."""

    def __init__(self, missing: str, remedy: str) -> None:
        self.missing, self.remedy = missing, remedy
        super().__init__(f"Linking on Spark needs {missing}. {remedy}")


def java() -> Path:
    """Return the Java program that Spark will use: that of JAVA_HOME, or the one on PATH.

    Raises:
        SparkMissing: there is none, or it is too old.
    """
    remedy = "Install Java 17 (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless), or name it in JAVA_HOME."
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise SparkMissing(f"Java {JAVA} or newer, and none was found{' in JAVA_HOME' if home else ''}", remedy)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    version = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if version is None or int(version[1]) < JAVA:
        raise SparkMissing(f"Java {JAVA} or newer, and {found} is {version[1] if version else 'no Java'}", remedy)
    return Path(found)


@contextmanager
def spark_engine(
    master: str, scratch: Path, *, memory: str = "2g", partitions: int | None = None, shared: str | None = None
) -> Iterator[SparkEngine]:
    """Give an engine on a Spark session that ends with the block.

    Args:
        master: `local[N]` for N cores of this machine (nothing then listens but on 127.0.0.1), or a cluster's address.
        scratch: folder for what Spark spills and keeps on this machine.
        memory: of the driver, which with `local` does all the work.
        partitions: parts into which joins spread; Spark's own number when None, twice the cores with `local`.
        shared: folder that all workers reach, for the tables; with `local` it may be left out.

    Raises:
        SparkMissing: PySpark or Java is missing, or a cluster has no shared folder.
    """
    if find_spec("pyspark") is None:
        raise SparkMissing("PySpark, which is not installed", "Install it: pip install 'onefact[spark]'")
    java()
    if shared is None and not master.startswith("local"):
        raise SparkMissing("a folder that all workers reach", f"Name one for {master}: --shared hdfs:///tmp/onefact")
    # PySpark warns of pandas 3 whenever an Arrow function is made; nothing here ever is a pandas object.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from pyspark.sql import SparkSession

    from linkage.spark.engine import SparkEngine

    builder = SparkSession.builder.master(master).appName("onefact link")
    settings = _settings(scratch, memory) | (_local(master) if master.startswith("local") else {})
    if partitions is not None:
        settings["spark.sql.shuffle.partitions"] = str(partitions)
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _workers(master):
        session = builder.getOrCreate()
        try:
            yield SparkEngine(session, f"{shared or scratch / 'tables'}/{uuid4()}")
        finally:
            session.stop()


@contextmanager
def _workers(master: str) -> Iterator[None]:
    """Let the workers on this machine be the Python that runs this, which is the one with the libraries.

    PySpark looks for it in its environment and nowhere else.
    """
    before = os.environ.get("PYSPARK_PYTHON")
    if before is None and master.startswith("local"):
        os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYSPARK_PYTHON", None)


def _settings(scratch: Path, memory: str) -> dict[str, str]:
    log = Path(__file__).with_name("log4j2.properties").as_uri()
    return {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log}",
        "spark.driver.memory": memory,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
        # The weight is one long expression over a few small numbers: interpreted it is quicker than compiled.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }


def _local(master: str) -> dict[str, str]:
    cores = re.search(r"\d+", master)
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(2 * (int(cores[0]) if cores else os.cpu_count() or 1)),
        # Workers are Pythons of their own and have to find this onefact.
        "spark.executorEnv.PYTHONPATH": str(Path(linkage.__file__).parents[1]),
    }
