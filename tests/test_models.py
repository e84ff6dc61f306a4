"""The models of an installation: which one counts, training on its own records, and the chart of its thresholds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from connectors.mapping import decode
from linkage import svg
from linkage.chart import curve, draw
from linkage.model import load, save, shipped
from onefact import models
from onefact.cli.app import app
from onefact.home import Home
from sandbox.lens import lens_for, view
from sandbox.town import make_town

SYSTEMS = ("ybss", "sg_etong", "property_mgmt", "floating_pop", "volunteer", "health_file")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An installation that has pulled the persons of a small town from six systems."""
    home = Home(path=tmp_path_factory.mktemp("models") / "home")
    town = make_town(1200, 4)
    with home.warehouse() as con:
        for system in SYSTEMS:
            manifest = home.manifests[system]
            for dataset, rows in view(town, manifest, lens_for(system), 4).rows.items():
                decoded = decode(rows, manifest, dataset, "2026-06-01T00:00:00")
                if "person" in decoded.tables:
                    con.register("page", decoded.tables["person"])
                    con.execute("INSERT INTO std_person BY NAME SELECT *, hash(system_id, record_key) AS sid FROM page")
                    con.execute("INSERT INTO touched_record (sid) SELECT hash(system_id, record_key) FROM page")
                    con.unregister("page")
    return home


def run(home: Home, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["--home", str(home.path), "model", *arguments], env={"COLUMNS": "160"})
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_the_shipped_model_counts_until_there_is_an_own_one(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    assert models.current(home, "person") == shipped("person")
    assert [(f.model.entity, f.counts) for f in models.every(home) if f.model.entity == "person"] == [("person", True)]
    mine = shipped("person").at(link=11.0)
    save(mine, models.own(home, "person"))
    assert models.current(home, "person") == mine
    assert [f.counts for f in models.every(home) if f.model.entity == "person"] == [False, True]


def test_an_entity_without_a_model_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(models.NoModel, match=r"no linkage model of 'dragon'.*person"):
        models.current(Home(path=tmp_path), "dragon")


def test_training_on_the_installations_records(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "fresh.json"
    told = json.loads(run(home, "train", "--out", str(out), "--pairs", "100000", "--seed", "2", "--json"))
    assert told["file"] == str(out)
    model = load(out)
    assert model.trained["how"] == "Splink"
    assert model.trained["seed"] == 2
    assert model.trained["records"] > 2000
    weights = {e.name: e.weight for e in model.comparison("name").levels}
    assert weights["exact"] > 8 > 0 > weights["different"]
    assert models.current(home, "person") == shipped("person"), "a model written elsewhere does not count"
    lines = (tmp_path / "fresh.frequencies.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "folded,sex,decade,share"
    assert len(lines) > 10
    assert all(float(line.rsplit(",", 1)[1]) > 1e-5 for line in lines[1:])


def test_the_table_of_weights_is_chinese_and_complete(home: Home) -> None:
    said = run(home, "show", "person")
    assert all(header in said for header in ("比较项", "等级", "权重", "同户权重", "阈值"))
    assert all(comparison.name in said for comparison in shipped("person").comparisons)
    assert "生效" in run(home, "list")


def test_the_chart_is_one_picture_that_stands_alone(home: Home, tmp_path: Path) -> None:
    run(home, "chart", "person", "--out", str(tmp_path / "chart.svg"))
    text = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)
    words = [node.text or "" for node in root.iter(f"{SVG}text")]
    assert any(word.startswith("链接 ") for word in words)
    assert any(word.startswith("复核 ") for word in words)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), "it must open without network"
    run(home, "chart", "person", "--out", str(tmp_path / "chart.html"))
    assert (tmp_path / "chart.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_expected_precision_and_recall_are_sums_of_probabilities() -> None:
    # Odds 1:1, 3:1 and 2^20:1, one pair each.
    found = curve(np.array([0.0, np.log2(3), 20.0]), lowest=-5.0)
    true = 0.5 + 0.75 + 1.0
    assert found.at(-5.0) == (pytest.approx(true / 3, abs=1e-5), pytest.approx(1.0), 3)
    assert found.at(1.0) == (pytest.approx(1.75 / 2, abs=1e-5), pytest.approx(1.75 / true, abs=1e-5), 2)
    assert found.at(30.0) == (1.0, 0.0, 0)
    assert (np.diff(found.recall) <= 0).all()


def test_a_chart_of_nothing_is_a_chart() -> None:
    ET.fromstring(draw(shipped("person"), curve(np.array([]), lowest=-10.0)))


def test_text_in_pictures_is_escaped() -> None:
    ET.fromstring(svg.picture(10, 10, [svg.text(0, 0, "<b>&\"'")], "a < b & c"))
