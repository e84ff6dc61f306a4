"""What our linkage is measured against (对照方法): exact ID grouping, and Splink 5 as one takes it and as an expert tunes it.

Every foil links the same persons from the same Parquet file in a process of its own (`python -m benchmarks.foils`, from
the root of the repository), so that its memory is its own. `benchmarks.foils.town` runs them on standardised records.

- `exact`: records with one valid number are one person, all others stand alone.
- `stock`: Splink with the comparisons of its library (NameComparison, DateOfBirthComparison, ...), as its tutorial does.
  On DuckDB these count bytes, three to a Chinese character, so that two strangers easily look alike.
- `lean`, `wide`: Splink with prepared columns (pinyin without tones, road and door number, flat) and levels that mean
  something in Chinese, over five tight blocking rules, or these and two loose ones with 16.5 million pairs per
  million records. Preparing the columns is not timed: this is the strong bar.
"""
