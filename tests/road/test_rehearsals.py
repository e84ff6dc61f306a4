"""A rehearsal says what would happen, and leaves no trace: every verb that changes something has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from road_support import Town, citizen, flat, row

from connectors.manifest.windows import Window
from onefact import consolidate, enter, merge, pull, rebuild, review, road
from schemas.entities import ENTITIES

WANG = citizen(11)


@pytest.fixture
def peopled(town: Town) -> Town:
    """Two systems with 王伟, of whom one was read already; a neighbour with a name alike."""
    town.write("ybss", [row("Y1", "王伟", id_number=WANG, home=flat(1)), row("Y2", "李强", home=flat(2))])
    town.write("volunteer", [row("V1", "王玮", id_number=WANG, phone="13900000001")])
    return town


def kept(town: Town) -> dict[str, Any]:
    """All that an installation keeps: the master's rows, the working copy's records, the landed files."""
    tables = [r["t"] for r in town.query("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")]
    master = {t: sorted(map(str, town.query(f'SELECT * FROM "{t}"'))) for t in tables if t != "authorisation"}
    with town.home.warehouse() as con:
        copy = {e: con.execute(f"SELECT * FROM std_{e} ORDER BY ALL").fetchall() for e in ENTITIES}
        links = con.execute("SELECT system_id, record_key, master_id FROM crosswalk ORDER BY ALL").fetchall()
    files = sorted(str(p.relative_to(town.home.path)) for p in Path(town.home.path).rglob("*.parquet"))
    return {"master": master, "copy": copy, "links": links, "files": files}


def test_a_rehearsed_pull_counts_what_a_pull_would_bring(peopled: Town) -> None:
    before = kept(peopled)
    rehearsed = pull.pull(peopled.home, dry_run=True)
    assert kept(peopled) == before
    assert [p for p in Path(peopled.home.path).iterdir() if p.name.startswith(".rehearsal")] == []
    real = pull.pull(peopled.home)
    assert [(p.system_id, p.counts, p.error) for p in rehearsed] == [(p.system_id, p.counts, p.error) for p in real]


def test_a_rehearsed_consolidation_says_what_one_would_change(peopled: Town) -> None:
    pull.pull(peopled.home)
    before = kept(peopled)
    rehearsed = consolidate.consolidate(peopled.home, dry_run=True)
    assert kept(peopled) == before
    real = consolidate.consolidate(peopled.home)
    assert (rehearsed.golden, rehearsed.planned, rehearsed.ended) == (real.golden, real.planned, real.ended)
    assert real.planned > 0


def test_a_rehearsed_entry_then_consolidation_is_the_same_as_without_them(peopled: Town) -> None:
    pull.pull(peopled.home)
    consolidate.consolidate(peopled.home)
    enter.enter(peopled.home, WANG, "phone", "13900000009", actor="lin")
    consolidate.consolidate(peopled.home, dry_run=True)
    assert peopled.person("ybss", "Y1")["phone"] == "13900000001"
    consolidate.consolidate(peopled.home)
    assert peopled.person("ybss", "Y1")["phone"] == "13900000009"


def test_the_whole_road_and_a_rebuild_rehearsed(peopled: Town) -> None:
    before = kept(peopled)
    road.run(peopled.home, dry_run=True)
    assert kept(peopled) == before
    pull.pull(peopled.home)
    consolidate.consolidate(peopled.home)
    before = kept(peopled)
    done = rebuild.rebuild(peopled.home, dry_run=True)
    assert kept(peopled) == before
    assert (done.consolidated, done.records) == (None, 3)


def test_judgements_rehearsed(peopled: Town) -> None:
    pull.pull(peopled.home)
    consolidate.consolidate(peopled.home)
    one, other = peopled.id_of("ybss", "Y1"), peopled.id_of("ybss", "Y2")
    before = kept(peopled)
    done = merge.merge(peopled.home, one, other, actor="li", reason="电话核实", dry_run=True)
    assert (done.left, done.right, done.recorded) == (one, other, 1)
    merge.split(peopled.home, one, ["volunteer/V1"], actor="li", reason=None, dry_run=True)
    assert kept(peopled) == before
    with pytest.raises(Exception, match="没有"):
        review.decide(peopled.home, 999, "accept", actor="li", reason=None, dry_run=True)
    assert kept(peopled) == before


@pytest.mark.parametrize(("reading", "taken"), [(True, 1), (False, 0)])
def test_a_system_under_maintenance_is_not_read_where_its_manifest_says_so(
    peopled: Town, reading: bool, taken: int
) -> None:
    window = Window.model_validate({"from": "00:00", "to": "24:00", "reading": reading})
    manifests = dict(peopled.home.manifests)
    manifests["volunteer"] = manifests["volunteer"].model_copy(update={"maintenance": [window]})
    peopled.home.__dict__["manifests"] = manifests
    [pulled] = pull.pull(peopled.home, ["volunteer"])
    assert (pulled.counts.taken, pulled.error is None, pulled.transient) == (taken, reading, not reading)
