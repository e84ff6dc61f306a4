"""The portal that the tests of a module share."""

from __future__ import annotations

import pytest
from portal_support import MakeHome, Portal, filled, opened


@pytest.fixture(scope="module")
def portal(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    return opened(filled(make_home, tmp_path_factory.mktemp("portal")))
