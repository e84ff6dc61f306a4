"""Hints: they follow their record through pull and rebuild, and go nowhere else."""

from __future__ import annotations

from pathlib import Path

from road_support import MakeHome, Town, citizen, manifests, row

from onefact import pull, rebuild
from onefact.consolidate import consolidate

NUMBER = citizen(11)
TYPO = NUMBER[:-2] + str((int(NUMBER[-2]) + 1) % 10) + NUMBER[-1]
MASKED = f"{NUMBER[:6]}********{NUMBER[-4:]}"
OTHER = f"{NUMBER[:6]}********9994"


def hints(town: Town) -> set[tuple[str, ...]]:
    with town.home.warehouse() as con:
        return set(con.execute("SELECT system_id, record_key, role, field, kind, value FROM std_hint").fetchall())


def told(key: str, kind: str, value: str) -> tuple[str, ...]:
    return ("sg_etong", key, "person", "id_number", kind, value)


def test_hints_follow_their_record_and_go_nowhere_else(make_home: MakeHome, tmp_path: Path) -> None:
    town = Town(make_home(tmp_path, manifests("sg_etong")))

    def arrive(*rows: dict[str, str]) -> pull.Pulled:
        town.home.now.advance()  # type: ignore[attr-defined]
        town.write("sg_etong", rows)
        (pulled,) = pull.pull(town.home)
        consolidate(town.home)
        return pulled

    first = dict(row("G1", "王伟", id_number=TYPO, phone="13900000001、13900000002"))
    second = dict(row("G2", "李红", id_number=MASKED))
    arrive(first, second)
    both = {("sg_etong", "G1", "person", "phone", "other", "13900000002")}
    both |= {told("G1", "typo", TYPO), told("G2", "masked", MASKED)}
    assert hints(town) == both

    # In the record both masked numbers are nothing: only the hint tells that the row has changed.
    assert arrive(first, second | {"id_number": OTHER}).counts.taken == 1
    now = both - {told("G2", "masked", MASKED)} | {told("G2", "masked", OTHER)}
    assert hints(town) == now
    assert arrive(first, second | {"id_number": OTHER}).counts.taken == 0

    rebuild.rebuild(town.home)
    assert hints(town) == now

    arrive(first | {"id_number": NUMBER, "phone": "13900000001"}, second | {"id_number": OTHER})
    assert hints(town) == {told("G2", "masked", OTHER)}

    tables = town.query("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'")
    master = "".join(str(town.query(f'SELECT * FROM "{t["name"]}"')) for t in tables)
    assert NUMBER in master  # the search finds what is there
    assert not [h for h in (TYPO, MASKED, OTHER, "13900000002") if h in master]
