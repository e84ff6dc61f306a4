"""The synthetic town: who lives where, who owns and runs what, and what changed lately (合成小镇).

What makes linking hard here, all of it drawn by the seed, with the truth kept apart (rates in the modules and, for what
systems write wrong, in `sandbox/lens/lenses.yaml`):

- people: twins who share a character of the given name, brothers and sisters of one generation character, a son with a
  character of his father's; people of one name, sex and birth date; couples and grandparents in one flat; phones used by
  parent and child, by an old person and a grown child; numbers that the operator gave out again; changed names; babies
  without a number; people from abroad with passports; names with a middle dot; compound surnames.
- homes: neighbours one digit apart; households that moved within the town or left it, with the old address in every
  system that has not looked since; estates of one name in two streets; estates that people call by another name.
- firms: renamed, moved and handed over; a chain's head office and branches, mostly under one legal representative, many
  on one hotline; people who run several firms; sole traders of one name.
- what systems do to all this: `sandbox.lens`.
"""

from sandbox.town.build import DAY_OF_THE_TOWN, make_town
from sandbox.town.model import Change, Former, Life, Town

__all__ = ["DAY_OF_THE_TOWN", "Change", "Former", "Life", "Town", "make_town"]
