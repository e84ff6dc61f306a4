"""The installation that the road's tests work with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from road_support import MakeHome, Run, Town, manifests

from onefact.cli import errors
from onefact.cli.app import app


@pytest.fixture
def make_town(make_home: MakeHome, tmp_path: Path) -> Callable[[str], Town]:
    return lambda name: Town(make_home(tmp_path / name, manifests("ybss", "sg_etong", "volunteer")))


@pytest.fixture
def town(make_town: Callable[[str], Town]) -> Town:
    return make_town("town")


@pytest.fixture
def say(town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on the town, with its clock; returns what was printed, or of a code other than 0 what was said of it."""
    monkeypatch.setattr("onefact.cli.session.Session.home", town.home)
    monkeypatch.setenv("COLUMNS", "220")

    def run(*words: str, code: int = 0) -> str:
        assert errors.guarded(lambda: app(list(words), standalone_mode=False)) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run
