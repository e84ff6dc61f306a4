"""The synthetic town: who lives where, who owns and runs what, and what changed lately (合成小镇)."""

from sandbox.town.build import DAY_OF_THE_TOWN, make_town
from sandbox.town.model import Change, Former, Life, Town

__all__ = ["DAY_OF_THE_TOWN", "Change", "Former", "Life", "Town", "make_town"]
