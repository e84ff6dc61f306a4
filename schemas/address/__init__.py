"""Standard addresses (标准地址): text to elements, elements to text, and the key that links addresses.

The elements follow GA/T 2000.32 and GB/T 39609: 省 市 区县, 街道, 社区, 路街巷, 门牌, 小区院落, 楼栋, 单元, 楼层, 户室. `parse`
says what a text says, in normal form; `complete` adds what follows from it; `render` writes the full text;
`normal_key` gives the string by which addresses of two registers are equal.

Personal data: a full address is personal data by itself, and `note` holds whatever stood beside it: names of recipients,
phone numbers, remarks on residents. Keep `note` out of logs, error messages, reports and anything published, and
protect it like a phone number; neither `render` nor `normal_key` uses it.
"""

from schemas.address.completion import complete
from schemas.address.elements import COLUMNS
from schemas.address.keys import normal_key
from schemas.address.parse import SCHEMA, parse
from schemas.address.render import render

__all__ = ["COLUMNS", "SCHEMA", "complete", "normal_key", "parse", "render"]
