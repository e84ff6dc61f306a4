"""What a system holds, told by its texts or decoded: both must say the same, whatever stands in the row."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from support import change_of, manifest_of

from connectors import raw
from connectors.told import held_of, records

MANIFEST = manifest_of("frontdb")
COLUMNS = MANIFEST.dataset("persons").columns
PHONES = ("13900000001", "13900000002", "139 0000 0001", "027-88880001", "12", "", "无")
SEXES = ("男", "女", "1", "", "不详")
NAMES = ("王伟", " 王伟 ", "王 伟", "", "不详")
NUMBER = "420199199001010013"  # of a man
ROW = st.fixed_dictionaries(
    {
        "RYBH": st.sampled_from(("R1", "R2", "")), "LXDH": st.sampled_from(PHONES), "XB": st.sampled_from(SEXES),
        "XM": st.sampled_from(NAMES), "GMSFHM": st.sampled_from(("", NUMBER)), "ZXBZ": st.sampled_from(("0", "1")),
    }
)  # fmt: skip
KNOWN = {
    "phone": st.sampled_from((None, *PHONES[:2])), "sex": st.sampled_from((None, "1", "2", "9")), "name": st.sampled_from((None, "王伟")),
}  # fmt: skip
FIELDS = st.fixed_dictionaries({}, optional={name: st.tuples(value, value) for name, value in KNOWN.items()})


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=3), FIELDS.filter(bool), FIELDS.filter(bool))
def test_texts_tell_what_decoding_would(
    found: list[dict[str, str]],
    first: dict[str, tuple[str | None, str | None]],
    second: dict[str, tuple[str | None, str | None]],
) -> None:
    rows = raw.table(
        {c: pa.array([row.get(c) for row in found], pa.string()) for c in COLUMNS},
        pa.array([f"row {n}" for n in range(len(found))]),
    )
    changes = [change_of(MANIFEST, f"persons/R{n}", fields) for n, fields in ((1, first), (2, second))]
    told, decoded = held_of(MANIFEST, "persons", changes, rows), records(MANIFEST, "persons", rows)
    for change in changes:
        place = (change.record_key or "", change.role)
        assert (place in told) == (place in decoded)
        if place in decoded:
            fields = [c.field for c in change.changes]
            assert {f: told[place][f] for f in fields} == {f: decoded[place][f] for f in fields}
