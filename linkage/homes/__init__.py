"""Linking houses and addresses (房屋、地址链接): one where they stand at one place, by codes where the text does not say it.

- `rules`: per entity its address, its code and its attaching keys, as data.
- `anchors`: where each record is, and what to do where codes say that two things stand at one place.
- `attach`: records without a place join the group that their key points at, else one another.
- `relink`: all of that for what a delta touches, from the state that the last run left.
"""
