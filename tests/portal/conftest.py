"""The portal that the tests of a module share, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import PICTURES, Browsing, browsing
from portal_support import MakeHome, Portal, filled, opened


@pytest.fixture(scope="module")
def portal(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    return opened(filled(make_home, tmp_path_factory.mktemp("portal")))


@pytest.fixture(scope="module")
def seen(portal: Portal) -> Iterator[Browsing]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with browsing(portal) as opened:
        yield opened
