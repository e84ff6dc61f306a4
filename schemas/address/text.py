"""Surface normal form of address texts: one width, one case, one dash, one bracket, no stray spaces.

Texts are joined in batches so that each rule is one pass of compiled code over many texts rather than a call for
each; batches rather than the whole column, so that one odd text costs only its neighbours the slower rules.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from schemas.address.numerals import HAN_DIGITS, digits

_END: Final = "\x1e"
_BATCH: Final = 256
_CHARS: Final = {
    **dict.fromkeys("–—―‐‑−﹣～~〜ー", "-"),
    **dict.fromkeys("[{【〔〖「『《<〈", "("),
    **dict.fromkeys("]}】〕〗」』》>〉", ")"),
    **dict.fromkeys("_|;。，,:\"'“”‘’!?*•·=+^\t\n\r\v\f\x1c\x1d\x85\u2028\u2029\ufeff\u200b\u200e\u200f", " "),
    "＃": "#",
    "\x1f": " ",
    "號": "号",
    "樓": "楼",
    "棟": "栋",
    "層": "层",
    "區": "区",
    "縣": "县",
    "鎮": "镇",
    "鄉": "乡",
    "單": "单",
    "廈": "厦",
    "廣": "广",
    "東": "东",
    "灣": "湾",
    "門": "门",
    "國": "国",
    "園": "园",
}
_ROMAN: Final = {ord(roman): han for roman, han in zip("ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ", "一二三四五六七八九十", strict=True)}
_UNUSUAL: Final = re.compile(f"[{re.escape(''.join(_CHARS))}]")
_NUMBER_GAP: Final = re.compile(r"(?<=[0-9]) +(?=[0-9])")
_NUMBER_DASH: Final = re.compile(r"[至一](?<=[0-9].)(?=[0-9])")
_LETTER_O: Final = re.compile(r"O(?<=[0-9].)(?=[0-9])")
_SECTION: Final = re.compile(r"[1-9](?<=[路街道].)(?=段)")
_ALLEY: Final = re.compile(f"(?<=[路街道])[{HAN_DIGITS}]{{1,6}}(?=弄)")
_SECTIONS: Final = dict(zip("123456789", "一二三四五六七八九", strict=True))
_SPACE: Final = re.compile(r"(?<![\u3400-\u9fff)]) +| +(?![\u3400-\u9fff(])")
_SPACES: Final = re.compile(r" {2,}")
_DASHES: Final = re.compile(r"--+")


def normal_texts(texts: Sequence[str]) -> list[str]:
    """Brings texts to their surface normal form, in order.

    Full-width characters become half-width (NFKC), letters upper case, every kind of dash "-", every bracket "()".
    A space survives only between two Chinese characters, where people use it to separate elements; between two
    numbers it becomes "-", because "12 501" names two numbers. 红星路3段 becomes 红星路三段, because the section belongs
    to the road's name; 东波路五八五弄 becomes 东波路585弄, because the alley is its door plate.
    """
    normal: list[str] = []
    for start in range(0, len(texts), _BATCH):
        normal += _normal_batch(texts[start : start + _BATCH])
    return normal


def _normal_batch(texts: Sequence[str]) -> list[str]:
    joined = _END.join([t.replace(_END, " ") if _END in t else t for t in texts])
    if not unicodedata.is_normalized("NFKC", joined):
        joined = unicodedata.normalize("NFKC", joined.translate(_ROMAN))
    joined = _UNUSUAL.sub(_usual, joined.upper())
    joined = _LETTER_O.sub("0", _NUMBER_DASH.sub("-", joined))
    if "段" in joined:
        joined = _SECTION.sub(lambda m: _SECTIONS[m[0]], joined)
    if "弄" in joined:
        joined = _ALLEY.sub(lambda m: digits(m[0]), joined)
    if " " in joined:
        joined = _SPACES.sub(" ", _SPACE.sub("", _NUMBER_GAP.sub("-", joined)))
    if "--" in joined:
        joined = _DASHES.sub("-", joined)
    return joined.split(_END)


def _usual(match: re.Match[str]) -> str:
    return _CHARS[match[0]]
