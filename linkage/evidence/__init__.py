"""How near two values are that are no names and no addresses: numbers, dates, Latin texts.

Every module has `LEVELS`, best first. Numbers and texts have `compare(left, right)`, which gives each pair of a column its
level: symmetric, NULL where the pair says nothing, every distinct pair worked once. Dates are compared in SQL alone, on
integers.
"""

from linkage.evidence import dates, numbers, texts

__all__ = ["dates", "numbers", "texts"]
