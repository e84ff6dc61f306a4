"""The lens: each system's own view of the town, with what it misses, what it has forgotten to update and its dirt (视角)."""

from sandbox.lens.look import TRUTH, SystemView, view
from sandbox.lens.seed import seed_all
from sandbox.lens.settings import BadLens, DatasetLens, Lens, Population, lens_for, make_lens, population

__all__ = [
    "TRUTH",
    "BadLens",
    "DatasetLens",
    "Lens",
    "Population",
    "SystemView",
    "lens_for",
    "make_lens",
    "population",
    "seed_all",
    "view",
]
