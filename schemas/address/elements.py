"""The elements of an address under construction, and the normal form in which each is written.

Why a mutable draft: the reader moves once from left to right and what a number means depends on what stands before
it (628号 behind a road is a door plate, behind an estate a building).
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from schemas.address.numerals import digits

COLUMNS: Final = (
    "province",
    "city",
    "district",
    "street",
    "community",
    "road",
    "road_no",
    "compound",
    "building",
    "unit",
    "floor",
    "room",
    "note",
)
"""The columns of a parsed address, from the largest to the smallest place, then what could not be placed.

`note` may hold personal data (names, phone numbers copied along with the address): it is for people who may see them.
"""

TRIM: Final = " -./、,&@#￥$%)("
"""What may stand around an element without belonging to it."""

_COMMUNITY_SUFFIX: Final = re.compile(r"(?:社区居民委员会|社区居委会|社区村委会|社区居委|居民委员会|居委会)$")
_VILLAGE_SUFFIX: Final = re.compile(r"(?:村民委员会|村委会|村民?委|行政村)$")
_BUILDING_SUFFIX: Final = re.compile(
    r"(?:号?楼栋|号楼|号(?:办公|教学|宿舍|住宅|综合|商业|公寓|实验)楼|#楼|号栋|号幢|号座|栋楼?|幢楼?|撞|懂|座|#|楼)$"
)
_UNIT_SUFFIX: Final = re.compile(r"(?:单元号?|门洞|号门|门|梯|栋门)$")
_ROOM_SUFFIX: Final = re.compile(r"(?:号?(?:单元室|室|房间|房|户|门面房?|办公室|写字间)|(?<=[0-9A-Z])号)$")
_FLOOR_WORDS: Final = {
    "底层": "1层",
    "首层": "1层",
    "架空层": "架空层",
    "底楼": "1层",
    "顶楼": "顶层",
    "顶层": "顶层",
    "夹层": "夹层",
}
_ROOM_FLOOR: Final = re.compile(r"[A-Z]?([0-9]{1,2})[0-9]{2}[A-Z]?(?:-[0-9A-Z]+)?室$")


@dataclass(slots=True)
class Draft:
    """One address while it is read; `last` names the element read last, `twice` says that an element came again."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    street: str | None = None
    community: str | None = None
    road: str | None = None
    road_no: str | None = None
    compound: str | None = None
    building: str | None = None
    unit: str | None = None
    floor: str | None = None
    room: str | None = None
    notes: list[str] = field(default_factory=list)
    last: str = ""
    twice: bool = False

    def copy(self, notes: list[str]) -> "Draft":
        """A draft that goes on from here, with earlier notes in front."""
        return Draft(
            self.province,
            self.city,
            self.district,
            self.street,
            self.community,
            self.road,
            self.road_no,
            self.compound,
            self.building,
            self.unit,
            self.floor,
            self.room,
            notes + self.notes,
            self.last,
            self.twice,
        )

    def note(self, text: str) -> None:
        """Keeps what no element can hold."""
        text = text.strip(TRIM)
        if text:
            self.notes.append(text)

    def put(self, column: str, value: str) -> None:
        """Fills an element once; a second value for the same element becomes a note."""
        if getattr(self, column) is None:
            setattr(self, column, value)
        else:
            self.twice = True
            if getattr(self, column) != value:
                self.note(value)
        self.last = column

    def row(self) -> tuple[str | None, ...]:
        """The values in the order of `COLUMNS`."""
        return (
            self.province,
            self.city,
            self.district,
            self.street,
            self.community,
            self.road,
            self.road_no,
            self.compound,
            self.building,
            self.unit,
            self.floor,
            self.room,
            " ".join(self.notes) or None,
        )


def street_name(stem: str, suffix: str) -> str:
    """中南路街道办事处 and 中南路办事处 are 中南路街道; towns and townships (镇, 乡) keep their kind."""
    return stem + ("街道" if suffix.startswith(("街道", "街办", "办事处")) else suffix)


def community_name(stem: str, suffix: str) -> str:
    """居委会 and its longer forms are 社区; 村委会 and its longer forms are 村."""
    if _COMMUNITY_SUFFIX.fullmatch(suffix):
        return stem.removesuffix("社区") + "社区"
    if _VILLAGE_SUFFIX.fullmatch(suffix):
        return stem.removesuffix("村") + "村"
    return stem + suffix


def group_name(text: str) -> str:
    """第三村民小组, 三小组 and 3组 are one group of villagers (村民小组)."""
    return digits(text.removeprefix("第")).replace("村民", "").replace("小组", "组")


@lru_cache(maxsize=1 << 14)
def building_name(text: str) -> str:
    """栋, 幢, 座 and 号楼 are one word for a building: A座 is A栋, 十二号楼 is 12栋."""
    return _BUILDING_SUFFIX.sub("", digits(text.removeprefix("第"))).replace("/", "-") + "栋"


@lru_cache(maxsize=1 << 14)
def unit_name(text: str) -> str:
    """单元, 门 and 梯 are one word for a staircase."""
    return _UNIT_SUFFIX.sub("", digits(text.removeprefix("第"))) + "单元"


@lru_cache(maxsize=1 << 14)
def floor_name(text: str) -> str:
    """五楼, 5F and F5 are 5层; 负一楼, 地下1层 and B1 are -1层."""
    if text in _FLOOR_WORDS:
        return _FLOOR_WORDS[text]
    number = re.sub(r"[层楼F第]", "", digits(text))
    number = number.replace("地下", "-").replace("负", "-").replace("B", "-")
    return number.replace("--", "-") + "层"


@lru_cache(maxsize=1 << 14)
def room_name(text: str) -> str:
    """501号房, 501房 and 501 are 501室; shops and stalls (铺, 档) keep their kind."""
    value = digits(text).replace("/", "-").replace(".", "-").replace("商铺", "铺").replace("号铺", "铺")
    stripped = _ROOM_SUFFIX.sub("", value)
    return stripped + "室" if stripped != value or value[-1:].isascii() else value


@lru_cache(maxsize=1 << 14)
def door_plate(text: str) -> str:
    """Digits, parts joined by "-", and the suffix 号; 628-1号, 特1号, 甲8号, 10号院 and 5号附3号 stay what they are."""
    value = digits(text).replace("/", "-").replace("#", "号").replace(".", "-")
    value = re.sub(r"之(?=[0-9])", "-", value)
    if "号附" in value and not value.endswith("号"):
        return value + "号"
    return value if "号" in value else value + "号"


@lru_cache(maxsize=1 << 14)
def floor_of_room(room: str) -> str | None:
    """The floor a room number of at least three digits tells: 1502室 lies on 15层; None where it tells none."""
    match = _ROOM_FLOOR.match(room)
    number = int(match[1]) if match else 0
    return f"{number}层" if number else None
