"""Replay: what was read wrongly is read rightly from landing, and nothing that is newer or gone is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from road_support import Town, citizen, row

from onefact import pull, replay
from onefact.home import Home
from warehouse import landing

DAYS = ("2026-11-01", "2026-11-30")


def standardised(home: Home, names: str = "record_key, name, phone") -> list[tuple[str, ...]]:
    with home.warehouse() as con:
        return con.execute(
            f"SELECT {names} FROM std_person WHERE system_id = 'sg_etong' ORDER BY record_key"
        ).fetchall()


def told(results: list[replay.Replayed]) -> list[tuple[str, int, int, int]]:
    return [(r.system_id, r.batches, r.records, r.changed) for r in results]


def mapped_otherwise(home: Home, before: str, after: str) -> Home:
    """The same installation after somebody has corrected a manifest."""
    path = home.systems / "sg_etong.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return Home(path=home.path, systems=home.systems, now=home.now, database_url=home.database_url, threads=1)


@pytest.fixture
def town(make_town) -> Town:
    town = make_town("replayed")
    town.write("ybss", [])
    town.write("volunteer", [])
    town.write(
        "sg_etong",
        [row("G1", "王伟", id_number=citizen(11), phone="13900000001"), row("G2", "李红", phone="13900000002")],
    )
    pull.pull(town.home, ["sg_etong"])
    return town


def test_what_is_unchanged_by_todays_rules_touches_nothing(town: Town) -> None:
    assert told(replay.replay(town.home, *DAYS, dry_run=False)) == [("sg_etong", 1, 2, 0)]


def test_a_corrected_mapping_reaches_what_was_received_before(town: Town) -> None:
    before = standardised(town.home)
    home = mapped_otherwise(
        town.home, "phone: phone", "phone: id"
    )  # any other column: what counts is that it is read anew
    assert told(replay.replay(home, *DAYS)) == [("sg_etong", 1, 2, 2)]
    assert standardised(home) == before  # a dry run
    assert told(replay.replay(home, *DAYS, dry_run=False)) == [("sg_etong", 1, 2, 2)]
    assert standardised(home) != before
    again = mapped_otherwise(home, "phone: id", "phone: phone")
    assert told(replay.replay(again, *DAYS, ["sg_etong"], dry_run=False)) == [("sg_etong", 1, 2, 2)]
    assert standardised(again) == before
    assert told(replay.replay(again, *DAYS, dry_run=False)) == [("sg_etong", 1, 2, 0)]  # a second one is free
    again.close()


def test_an_old_span_never_brings_an_old_value_back_and_what_has_gone_stays_gone(town: Town) -> None:
    town.home.now.advance(48)  # type: ignore[attr-defined]
    town.write(
        "sg_etong", [row("G1", "王伟", id_number=citizen(11), phone="13900000009", changed="2026-11-03 09:00:00")]
    )
    pull.pull(town.home, ["sg_etong"])
    now = standardised(town.home)
    assert ("G1", "王伟", "13900000009") in now
    replay.replay(town.home, "2026-11-01", "2026-11-01", dry_run=False)
    assert standardised(town.home) == now


def test_an_empty_span_is_refused_and_a_span_without_batches_does_nothing(town: Town) -> None:
    with pytest.raises(replay.NoSpan):
        replay.replay(town.home, "2026-11-02", "2026-11-01")
    assert replay.replay(town.home, "2026-10-01", "2026-10-31") == []


def test_cursors_and_landing_stay_as_they_are(town: Town) -> None:
    before = (town.query("SELECT * FROM source_cursor ORDER BY 1, 2"), town.query("SELECT * FROM batch ORDER BY 1"))
    folder = town.home.landing / before[1][0]["folder"]
    digest = landing.digest(Path(folder))
    replay.replay(town.home, *DAYS, dry_run=False)
    after = (town.query("SELECT * FROM source_cursor ORDER BY 1, 2"), town.query("SELECT * FROM batch ORDER BY 1"))
    assert after == before
    assert landing.digest(Path(folder)) == digest
