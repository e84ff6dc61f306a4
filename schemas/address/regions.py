"""Administrative regions (行政区划): the gazetteer and the reader of the region prefix of an address.

`data/regions.csv` holds provinces, cities and counties with their GB/T 2260 codes, retired ones included, because
old registers still say 襄樊市. `data/townships.csv` holds the township names of each county. Aliases (浙江, 武昌) are
derived here, and accepted only where they cannot be the beginning of another name (北京路, 武昌大道).
"""

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple


class Region(NamedTuple):
    """One region as the text may name it: what it fills, and whether the name is only an alias."""

    name: str
    level: str
    province: str
    city: str
    full: str
    alias: bool


Index = dict[str, tuple[Region, ...]]

MUNICIPALITIES: Final = ("北京市", "天津市", "上海市", "重庆市", "香港特别行政区", "澳门特别行政区")
_NATIONS: Final = (
    "壮族|回族|维吾尔|满族|苗族|土家族|藏族|侗族|布依族|彝族|蒙古族|蒙古|哈尼族|傣族|景颇族|傈僳族|白族|朝鲜族|羌族|哈萨克|柯尔克孜"
    "|黎族|瑶族|仫佬族|毛南族|水族|仡佬族|纳西族|普米族|独龙族|怒族|佤族|拉祜族|布朗族|畲族|达斡尔族|鄂温克族|鄂伦春"
    "|东乡族|保安族|撒拉族|裕固族|土族|各族|塔吉克|锡伯"
)
_SUFFIX: Final = re.compile(
    rf"(?:(?:{_NATIONS})*自治[区州县旗]|特别行政区|省|市|地区|盟|林区|特区|矿区|新区|区|县|旗)$"
)
_NOT_ALIAS_BEFORE: Final = re.compile(
    r"[东南西北中环前后新老外内上下]{0,2}[一二三四五六七八九十0-9]{0,2}(?:大?道|路|大?街|巷|弄|胡同)|里(?!湖)|桥|站|港|[寺庙庵]"
    r"|[镇乡村]|社区|大厦|饭店|宾馆|酒店|大学|银行|国际|集团|公司|商|广场|花园|小区|新村|公寓|苑|城(?![东南西北][街路镇])|师|经济技术|经济开发"
    r"|高新(?!.{0,2}[路大])|开发区|火车|地铁|机场|工业|科技|公园|人家|新城|医院|中学|小学|学院|府|湾|保税|豪|名|印象|之|山庄|坊|园|号|号线|宿舍|大院|家[园苑]|新[苑居]|雅[居苑]|华[庭府苑]|[嘉佳][园苑]|[轩阁庭]"
)
_ORGANISATION: Final = re.compile(
    r"(?:人民|公安|交通|教育|第[一二三四五六七八九十]|中级|高级|市场监|财政|税务|卫生|体育|妇幼|中医|实验|职业|政[府协务]|医院|法院|中学|小学|委|图书"
    r"|检察|档案|行政|民政|总工会|残联|司法|农业|林业|水[利务]|规划|环保|气象|文化[馆宫]|电视|党校|人大|消防|供电)"
)
_COUNTRY: Final = re.compile(
    r"(?:中国|中华人民共和国)(?! ?(?:银行|移动|电信|联通|人寿|石[油化]|邮政|农业|工商|建设|人民))"
)
_FILLER: Final = re.compile(
    r"[ /、-]*(?:市辖区|省直辖县级行政区划|省直辖|自治区直辖县级行政区划|其[它他]地?区|[XＸ]+区|NULL|雄安新区(?=[^ ]{2}县)|中国(?=.{1,3}[省市]))?[ /、-]*"
)
_COMMON: Final = frozenset(
    {"太湖", "大方", "太平", "新城", "金山", "东方", "长江", "黄河", "建设", "长城", "中山", "和平", "解放"}
)
_PROVINCE: Final = re.compile(
    "(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾)省"
    "|内蒙古自治区|广西壮族自治区|西藏自治区|宁夏回族自治区|新疆维吾尔自治区"
)
_LONGER_NAME: Final = re.compile(r"[\u4e00-\u9fa5]?(?:街道|街办|办事处|镇|乡|社区|村|路|大道)")
"""What behind a county's short name says that it begins the name of a smaller place: 白沙洲街道."""
_CHAIN: Final = re.compile(
    r"(?:[\u4e00-\u9fa5]{2,3}省)?(?:[\u4e00-\u9fa5]{2,4}市)?[\u4e00-\u9fa5]{1,5}?[区县](?=[\u4e00-\u9fa5])"
)
_FILLER_HEADS: Final = frozenset(" /、-市省自其XN雄中")
_UNLISTED: Final = re.compile(
    r"[\u4e00-\u9fa5]{1,2}[\u4e00-\u9fa5](?:(?<![园社小校片库景街市郊厂院厂特住商居灾])区|(?<![城])市|县|自治县)(?![场区委民府政里口路街巷道政])"
)


