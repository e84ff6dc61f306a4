"""The heat matrix: a row per system, a column per shared fact; a filled cell = the system holds it, ★ = its authority."""

from __future__ import annotations

from dataclasses import dataclass

from onefact.report.sharing import Fact, Sharing, System

COLUMNS = 25
"""Shared facts shown: beyond these a fact is held by few systems and the picture would only grow."""

LEFT, TOP, STEP_X, STEP_Y, GAP = 330, 156, 32, 21, 9
"""Pixels: room for the system names and for the fact names, pitch of the cells, space between families."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One held fact: centre of the cell, and whether the system is its authority."""

    x: float
    y: float
    fact: Fact
    system: System
    authority: bool


@dataclass(frozen=True, slots=True)
class Band:
    """The rows of one family."""

    family: str
    index: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Matrix:
    """The geometry of the picture, in pixels of its viewBox."""

    width: float
    height: float
    left: float
    top: float
    bands: tuple[Band, ...]
    rows: tuple[tuple[float, System, int], ...]
    columns: tuple[tuple[float, Fact], ...]
    cells: tuple[Cell, ...]


def matrix(sharing: Sharing) -> Matrix:
    """Lay the picture out; a system without any of the shown facts keeps its row, so that all systems can be counted."""
    facts = sharing.facts[:COLUMNS]
    columns = tuple((LEFT + STEP_X * (i + 0.5), fact) for i, fact in enumerate(facts))
    rows, bands, y = [], [], float(TOP)
    for index, family in enumerate(sharing.families):
        members = [s for s in sharing.systems if s.family == index]
        bands.append(Band(family, index, y, STEP_Y * len(members)))
        for system in members:
            rows.append((y + STEP_Y / 2, system, sum(system.id in f.holders for f in facts)))
            y += STEP_Y
        y += GAP
    cells = tuple(
        Cell(x, row, fact, system, fact.authority == system.id)
        for row, system, _ in rows
        for x, fact in columns
        if system.id in fact.holders
    )
    width = LEFT + STEP_X * len(facts) + 44
    return Matrix(width, y, LEFT, TOP, tuple(bands), tuple(rows), columns, cells)
