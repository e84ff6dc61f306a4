"""Manifests: wrong ones are refused with file, line and key; values stay the text that was written.

Each file in `fixtures/manifests/bad/` says in its first lines what must be told: `# expects: line 24: <text>`.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from connectors.manifest import ManifestErrors, load, load_all

FIXTURES = Path(__file__).parents[1] / "fixtures" / "manifests"
BAD = sorted((FIXTURES / "bad").glob("*.yaml"))
SYSTEMS = Path(__file__).parents[2] / "connectors" / "systems"


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_a_bad_manifest_is_refused_with_exactly_what_is_wrong(path: Path) -> None:
    expected = [
        line.removeprefix("# expects: ")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# expects: ")
    ]
    with pytest.raises(ManifestErrors) as raised:
        load(path)
    told = [f"line {error.line}: {str(error).split(': ', 1)[1]}" for error in raised.value.errors]
    assert len(told) == len(expected), told
    for text in expected:
        assert any(one.startswith(text.split(": ", 1)[0] + ":") and text.split(": ", 1)[1] in one for one in told), told
    assert all(str(error).startswith(f"{path}:{error.line}: ") for error in raised.value.errors)


def test_the_manifest_that_the_bad_ones_were_made_from_is_good() -> None:
    assert load(FIXTURES / "good.yaml").id == "bad_example"


def test_scalars_stay_text_unless_the_model_wants_another_type(tmp_path: Path) -> None:
    text = (FIXTURES / "good.yaml").read_text(encoding="utf-8")
    text = text.replace(
        "birth_date: 出生日期", "ethnicity: {column: 民族, codes: {01: 01, no: 02, 1_0: 03}, direction: in}"
    )
    text = text.replace("    key: 编号", "    key: 编号\n    deleted: {column: 注销, values: [yes, 0x1, 2020-01-01]}")
    path = tmp_path / "text.yaml"
    path.write_text(text.replace("cadence: daily", "cadence: daily\ntrust: 07"), encoding="utf-8")
    manifest = load(path)
    assert manifest.datasets[0].entities[0].fields["ethnicity"].codes == {"01": "01", "no": "02", "1_0": "03"}
    assert manifest.datasets[0].deleted.values == ["yes", "0x1", "2020-01-01"]
    assert manifest.trust == 7
    assert manifest.authorisation.expires.year == 2028


def test_a_manifest_in_gbk_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gbk.yaml"
    path.write_bytes((FIXTURES / "good.yaml").read_text(encoding="utf-8").encode("gbk"))
    with pytest.raises(ManifestErrors, match=r"gbk\.yaml:2: the file is not UTF-8; save it as UTF-8"):
        load(path)


def test_a_folder_tells_the_problems_of_all_its_files_at_once(tmp_path: Path) -> None:
    for name in ("unknown_field", "undeclared_loss"):
        shutil.copy(FIXTURES / "bad" / f"{name}.yaml", tmp_path)
    shutil.copy(FIXTURES / "good.yaml", tmp_path / "a.yaml")
    shutil.copy(FIXTURES / "good.yaml", tmp_path / "b.yaml")
    with pytest.raises(ManifestErrors) as raised:
        load_all(tmp_path)
    told = str(raised.value)
    assert "b.yaml:1: id: the id 'bad_example' is taken by a.yaml" in told
    assert "unknown_field.yaml" in told
    assert "undeclared_loss.yaml" in told


def test_all_manifests_load_sorted_and_quickly() -> None:
    start = time.perf_counter()
    manifests = load_all(SYSTEMS)
    seconds = time.perf_counter() - start
    assert list(manifests) == sorted(manifests)
    assert len(manifests) == len(list(SYSTEMS.glob("*.yaml")))
    assert seconds < 2  # about 0.1 s on an idle machine
