"""One verb at a time holds the working copy: in other processes by DuckDB's lock, within one by ours."""

from __future__ import annotations

import threading

import pytest
from road_support import Town

from warehouse.duck import WarehouseBusy


def test_another_thread_waits_for_the_working_copy_or_is_told(town: Town) -> None:
    told: list[BaseException] = []

    def another() -> None:
        try:
            with town.home.warehouse():
                pass
        except WarehouseBusy as busy:
            told.append(busy)

    with town.home.warehouse() as con, town.home.warehouse() as inner:  # a verb within a verb is no stranger
        assert con.execute("SELECT 1").fetchall() == inner.execute("SELECT 1").fetchall()
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert len(told) == 1
    with town.home.warehouse():
        pass
    another()
    assert len(told) == 1


def test_a_failed_verb_lets_go(town: Town) -> None:
    with pytest.raises(ZeroDivisionError), town.home.warehouse():
        1 / 0  # noqa: B018
    got: list[bool] = []

    def another() -> None:
        with town.home.warehouse():
            got.append(True)

    thread = threading.Thread(target=another)
    thread.start()
    thread.join(10)
    assert got == [True]
