"""Systems under maintenance are not read where the manifest says so; the others are read and not written."""

from __future__ import annotations

import pytest
from road_support import Town, citizen, row

from connectors.manifest.windows import Window
from onefact import pull


@pytest.mark.parametrize(("reading", "taken"), [(True, 1), (False, 0)])
def test_a_system_under_maintenance_is_not_read_where_its_manifest_says_so(
    town: Town, reading: bool, taken: int
) -> None:
    town.write("sg_etong", [row("G1", "王伟", id_number=citizen(11))])
    window = Window.model_validate({"from": "00:00", "to": "24:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "reading": reading})  # fmt: skip
    manifests = dict(town.home.manifests)
    manifests["sg_etong"] = manifests["sg_etong"].model_copy(update={"maintenance": [window]})
    town.home.__dict__["manifests"] = manifests
    [pulled] = pull.pull(town.home, ["sg_etong"])
    assert pulled.counts.taken == taken
    assert (pulled.error is None) == reading
    assert pulled.transient is not reading
