"""The foils on standardised records of persons (标准化记录上的对照), e.g. the town's: what ID grouping and Splink score there.

    python -m benchmarks.foils.town [--people 2000] [--train 2] [--test 1]

Splink is trained on the town of one seed and measured on that of another, at every usual threshold: the best one stands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.foils import models, run
from benchmarks.foils.prepare import prepare
from connectors.manifest import load_all
from linkage.score import Score, pairwise
from sandbox import hard
from sandbox.standardised import attainable, record_of, standardised
from sandbox.town import make_town

PROBABILITIES = (0.5, 0.9, 0.99, 0.999)
SYSTEMS = Path(__file__).parents[2] / "connectors" / "systems"


def train(persons: pa.Table, kind: str) -> dict[str, Any]:
    """Train a Splink model (`stock` or `lean`) on standardised persons."""
    con = run.connect()
    con.register("persons", persons.append_column("record", record_of(persons)))
    prepare(con, "persons")
    return models.train(con, "prepared", kind)


def score(
    persons: pa.Table,
    truth: pa.Table,
    trained: dict[str, dict[str, Any]],
    probabilities: Sequence[float] = PROBABILITIES,
) -> dict[str, Score]:
    """Score the foils on standardised persons.

    Args:
        persons: standardised records (`schemas.records.standardised_schema("person")`, `id_number_hint` if known).
        truth: record (`sandbox.standardised.record_of`) and truth.
        trained: models by name (`train`); `lean` serves `wide` too.
        probabilities: thresholds to try.

    Returns:
        `exact`, and per model and threshold (`stock 0.99`) the pairwise score.
    """
    con = run.connect()
    con.register("persons", persons.append_column("record", record_of(persons)))
    scores = {"exact": pairwise(run.exact(con, "persons", run.Watch())[0], truth)}
    for kind, model in {**trained, **({"wide": trained["lean"]} if "lean" in trained else {})}.items():
        for probability in probabilities:
            con = run.connect()
            con.register("persons", persons.append_column("record", record_of(persons)))
            prepare(con, "persons")
            links, _ = run.splink(con, "prepared", models.with_rules(model, kind), run.Watch(), probability)
            scores[f"{kind} {probability}"] = pairwise(links, truth)
    return scores


def persons_of_town(people: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """The town's standardised persons and their truth (record, truth)."""
    seen = standardised(make_town(people, seed), load_all(SYSTEMS), seed)
    truth = seen.truth.filter(pc.equal(seen.truth["entity_type"], "person"))
    return seen.tables["person"], pa.table({"record": record_of(truth), "truth": truth["truth_id"]})


def hard_negatives(
    trained: dict[str, dict[str, Any]], groups: int = 10_000, probability: float = 0.99
) -> dict[str, Any]:
    """Return per kind and foil how many groups of different people were merged, and the recall of true pairs."""
    results = {}
    for kind in ("twins", "fathers_and_sons", "namesakes"):
        negatives = hard.make(kind, groups)
        truth = negatives.truth.select(["record", "truth"])
        for name, links in _links(negatives.records, trained, probability).items():
            results[kind, name] = hard.merged(links, negatives), pairwise(links, truth).recall
    return results


def _links(persons: pa.Table, trained: dict[str, dict[str, Any]], probability: float) -> dict[str, pa.Table]:
    con = run.connect()
    con.register("persons", persons.append_column("record", record_of(persons)))
    links = {"exact": run.exact(con, "persons", run.Watch())[0]}
    for kind, model in trained.items():
        con = run.connect()
        con.register("persons", persons.append_column("record", record_of(persons)))
        prepare(con, "persons")
        links[kind], _ = run.splink(con, "prepared", model, run.Watch(), probability)
    return links


def main() -> None:
    """Print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--train", type=int, default=2, help="seed of the town to train on")
    parser.add_argument("--test", type=int, default=1, help="seed of the town to measure on")
    parser.add_argument("--groups", type=int, default=10_000, help="hard negatives of each kind")
    options = parser.parse_args()
    learned, _ = persons_of_town(options.people, options.train)
    models_ = {kind: train(learned, kind) for kind in ("stock", "lean")}
    persons, truth = persons_of_town(options.people, options.test)
    print(f"{persons.num_rows:,} records of persons in a town of {options.people:,}, seed {options.test}")
    print(f"recall that can be had without guessing: {attainable(persons, truth):.4f}")
    for name, result in score(persons, truth, models_).items():
        print(f"{name:14}precision {result.precision:.4f}  recall {result.recall:.4f}  F1 {result.f1:.4f}")
    for (kind, name), (merged, recall) in hard_negatives(models_, options.groups).items():
        print(f"{kind:18}{name:8}wrongly merged {merged:,} of {options.groups:,}, recall {recall:.4f}")


if __name__ == "__main__":
    main()
