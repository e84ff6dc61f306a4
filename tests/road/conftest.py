"""The installation that the road's tests work with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from road_support import MakeHome, Town, manifests


@pytest.fixture
def make_town(make_home: MakeHome, tmp_path: Path) -> Callable[[str], Town]:
    return lambda name: Town(make_home(tmp_path / name, manifests("ybss", "sg_etong", "volunteer")))


@pytest.fixture
def town(make_town: Callable[[str], Town]) -> Town:
    return make_town("town")
