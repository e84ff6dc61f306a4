"""What all tests share: one embedded PostgreSQL for the session with a fresh database per test, and snapshots."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from onefact.home import Home
from warehouse import postgres, tables

if importlib.util.find_spec("hypothesis"):  # Airflow's environment does without
    import hypothesis

    # How long an example takes says something about the machine, not about us.
    hypothesis.settings.register_profile("onefact", deadline=None)
    hypothesis.settings.load_profile("onefact")

SNAPSHOTS = Path(__file__).parent / "snapshots"
TEMPLATE = "with_tables"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write tests/snapshots anew; read the diff after")


@dataclass
class Clock:
    """A clock that moves on by a millisecond whenever it is read, and by whole hours when told."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 1, 8, 0))  # noqa: DTZ001 - local time of the site

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def advance(self, hours: float = 1) -> None:
        self.moment += timedelta(hours=hours)


MakeHome = Callable[[Path, Mapping[str, str]], Home]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Postgres]:
    """One real PostgreSQL server; it ends with the session."""
    folder = tmp_path_factory.mktemp("server")
    try:
        running = postgres.open(folder, url="")
        running.create_database(TEMPLATE)
        engine = sa.create_engine(running.url(TEMPLATE))
        tables.create_all(engine)
        engine.dispose()
        yield running
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    return (f"t{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def make_home(server: postgres.Postgres, database_names: Iterator[str]) -> Iterator[MakeHome]:
    """Make an installation in a folder from manifests (system id -> YAML text), on a fresh database of its own."""
    made: list[Home] = []

    def make(folder: Path, manifests: Mapping[str, str]) -> Home:
        systems = folder / "systems"
        systems.mkdir(parents=True, exist_ok=True)
        for system_id, text in manifests.items():
            (systems / f"{system_id}.yaml").write_text(text, encoding="utf-8")
        name = next(database_names)
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}'.encode())
        home = Home(
            path=folder / "home", systems=systems, now=Clock(), database_url=server.dsn(name), threads=1, memory="400MB"
        )
        made.append(home)
        return home

    yield make
    for home in made:
        home.close()


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with tests/snapshots/<name>; `--update-snapshots` writes it instead."""

    def check(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if request.config.getoption("--update-snapshots"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no snapshot {name}; write it with --update-snapshots and read it"
        assert text == path.read_text(encoding="utf-8"), (
            f"{name} differs; if meant, --update-snapshots and read the diff"
        )

    return check
