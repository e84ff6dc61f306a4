"""Addresses compared (地址比对): which two texts are one place, which lie in one another, which are neighbours.

`compare` judges pairs; `aliases.learn` finds the names by which one compound goes, from data, with the evidence;
`linkage.address.places` gives every text of a warehouse the code of its place, by what the texts around it say.
"""

from linkage.address import aliases
from linkage.address.comparison import SCHEMA, compare

__all__ = ["SCHEMA", "aliases", "compare"]
