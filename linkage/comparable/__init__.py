"""Comparable records (可比记录): what linking looks at of a record, as codes, one row per record.

Texts become hash codes once, so that the many comparisons of the blocking join are comparisons of integers.
"""

from linkage.comparable.build import RECORD, Inputs, build, finish, judge, name_joins, read, record_id
from linkage.comparable.specs import SPECS, Spec

__all__ = ["RECORD", "SPECS", "Inputs", "Spec", "build", "finish", "judge", "name_joins", "read", "record_id"]
