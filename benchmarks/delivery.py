"""The proof of deliveries: crash matrix, broken variants, real kills, bad network, latency and throughput.

    python -m benchmarks.delivery [matrix] [variants] [kills] [network] [latency] [pace] [--cuts 3] [--kinds rest,queue] [--journal FILE]

`matrix` cuts the power at every step in every sequence of up to three cuts, against the real connector and the real
stand-in of every kind; with --journal it may be stopped and gone on with, and several processes may share the kinds.
`kills` sends SIGKILL to `onefact push --follow` at 200 random moments. What is counted is what
the stand-ins themselves were made to do; figures of time depend on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[1]
PLACES = [str(ROOT), str(ROOT / "tests" / "road"), str(ROOT / "tests" / "connectors")]
sys.path[:0] = PLACES
os.environ["PYTHONPATH"] = os.pathsep.join(PLACES)  # also for the processes that are started here

PARTS = ("matrix", "variants", "kills", "network", "latency", "pace")


def matrix(options: argparse.Namespace, folder: Path) -> None:
    """Print kind, schedules (and how many ran), violations, seconds."""
    import crash_matrix as proof
    from fleet import KINDS, Fleet

    print(f"{'kind':10}{'schedules':>10}{'run':>7}{'cuts':>7}{'violations':>12}{'seconds':>9}")
    for kind in options.kinds or KINDS:
        with Fleet(folder / f"matrix-{kind}", {kind: KINDS[kind]}) as fleet:
            tally = proof.whole(fleet, kind, options.cuts, options.limit, proof.Journal(options.journal))
        print(
            f"{kind:10}{tally.stood_for:10}{tally.ran:7}{tally.cuts:7}{len(tally.violations):12}{tally.seconds:9.1f}",
            flush=True,
        )
        for schedule, what in tally.violations[:5]:
            print(f"    {' > '.join(schedule)}: {what}")


def variants(options: argparse.Namespace, folder: Path) -> None:
    """Print what the matrix finds where a safeguard is taken out."""
    import crash_matrix as proof
    from fleet import KINDS, Fleet
    from variants import VARIANTS, broken

    kinds = options.kinds or [k for k, kind in KINDS.items() if kind.reads]
    print(f"{'violations found':26}" + "".join(f"{kind:>10}" for kind in kinds))
    for variant in VARIANTS:
        found = []
        for kind in kinds:
            with Fleet(folder / f"{variant}-{kind}".replace(" ", "-"), {kind: KINDS[kind]}) as fleet, broken(variant):
                found.append(len(proof.whole(fleet, kind, 1).violations))
        print(f"{variant:26}" + "".join(f"{n:10}" for n in found), flush=True)


def kills(options: argparse.Namespace, folder: Path) -> None:
    """Print what became of facts that were entered while the pusher was killed."""
    from kills import kill_while_entering
    from live import Live

    with Live(folder / "kills", options.people) as live:
        done = kill_while_entering(live, options.kills)
    accounts = done.accounts
    assert accounts is not None
    print(f"SIGKILLs {done.kills}, with changes in hand {done.busy} ({done.in_hand} changes), {done.seconds:.0f} s")
    print(f"facts entered {done.facts}, values compared with the stand-ins {accounts.compared}")
    print(
        f"lost {len(accounts.lost)}, doubled {len(accounts.doubled)}, last entry not golden {len(done.last)}, open {done.open}"
    )
    print(
        f"planned after all systems were read again: {dict(Counter(done.planned))}; and again: {dict(Counter(done.again))}"
    )
    print("  ".join(f"{state} {n}" for state, n in accounts.states.items()))


def network(options: argparse.Namespace, folder: Path) -> None:
    """Print how many attempts changes needed over a bad network."""
    import bad_network as proof
    from fleet import KINDS, Fleet

    kinds = [k for k in options.kinds or proof.REACHED if k in proof.REACHED]
    print(
        f"{'kind':10}{'changes':>8}{'verified':>9}{'wrong':>7}{'rounds':>7}{'seconds':>9}  attempts: changes / what befell requests"
    )
    with (
        Fleet(folder / "network", {k: KINDS[k] for k in kinds}, options.changes) as fleet,
        proof.storm(fleet) as proxies,
    ):
        for kind in kinds:
            if kind == "rest":
                fleet.fault(kind, *proof.MIX)
            c = proof.cross(fleet, kind, proxies[kind], options.changes, 300)
            verified = c.ended.get("verified", 0)
            print(
                f"{kind:10}{sum(c.ended.values()):8}{verified:9}{len(c.wrong):7}{c.rounds:7}{c.seconds:9.1f}  "
                f"{dict(c.attempts)} / {dict(c.weather)} { ({k: n for k, n in c.ended.items() if k != 'verified'} or '') }",
                flush=True,
            )


def latency(options: argparse.Namespace, folder: Path) -> None:
    """Print the time from an entry to the last verified receipt."""
    from live import Live
    from speed import trips

    with Live(folder / "latency", options.people) as live:
        found = trips(live, options.facts)
    for name, values in (
        ("entry and plan", [t.planned for t in found]), ("plan to last receipt", [t.delivered for t in found]),
        ("entry to last receipt", [t.whole for t in found]),
    ):  # fmt: skip
        parts = quantiles(values, n=20, method="inclusive")
        print(f"{name:24} p50 {parts[9]:.2f} s  p95 {parts[18]:.2f} s")
    print(
        f"{len(found)} facts, {found[0].systems} systems each; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def pace(options: argparse.Namespace, folder: Path) -> None:
    """Print changes per second: pushed, by the connector alone, by a bare client."""
    from fleet import KINDS, Fleet
    from speed import pace as measured

    print(
        f"{'changes/s':10}{'pushed':>9}{'connector':>11}{'bare':>9}{'pushed/connector':>18}{'pushed/bare':>13}"
        "   by processor: pushed, connector, bare"
    )
    for kind in options.kinds or KINDS:
        with Fleet(folder / f"pace-{kind}", {kind: KINDS[kind]}, options.changes) as fleet:
            p = measured(fleet, kind, options.changes)
        print(
            f"{kind:10}{p.pushed:9.0f}{p.connector:11.0f}{p.bare:9.0f}{p.pushed / p.connector:18.2f}"
            f"{p.pushed / p.bare:13.2f}   " + ", ".join(f"{c:.0f}" for c in p.cpu),
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1e9, help="seconds that the matrix of a kind may take at most")
    parser.add_argument("--journal", type=Path, help="file in which the matrix remembers what ran")
    parser.add_argument("--kinds", type=lambda text: text.split(","))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--changes", type=int, default=200)
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="onefact-delivery-") as folder:
        for part in options.parts or PARTS:
            print(f"\n{part}")
            globals()[part](options, Path(folder))


if __name__ == "__main__":
    main()
