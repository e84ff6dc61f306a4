"""Fills the upper regions an address leaves unsaid, where the lower ones leave no choice."""

from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.arrays import joined, strings
from schemas.address.regions import region_rows

_END: Final = "\x1f"
Triple = tuple[str, str, str]


def complete(table: pa.Table) -> pa.Table:
    """Fills province and city from an unambiguous city or county; every other column stays as it is.

    Why apart from `parse`: a parsed element is what the text says, a completed one is what the gazetteer adds, and
    provenance must be able to tell them apart. 朝阳区 alone stays as it is (there are several); 余杭区 becomes
    浙江省 杭州市 余杭区. Retired names are used only where no region of today has the name.

    Raises:
        KeyError: if province, city or district is missing.
    """
    columns = [table.column(name) for name in ("province", "city", "district")]
    encoded = joined(columns, _END).combine_chunks().dictionary_encode()
    filled = [_fill(key.split(_END)) for key in encoded.dictionary.to_pylist()]
    for at, name in enumerate(("province", "city")):
        values = strings([row[at] for row in filled])
        table = table.set_column(table.schema.get_field_index(name), name, pc.take(values, encoded.indices))
    return table


def _fill(said: list[str]) -> tuple[str | None, str | None]:
    province, city, district = said
    if district:
        found = {
            (p, c) for p, c in _places().get(("district", district), ()) if province in {"", p} and city in {"", c}
        }
        if len(found) == 1:
            p, c = next(iter(found))
            return p, c or city or None
        if not city:
            city = _zone_city(district)
    if city and not province:
        provinces = {p for p, _ in _places().get(("city", city), ())}
        province = next(iter(provinces)) if len(provinces) == 1 else ""
    return province or None, city or None


def _zone_city(district: str) -> str:
    """The city in the name of a functional zone: 杭州经济技术开发区 lies in 杭州市."""
    for size in (4, 3, 2):
        name = district[:size] + "市"
        if len(district) > size + 2 and ("city", name) in _places():
            return name
    return ""


@lru_cache(maxsize=1)
def _places() -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    """Province and city of every region name by level; of namesakes those of today only, if there are any."""
    found: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in region_rows():
        found.setdefault((row["level"], row["name"]), []).append((row["province"], row["city"], row["retired"]))
    return {
        key: tuple((p, c) for p, c, retired in rows if not retired or all(r for _, _, r in rows))
        for key, rows in found.items()
    }
