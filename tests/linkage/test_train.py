"""Training of weights: the levels Splink sees are those that score, and a seed gives the same model twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from math import log2
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from linkage import names
from linkage.comparable import SPECS
from linkage.comparison import KINDS
from linkage.engine import DuckEngine
from linkage.model import Blocking, Comparison, Level, Model, Thresholds, frequencies, load, save, shipped
from linkage.model import splink_settings as words
from linkage.model.estimate import Settings, Shares
from linkage.model.train import TooLittle, train
from linkage.scoring import OPEN, levels_sql

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUICK = Settings(pairs=60_000, labels=100, session=50)
BASE = shipped("person")


def people(count: int, seed: int = 5) -> pa.Table:
    """Comparable records of so many persons, three records each: names with typos, phones shared in families, one without a number."""
    rng = np.random.default_rng(seed)
    surnames, given = list("王李张刘陈杨赵黄周吴"), list("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰萍红飞云")
    home = np.repeat(np.arange(count), 2)[:count]
    surname = rng.choice(surnames, count)[home]
    person_names = ["".join((s, *rng.choice(given, 2))) for s in surname]
    birth = [(int(y), int(m), int(d)) for y, m, d in rng.integers((1940, 1, 1), (2010, 13, 29), (count, 3))]
    rows = []
    for person in range(count):
        for copy in range(3):
            name, (y, m, d) = person_names[person], birth[person]
            if copy and rng.random() < 0.1:
                name = name[:2] + str(rng.choice(given))
            if copy == 2 and rng.random() < 0.1:
                m, d = 1, 1
            labelled = copy < 2 or person % 3
            shared = rng.random() < 0.3
            rows.append({
                "label": person + 1 if labelled else None, "name_text": name, "birth_y": y, "birth_m": m, "birth_d": d,
                "sex": person % 2 + 1, "phone": int(home[person]) + 10**6 if shared else person + 10**8,
                "phone_shared": False, "flat": int(home[person]) + 1,
            })  # fmt: skip
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    con.execute("SET threads = 2")
    rows = people(300)
    con.register("row", rows)
    texts = rows["name_text"].unique()
    con.register("form", names.standardise(texts).append_column("text", texts))
    con.execute(
        "CREATE TABLE comparable AS SELECT hash(row_number() OVER (), 7) AS rid, label::UBIGINT AS label, "
        "hash(name_text) AS name, hash(f.folded) AS name_folded, hash(f.pinyin) AS name_pinyin, "
        "hash(f.pinyin_fuzzy) AS name_sound, hash(f.surname) AS name_surname, NULL::UBIGINT AS name_used, name_text, "
        "0.0 AS name_rarity, hash(birth_y, birth_m, birth_d) AS birth, birth_y, birth_m, birth_d, sex, "
        "hash(phone) AS phone, phone_shared, hash(flat) AS residence_flat, hash(flat // 4) AS residence_building, "
        "hash(flat // 20) AS residence_site, NULL::UBIGINT AS registered_flat, NULL::UBIGINT AS registered_building, "
        "NULL::UBIGINT AS registered_site, CASE WHEN flat % 2 = 0 THEN hash(flat, 1) END AS household, "
        # Half of those without a valid number have one that is masked, in one of two ways.
        "CASE WHEN label IS NOT NULL THEN 0 WHEN flat % 2 = 0 THEN 1 END::SMALLINT AS number_hint, "
        "CASE WHEN label IS NOT NULL THEN whole WHEN flat % 4 = 0 THEN whole[:10] || '****' || whole[15:] "
        "WHEN flat % 2 = 0 THEN whole[:14] || '****' END AS number_text, "
        "CASE WHEN number_text NOT LIKE '%**' THEN hash(number_text[15:]) END AS number_tail, "
        "CASE WHEN number_text[:14] NOT LIKE '%*' THEN hash(number_text[:14]) END AS number_head "
        "FROM (SELECT *, '420199' || (birth_y * 10000 + birth_m * 100 + birth_d) || (1000 + hash(name_text) % 9000) AS whole FROM row) row "
        "JOIN form f ON f.text = row.name_text"
    )
    yield con
    con.close()


def test_splink_sees_the_levels_that_score(con: duckdb.DuckDBPyConnection) -> None:
    """On random pairs, Splink's own comparison vectors equal the levels of the scoring SQL, texts included."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    words.register(con, (c.kind for c in BASE.comparisons))
    con.execute("CREATE OR REPLACE TEMP TABLE picked AS SELECT * FROM comparable ORDER BY rid LIMIT 200")
    document = words.settings(BASE, iterations=5, convergence=0.01) | {
        "blocking_rules_to_generate_predictions": [{"blocking_rule": "1=1", "sql_dialect": "duckdb"}],
        "retain_matching_columns": True,
    }
    for comparison in document["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                level |= {"m_probability": 0.5, "u_probability": 0.5}
    linker = Linker(
        DuckDBAPI(connection=con).register("picked"), SettingsCreator.from_path_or_dict(document), log_level=None
    )
    con.register("theirs", linker.inference.predict().as_duckdbpyrelation().to_arrow_table())
    ours = ", ".join(
        f"CASE {levels_sql(c, 'l', 'r')} WHEN {OPEN} THEN {words.level_number(c)} ELSE {levels_sql(c, 'l', 'r')} END AS g_{c.name}"
        for c in BASE.comparisons
    )
    # Splink numbers levels from the worst up, from 0, and nothing to compare is -1.
    same = " AND ".join(
        f"g_{c.name} = CASE WHEN gamma_{c.name} = -1 THEN 0 ELSE {len(KINDS[c.kind].levels)} - gamma_{c.name} END"
        for c in BASE.comparisons
    )
    pairs, equal, textual = con.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {same}), count(*) FILTER (WHERE g_name BETWEEN 6 AND 8) FROM theirs t JOIN "
        f"(SELECT l.rid AS a, r.rid AS b, {ours} FROM picked l, picked r WHERE l.rid < r.rid) o "
        "ON o.a = least(t.rid_l, t.rid_r) AND o.b = greatest(t.rid_l, t.rid_r)"
    ).fetchall()[0]
    assert pairs == 200 * 199 // 2
    assert equal == pairs
    assert textual > 50, "the pairs must put the textual levels to the test"