@lru_cache(maxsize=1)
def region_rows() -> tuple[dict[str, str], ...]:
    """The rows of `data/regions.csv`: code, name, level, province, city, and the last year of a retired name."""
    with files(__package__).joinpath("data/regions.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def _stem(name: str) -> str:
    return "内蒙古" if name == "内蒙古自治区" else _SUFFIX.sub("", name)


def _aliases(name: str) -> tuple[str, ...]:
    """The short names people use: 武昌 for 武昌区, 恩施 and 恩施州 for 恩施土家族苗族自治州."""
    stem = _stem(name)
    if len(stem) < 2 or stem == name:
        return ()
    if name.endswith("自治州"):
        return (stem + "州", stem + "自治州", stem)
    if name.endswith("自治县"):
        return (stem + "县", stem)
    if name.endswith("自治区"):
        return (stem, stem[:2], stem + "省")
    if name[-1] == "区" and not name.endswith("新区"):
        return (stem, stem + "新区")  # 红谷滩新区, 龙华新区: zones that became districts
    return (stem,)


@lru_cache(maxsize=1)
def indexes() -> dict[tuple[str, str], Index]:
    """Region names by the scope in which they may be said, each keyed by the first two characters.

    The scope ("", "") takes full names and the aliases of provinces, cities and county-level cities; a province scope
    adds aliases of its cities and counties; a city scope those of its counties.
    """
    found: dict[tuple[str, str], dict[str, Region]] = {}
    stems: dict[str, int] = {}
    for row in region_rows():
        if row["level"] == "district":
            stems[_stem(row["name"])] = stems.get(_stem(row["name"]), 0) + (not row["retired"])

    def add(scope: tuple[str, str], region: Region) -> None:
        scoped = found.setdefault(scope, {})
        if region.name not in scoped or not region.alias:
            scoped.setdefault(region.name, region)

    for row in sorted(region_rows(), key=lambda r: bool(r["retired"])):
        name, level, province, city = row["name"], row["level"], row["province"], row["city"]
        stem = _stem(name)
        region = Region(name, level, province, city, name, alias=False)
        shorts = [Region(a, level, province, city, name, alias=True) for a in _aliases(name)]
        scopes = [("", ""), (province, "")] if level != "province" else [("", "")]
        if level == "district" and city:
            scopes.append((province, city))
            scopes.append(("", city))
        for scope in scopes:
            add(scope, region)
            for short in shorts:
                if scope != ("", "") or level != "district" or (name[-1] == "市" and stems[stem] == 1):
                    add(scope, short)
    return {scope: _by_head(regions) for scope, regions in found.items()}


@lru_cache(maxsize=1)
def county_aliases() -> Index:
    """Short names of the counties of today by their first two characters."""
    found = {
        alias: Region(alias, "district", row["province"], row["city"], row["name"], alias=True)
        for row in region_rows()
        if row["level"] == "district" and not row["retired"]
        for alias in _aliases(row["name"])
    }
    return _by_head(found)


@lru_cache(maxsize=1)
def _city_names() -> re.Pattern[str]:
    names = {row["name"] for row in region_rows() if row["level"] == "city" and row["name"][-1] == "市"}
    return re.compile("|".join(sorted(names)))


def _by_head(regions: dict[str, Region]) -> Index:
    heads: dict[str, list[Region]] = {}
    for region in regions.values():
        heads.setdefault(region.name[:2], []).append(region)
    return {head: tuple(sorted(found, key=lambda r: -len(r.name))) for head, found in heads.items()}


@lru_cache(maxsize=1)
def townships() -> dict[str, dict[str, str]]:
    """Township names by county name and by city name: short name to full name (中南路 to 中南路街道).

    Counties of one name are joined; a city joins its counties.
    """
    places = {row["code"]: (row["name"], row["city"]) for row in region_rows() if not row["retired"]}
    kinds = {"j": "街道", "z": "镇", "x": "乡"}
    found: dict[str, dict[str, str]] = {}
    with files(__package__).joinpath("data/townships.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            names = [name for name in places.get(row["district_code"], ()) if name]
            entries = {entry[:-1]: entry[:-1] + kinds[entry[-1]] for entry in row["townships"].split(" ")}
            for name in names:
                found.setdefault(name, {}).update(entries)
    return found


@dataclass(slots=True)
class Prefix:
    """What the region prefix of one text says, and where the rest of the text begins."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    end: int = 0


@lru_cache(maxsize=1 << 15)
def _candidates(province: str, city: str, head: str) -> tuple[Region, ...]:
    """Names with these first two characters that may follow, longest first, nearer scopes before wider ones."""
    scopes = indexes()
    found = [scopes[scope].get(head, ()) for scope in ((province, city), (province, ""), ("", "")) if scope in scopes]
    if not any(found):  # the usual case: a road or estate begins here
        return ()
    merged: dict[str, Region] = {}
    for regions in found:
        for region in regions:
            merged.setdefault(region.name, region)
    return tuple(sorted(merged.values(), key=lambda r: -len(r.name)))


def _match(text: str, at: int, prefix: Prefix) -> Region | None:
    best: Region | None = None
    for region in _candidates(prefix.province or "", prefix.city or "", text[at : at + 2]):
        if text.startswith(region.name, at):
            best = region
            break
    if best is None and at == prefix.end == 0:
        best = _county_by_township(text)
    if best is None or not _acceptable(text, at + len(best.name), best, prefix):
        return None
    return best


def _county_by_township(text: str) -> Region | None:
    """A county named shortly at the very beginning counts where one of its townships follows (柯桥华舍)."""
    for region in county_aliases().get(text[:2], ()):
        after = text[len(region.name) :]
        towns = townships().get(region.full, {})
        if not text.startswith(region.name):
            continue
        if any(after[:size] in towns for size in (2, 3, 4)):
            return region
        if region.full[-1] == "县" and region.name not in _COMMON and not _LONGER_NAME.match(after):
            return region
    return None


def _acceptable(text: str, end: int, region: Region, prefix: Prefix) -> bool:
    """Whether the name stands for the region, and is not the beginning of a road, estate or authority."""
    if region.alias:
        return _alias_acceptable(text, end, region, prefix)
    if prefix.province and region.province != prefix.province and region.level != "province":
        return False
    if prefix.district is None and (region.level == "district" or prefix.city is None):
        return True
    return not (region.level == "district" and len(region.name) < 3) and not _ORGANISATION.match(text, end)


def _alias_acceptable(text: str, end: int, region: Region, prefix: Prefix) -> bool:
    """A short name must open a level not yet said, or a repetition, and no road or estate named after it."""
    said = {"province": prefix.province, "city": prefix.city, "district": prefix.district}
    if said[region.level] == region.full or prefix.district:
        return _county_follows(text, end, prefix)
    if said[region.level] or (region.level == "province" and prefix.city):
        return False
    if not _NOT_ALIAS_BEFORE.match(text, end):
        return True
    following = indexes().get((region.province, region.city), {}).get(text[end : end + 2], ())
    return any(not r.alias and text.startswith(r.name, end) for r in following)


def _county_follows(text: str, end: int, prefix: Prefix) -> bool:
    """Whether a repeated short name opens a repeated region prefix (杭州西湖区 behind 杭州市西湖区)."""
    names = (prefix.city, prefix.district, (prefix.district or "")[:2])
    towns = townships().get(prefix.district or "", {})
    return any(text[end : end + size] in towns for size in (2, 3)) or any(
        name and text.startswith(name, end) for name in names
    )


def _take(region: Region, prefix: Prefix) -> None:
    if region.level == "province":
        prefix.province = region.full
        prefix.city = region.full if region.full in MUNICIPALITIES else None
        prefix.district = None
    elif region.level == "city":
        prefix.city = region.full
        prefix.district = None
        if region.full in MUNICIPALITIES:
            prefix.province = region.full
    else:
        prefix.district = region.full


_HEAD: Final = 24


def read_prefix(text: str) -> Prefix:
    """As `_read_prefix`, remembering the heads of texts, because the addresses of a register begin alike."""
    prefix = _read_prefix(text[:_HEAD])
    return prefix if prefix.end <= _HEAD // 2 or len(text) <= _HEAD else _read_prefix(text)


@lru_cache(maxsize=1 << 15)
def _read_prefix(text: str) -> Prefix:
    """Reads province, city and county from the beginning of a text, completed to their official names.

    Repetitions (浙江省杭州市浙江省杭州市西湖区), fillers (市辖区) and the country are skipped; the last statement
    counts. Nothing is inferred: a level the text does not name stays None.
    """
    chain = _CHAIN.match(text)
    known = _chain(chain[0]) if chain else None
    if known:
        prefix = Prefix(known.province, known.city, known.district)
        at = known.end
        if text[at : at + 1] in _FILLER_HEADS:
            at = _FILLER.match(text, at).end()  # type: ignore[union-attr]
    else:
        prefix = Prefix()
        country = _COUNTRY.match(text)
        at = _FILLER.match(text, country.end() if country else 0).end()  # type: ignore[union-attr]
    for _ in range(9):
        region = _match(text, at, prefix)
        if region is None:
            break
        _take(region, prefix)
        at += len(region.name)
        if text[at : at + 1] in _FILLER_HEADS:
            at = _FILLER.match(text, at).end()  # type: ignore[union-attr]
    if prefix.district is None and (prefix.province or prefix.city):
        unlisted = _UNLISTED.match(text, at)
        if unlisted:
            prefix.district = unlisted[0]
            at = _FILLER.match(text, unlisted.end()).end()  # type: ignore[union-attr]
    prefix.end = at
    return prefix


@lru_cache(maxsize=1 << 13)
def _chain(text: str) -> Prefix | None:
    """The regions of a text that is a chain of official names down to the county, and nothing else.

    Why remembered apart: a country has three thousand counties, and most texts begin with one of these chains.
    """
    prefix = Prefix()
    while prefix.end < len(text) and prefix.district is None:
        found = _candidates(prefix.province or "", prefix.city or "", text[prefix.end : prefix.end + 2])
        region = next((r for r in found if text.startswith(r.name, prefix.end)), None)
        if region is None or region.alias or not _acceptable(text, prefix.end + len(region.name), region, prefix):
            return None
        _take(region, prefix)
        prefix.end += len(region.name)
    return prefix if prefix.district and prefix.end == len(text) else None


def late_prefix(text: str, at: int) -> int:
    """Where a region prefix begins that was written behind other elements (如城街道江苏省南通市如皋市…); -1 if none."""
    match = _PROVINCE.search(text, at) if text.find("省", at) >= 0 or text.find("自治区", at) >= 0 else None
    if match is None and at == 0 and text.find("市") > 2:
        city = _city_names().search(text)
        return city.start() if city and read_prefix(text[city.start() :]).district else -1
    return match.start() if match and _match(text, match.end(), Prefix(province=match[0])) else -1
