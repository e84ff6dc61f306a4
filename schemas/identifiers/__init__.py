"""Identifiers (标识号码): one module per number, each with `parse` for columns and `check_digit` for one number.

Every `parse(texts)` answers row for row with a table of the columns `value` (canonical, NULL when not usable), `kind`
(which of the number's forms it is), `issue` (why it is not usable) and `warning` (usable, but look at it), plus
what can be read off the number. Issues and warnings are short stable codes; `schemas.values` says them in sentences.

Own code rather than a library, because the popular ones reject every Wuchang number issued before 1983 and all credit
codes with letters in front (domain README §0.8).
"""
