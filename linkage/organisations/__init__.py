"""Organisation names (单位名称) as linkage compares them: their anatomy, and how near two names are.

A registered name is place, brand, trade and form (行政区划、字号、行业、组织形式); what people write leaves out or changes any of
them but seldom the brand. A branch carries the name of its head and is not its head. Every distinct name is read once.
"""

from linkage.organisations.compare import LEVELS, compare
from linkage.organisations.forms import FORM_SCHEMA, standardise

__all__ = ["FORM_SCHEMA", "LEVELS", "compare", "standardise"]