def test_texts_are_compared_as_the_pipeline_compares_them(con: duckdb.DuckDBPyConnection) -> None:
    words.register(con, ["name"])
    texts = pa.table({"a": ["张小伟", "张伟", "王芳", None], "b": ["张小明", "张小伟", "李娜", "李娜"]})
    con.register("texts", texts)
    numbers = [r[0] for r in con.execute("SELECT textual_name(a, b) FROM texts").fetchall()]
    levels = KINDS["name"].levels
    assert [levels[n - 1] if n else None for n in numbers] == ["one_character", "missing_character", None, None]
    assert names.compare(texts["a"].combine_chunks(), texts["b"].combine_chunks()).to_pylist()[:2] == [
        "one_character", "missing_character",
    ]  # fmt: skip


def test_two_trainings_give_the_same_file(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for i, order in enumerate(("rid", "hash(rid, 3)")):  # the order in which records came must not matter
        con.execute(f"CREATE OR REPLACE TEMP TABLE shuffled AS SELECT * FROM comparable ORDER BY {order}")
        done = train(con, BASE, now=NOW, settings=QUICK, records="shuffled", implied=frozenset({"birth", "sex"}))
        save(done.model, tmp_path / f"{i}.json")
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()


def test_what_is_trained_and_what_is_kept(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    done = train(con, BASE, now=NOW, settings=QUICK, implied=frozenset({"birth", "sex"}))
    save(done.model, tmp_path / "person.json")
    model = load(tmp_path / "person.json")
    assert (model.blocking, model.guards, model.thresholds, model.discount) == (
        BASE.blocking, BASE.guards, BASE.thresholds, BASE.discount,
    )  # fmt: skip
    assert model.trained["when"] == "2026-01-02T03:04:05+00:00"
    assert (model.trained["records"], model.trained["identifiers"], model.trained["seed"]) == (900, 300, 1)
    assert model.trained["m_from"]["name"] == "identifiers"
    assert model.trained["m_from"]["birth"] == "expectation maximisation"
    assert model.trained["m_from"]["registered"] == "base model"
    assert model.prior == pytest.approx(log2(1400 / (800 * 799)), abs=0.05)
    name = model.comparison("name")
    exact = name.levels[0]
    assert exact.m is not None
    assert exact.u is not None
    assert 0.8 < exact.m < 0.95
    assert exact.weight == pytest.approx(log2(exact.m / exact.u), abs=0.002)
    # Brother and sister share surname and home; a surname says less at home than on the street.
    surname = next(entry for entry in name.levels if entry.name == "surname_only")
    assert surname.at_home is not None
    assert surname.at_home < surname.weight - 1
    assert model.comparison("registered") == BASE.comparison("registered"), "nothing is known of it"
    assert model.comparison("number") == BASE.comparison("number"), "valid numbers cannot teach what failed ones say"
    for comparison in model.comparisons:
        if comparison.name not in {"registered", "number"}:
            assert sum(entry.m or 0 for entry in comparison.levels) == pytest.approx(1, abs=0.01), comparison.name
            assert all(entry.m and entry.u for entry in comparison.levels), comparison.name
    never = next(entry for entry in name.levels if entry.name == "used")
    assert (never.weight, never.why) == (BASE.comparison("name").weight("used"), "never seen in training")


def test_weights_for_a_larger_population(con: duckdb.DuckDBPyConnection) -> None:
    """A thousand times more people: a random partner is as much less likely, and so is a stranger in one's flat."""
    small, large = (
        train(
            con,
            BASE,
            now=NOW,
            settings=Settings(pairs=60_000, labels=100, session=50, population=n),
            implied=frozenset({"birth", "sex"}),
        ).model
        for n in (300, 300_000)
    )
    shift = log2(1000)
    assert large.prior == pytest.approx(small.prior - shift, abs=0.01)
    same_flat = [m.comparison("residence").levels[0].weight for m in (small, large)]
    assert same_flat[1] == pytest.approx(same_flat[0] + shift, abs=0.1)
    assert large.comparison("name").levels[0].weight == small.comparison("name").levels[0].weight


def test_without_identifiers_u_is_cleared_of_true_pairs(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE nobody AS SELECT * REPLACE (NULL::UBIGINT AS label) FROM comparable")
    done = train(con, BASE, now=NOW, settings=QUICK, records="nobody")
    truth = train(con, BASE, now=NOW, settings=QUICK, implied=frozenset())
    assert done.model.trained["identifiers"] == 0
    assert set(done.model.trained["m_from"].values()) <= {"expectation maximisation", "base model"}
    with_labels, without = (m.model.comparison("birth").levels[0] for m in (truth, done))
    assert without.m == pytest.approx(with_labels.m, abs=0.1)
    # A pair of the same person has the same birth date: left in, it would raise u to the prior's share or more.
    assert without.u is not None
    assert without.u < 2.0**done.model.prior


def test_too_little_to_learn_from_is_said(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE few AS SELECT * FROM comparable LIMIT 20")
    with pytest.raises(TooLittle, match="20 records"):
        train(con, BASE, now=NOW, settings=QUICK, records="few")


def test_a_level_never_seen_is_rare_not_impossible() -> None:
    shares = Shares((0.9, 0.1, 0.0), 99.0).smoothed()
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares[2] == pytest.approx(0.5 / 100.5, rel=1e-3)


def test_a_rule_names_all_columns_that_its_comparison_looks_at() -> None:
    """Splink leaves a comparison out of a session by its columns; the birth date as one code stands for its parts."""
    sql = words.rule(BASE, ["name_folded", "birth"])
    assert all(f"l.birth_{part} = r.birth_{part}" in sql for part in "ymd")
    assert words.used_up(BASE, ["name_folded", "birth"]) == {"name", "birth"}


def test_frequencies_of_names() -> None:
    """Ten of a hundred people are 王伟, all men born in the 1980s; every person counts once however many the records."""
    con = duckdb.connect()
    rows = [
        {"system_id": "s", "record_key": f"{person}-{copy}", "role": "person", "name": "王伟" if person < 10 else f"李{person}",
         "sex": "1" if person % 2 == 0 or person < 10 else "2", "birth_date": "1985-05-05" if person < 50 else "1970-05-05",
         "label": person}
        for person in range(100)
        for copy in range(1 + person % 3)
    ]  # fmt: skip
    con.register("row", pa.Table.from_pylist(rows))
    con.execute("CREATE TABLE comparable AS SELECT *, hash(record_key) AS rid FROM row")
    con.execute("CREATE TABLE form AS SELECT DISTINCT name AS text, name AS folded FROM row")
    form = "JOIN form n_name ON n_name.text = s.name"
    table = frequencies.counted(con, "row", "comparable", form, SPECS["person"].frequencies, floor=1e-5)
    shares = {(r["folded"], r["sex"], r["decade"]): r["share"] for r in table.to_pylist()}
    assert {folded for folded, _, _ in shares} == {"王伟"}, "a name of one person has no frequency"
    assert shares["王伟", "", ""] == pytest.approx(0.1)
    men = frequencies.STEADY
    assert shares["王伟", "1", "198"] == pytest.approx((10 + men * 0.1) / (30 + men), abs=1e-6)
    assert shares["王伟", "2", "197"] < 0.1 < shares["王伟", "1", "198"]


def test_a_minimal_model_of_another_entity_can_be_trained(con: duckdb.DuckDBPyConnection) -> None:
    model = Model(
        "parcel", "hand", -8.0, Thresholds(0, 5, 9, 1), (Blocking("flat", ("residence_flat",), 50),),
        (Comparison("household", "code", (Level("exact", None, None, 5.0), Level("different", None, None, -5.0))),),
    )  # fmt: skip
    done = train(con, model, now=NOW, settings=QUICK)
    exact, different = done.model.comparisons[0].levels
    assert exact.weight > 0 > different.weight
    assert json.dumps(done.model.trained)


def test_the_engine_scores_with_a_trained_model(con: duckdb.DuckDBPyConnection) -> None:
    from linkage.blocking import keys_sql
    from linkage.compare_pairs import score_all

    model = train(con, BASE, now=NOW, settings=QUICK, implied=frozenset({"birth", "sex"})).model
    engine = DuckEngine(con)
    engine.table("keyed", f"SELECT *, {keys_sql(model)} FROM comparable")
    score_all(engine, model, records="keyed")
    assert con.execute("SELECT count(*) FROM scored WHERE weight >= 9.5").fetchall()[0][0] > 100


def test_at_home_the_family_bounds_the_weight() -> None:
    """Twins share home, phone, surname and birth date: against strangers that is proof, against one's twin it is nothing."""
    from linkage.scoring import weight_sql

    model = Model(
        "person", "hand", -20.0, Thresholds(0, 10, 20, 1), (),
        (
            Comparison("birth", "date", (Level("exact", None, None, 14.0, 8.0), Level("different", None, None, -8.0))),
            Comparison("flat", "code", (Level("exact", None, None, 19.0, 0.5), Level("different", None, None, -5.0, -2.0)), "home"),
        ),
        prior_at_home=-1.0,
    )  # fmt: skip
    told = duckdb.connect().execute(
        f"SELECT {weight_sql(model)} FROM (VALUES (1, 1), (1, 2), (1, 0), (6, 1)) t(g_birth, g_flat)"
    )
    assert [float(row[0]) for row in told.fetchall()] == [
        -1 + 8 + 0.5,  # home and birth date: one person, or a twin
        -20 + 14 - 5,  # not at home: strangers are the only alternative
        -20 + 14,
        -20 - 8 + 19,  # strangers in one flat are the likelier alternative here
    ]
