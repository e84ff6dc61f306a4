"""What refused ID numbers add: a town linked with and without its hints, by the shipped model.

    python -m benchmarks.hints [--people 3000] [--seeds 11 12 13]

Printed are pairwise precision and recall, and of the records whose number was refused how many stand with a valid number of
their person. Most of them are tied by phone or home as well, so recall as a whole moves little. Look at the wrong links too: a refused
number may be a relative's.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.person_model import INPUTS, prepared
from connectors.manifest import load_all
from linkage.comparable import SPECS
from linkage.engine import DuckEngine
from linkage.model import shipped
from linkage.pipeline import link
from linkage.score import pairwise
from onefact.home import OWN_SYSTEMS
from sandbox.standardised import record_of, standardised
from sandbox.town import make_town

NAMED = "k.system_id || '\x1f' || k.record_key || '\x1f' || k.role"
FOUND = (
    "SELECT count(*), count(*) FILTER (WHERE (t.truth, c.cluster) IN (SELECT (u.truth, d.cluster) FROM comparable k "
    f"JOIN clustered d USING (rid) JOIN truth u ON u.record = {NAMED} WHERE k.label IS NOT NULL)) "
    f"FROM comparable k JOIN clustered c USING (rid) JOIN truth t ON t.record = {NAMED} "
    "JOIN (SELECT DISTINCT system_id, record_key, role FROM std_hint WHERE entity_type = 'person' AND field = 'id_number') "
    "USING (system_id, record_key, role)"
)


def main() -> None:
    """Link each town twice and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    options = parser.parse_args()
    spec, model = SPECS["person"], shipped("person")
    print(f"{'town':>6} {'':8}{'precision':>11}{'recall':>9}{'wrong':>8}{'missed':>8}{'refused':>9}{'found':>7}")
    for seed in options.seeds:
        seen = standardised(make_town(options.people, seed), load_all(OWN_SYSTEMS), seed)
        told = seen.truth.filter(pc.equal(seen.truth["entity_type"], "person"))
        truth = pa.table({"record": record_of(told), "truth": told["truth_id"]})
        for name, hints in (("without", None), ("with", "std_hint")):
            con = prepared(seen.tables["person"], model)
            engine = DuckEngine(con)
            engine.put("std_hint", seen.hints)
            engine.put("truth", truth)
            link(engine, spec, model, replace(INPUTS, hints=hints))
            links = con.sql(
                f"SELECT {NAMED} AS record, c.cluster::VARCHAR AS master FROM clustered c JOIN comparable k USING (rid)"
            )
            score = pairwise(links.to_arrow_table(), truth)
            wrong, missed = score.linked_pairs - score.correct_pairs, score.true_pairs - score.correct_pairs
            refused, found = con.execute(FOUND).fetchall()[0]
            print(
                f"{seed:>6} {name:8}{score.precision:11.5f}{score.recall:9.5f}{wrong:8}{missed:8}{refused:9}{found:7}"
            )


if __name__ == "__main__":
    main()
