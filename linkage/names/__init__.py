"""Names (姓名) as linkage compares them: forms of a name, and how near two names are.

A name has an exact spelling and below it forms that survive what hands and old systems do to names: traditional and
variant characters (繁体字、异体字), homophones typed by sound (同音字), southern pronunciation (平翘舌、前后鼻音不分). Every
distinct name is standardised once, in Arrow batches over code points; DuckDB's own string distances count bytes and
are wrong for Chinese.
"""

from linkage.names.compare import LEVELS, compare
from linkage.names.forms import FORM_SCHEMA, standardise

__all__ = ["FORM_SCHEMA", "LEVELS", "compare", "standardise"]
