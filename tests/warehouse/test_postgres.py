"""The embedded server: starts once, is shared, survives, and says in plain words what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from warehouse import postgres, postgres_files


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    yield tmp_path
    postgres.stop(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, postgres.Postgres]]:
    home = tmp_path_factory.mktemp("shared")
    yield home, postgres.open(home, url="")
    postgres.stop(home)


def pid_of(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().split("\n")[0])


def test_both_urls_reach_the_main_database(shared: tuple[Path, postgres.Postgres]) -> None:
    _, server = shared
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT current_database(), current_user").fetchone() == ("onefact", "onefact")
    engine = sqlalchemy.create_engine(server.url())
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT '标准地址'")).scalar() == "标准地址"
    engine.dispose()


def test_a_second_opening_is_quick_and_reuses_the_server(shared: tuple[Path, postgres.Postgres]) -> None:
    home, _ = shared
    before = pid_of(home)
    begun = time.perf_counter()
    again = postgres.open(home, url="")
    psycopg.connect(again.dsn()).close()
    assert time.perf_counter() - begun < 0.5  # measured: below 20 ms; the rest is room for a busy machine
    assert pid_of(home) == before


def test_the_data_is_durable_and_only_the_owner_gets_in(shared: tuple[Path, postgres.Postgres]) -> None:
    _, server = shared
    with psycopg.connect(server.dsn()) as connection:
        rows = connection.execute("SELECT name, setting FROM pg_settings").fetchall()
    settings = dict(rows)
    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    assert settings["listen_addresses"] == ""
    sockets = Path(settings["unix_socket_directories"])
    assert sockets.stat().st_mode & 0o077 == 0


def test_create_database_is_idempotent(shared: tuple[Path, postgres.Postgres]) -> None:
    _, server = shared
    for _ in range(2):
        server.create_database("sandbox")
    with psycopg.connect(server.dsn("sandbox")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("sandbox",)


def test_two_processes_starting_at_once_share_one_server(home: Path) -> None:
    code = "import sys; from pathlib import Path; from warehouse import postgres; print(postgres.open(Path(sys.argv[1])).dsn())"
    environment = {k: v for k, v in os.environ.items() if k != postgres.URL_VARIABLE}
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert answers[0] == answers[1] != ""
    psycopg.connect(answers[0].strip()).close()  # it also outlives the processes that started it


def test_data_survives_a_crash_of_the_server(home: Path) -> None:
    server = postgres.open(home)
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    pid = pid_of(home)
    os.kill(pid, signal.SIGKILL)
    (home / "postgres/data/postmaster.pid").write_text(  # an id that lives, but is no PostgreSQL
        f"{os.getpid()}\n" + (home / "postgres/data/postmaster.pid").read_text().split("\n", 1)[1]
    )
    time.sleep(0.5)  # its children see the death of their parent
    with psycopg.connect(postgres.open(home).dsn()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_folder_too_deep_for_a_socket_still_works(home: Path) -> None:
    deep = home / ("深" * 30) / ("x" * 60)
    deep.mkdir(parents=True)
    server = postgres.open(deep)
    try:
        psycopg.connect(server.dsn()).close()
        assert str(deep) not in server.dsn()
    finally:
        assert postgres.stop(deep) is True
    assert postgres.stop(deep) is False


def test_a_closed_home_works_without_being_opened(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    server = postgres.open(closed)
    try:
        psycopg.connect(server.dsn()).close()
        assert closed.stat().st_mode & 0o077 == 0
    finally:
        postgres.stop(closed)


def test_the_users_own_server_is_used_as_its_url_says(shared: tuple[Path, postgres.Postgres]) -> None:
    home, embedded = shared
    embedded.create_database("theirs")
    given = embedded.dsn("theirs").replace("postgresql://", "postgresql+psycopg://")
    server = postgres.open(home, given)
    assert not server.embedded
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("theirs",)


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("mysql://u:secret@db/x", postgres.DatabaseUrlInvalid, "not the URL of a PostgreSQL server"),
        ("postgresql://u:secret@127.0.0.1:9/x", postgres.DatabaseUnreachable, "does not answer"),
    ],
)
def test_a_wrong_url_is_explained_without_the_password(
    tmp_path: Path, url: str, error: type[postgres.DatabaseError], words: str
) -> None:
    with pytest.raises(error) as caught:
        postgres.open(tmp_path, url)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy


def test_data_of_another_version_is_not_touched(home: Path) -> None:
    (home / "postgres/data").mkdir(parents=True)
    (home / "postgres/data/PG_VERSION").write_text("9\n")
    with pytest.raises(postgres_files.BinariesMissing, match="made by PostgreSQL 9"):
        postgres.open(home)
    assert [p.name for p in (home / "postgres/data").iterdir()] == ["PG_VERSION"]
    (home / "postgres/data/PG_VERSION").unlink()


def test_a_deleted_folder_does_not_harm_its_successor(tmp_path: Path) -> None:
    """`rm -rf .onefact` and a new start: the old server, which ends by itself a minute later, owns another socket."""
    home = tmp_path / "home"
    first = postgres.open(home)
    old = (home / "postgres" / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    shutil.rmtree(home)
    try:
        postgres.open(home)
        new = (home / "postgres" / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        assert new[4] != old[4]
        assert first.dsn()
    finally:
        postgres.stop(home)
        os.kill(int(old[0]), signal.SIGQUIT)
