"""How results look on the terminal: tables, masks, progress; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from onefact.masking import mask
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.delivery.pusher import Pushed
    from onefact.pull import Pulled
    from onefact.status import Status
    from onefact.trace import Trace
    from schemas.records import Change

STATES = (
    "planned",
    "pending",
    "verified",
    "sent",
    "awaiting_person",
    "rejected",
    "conflict",
    "no_answer",
    "dead",
    "superseded",
)
"""Outbox states in the order in which they are shown."""


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, numeric: Sequence[str] = ()
) -> Table:
    """Return a table; columns named in `numeric` are aligned right."""
    made = Table(title=title, title_justify="left", header_style="bold", row_styles=["", "dim"])
    for name in columns:
        made.add_column(name, justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if v is None else str(v) for v in row))
    return made


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar over `total` systems (on standard error, so that output can be piped)."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=quiet,
    )  # fmt: skip
    with bar:
        yield bar, bar.add_task("", total=total or None, what="")


COUNTED = ("received", "taken", "unchanged", "rejected", "duplicates")
"""The outcomes of records; the last four add up to the first."""


def pulled(console: Console, results: Sequence[Pulled]) -> None:
    """Show what was pulled, a row per system, and the sums."""
    rows = []
    for r in results:
        c = r.counts
        rows.append(
            [
                r.system_id,
                c.received,
                c.taken,
                c.unchanged,
                c.rejected,
                c.duplicates,
                c.rejected_values,
                "" if not r.error else "not read",
            ]
        )
    total = [sum(getattr(r.counts, name) for r in results) for name in (*COUNTED, "rejected_values")]
    rows.append([f"{len(results)} systems", *total, ""])
    console.print(
        table("Pulled (拉取)", ["system", *COUNTED, "values rejected", ""], rows, numeric=[*COUNTED, "values rejected"])
    )
    for r in results:
        if r.error:
            console.print(f"[red]✗[/] {r.error}", markup=True, highlight=False)
        for doubt in r.doubts:
            console.print(f"[yellow]![/] {doubt}", highlight=False)
        if r.counts.withheld_removals:
            console.print(
                f"[yellow]![/] {r.system_id}: {r.counts.withheld_removals} records were missing from the reading; that is too many "
                "to believe, none was removed. Pull again, or check the source."
            )


def pushed(console: Console, results: Sequence[Pushed]) -> None:
    """Show the outcomes of a push, a row per system."""
    names = [s for s in STATES if any(r.states.get(s) for r in results)]
    rows = [[r.system_id, *(r.states.get(s, 0) or "" for s in names)] for r in results]
    if rows:
        rows.append([f"{len(results)} systems", *(sum(r.states.get(s, 0) for r in results) for s in names)])
        console.print(table("Pushed (回写)", ["system", *names], rows, numeric=names))
    else:
        console.print("Nothing to push: every system holds what it should.")
    for r in results:
        if r.error:
            console.print(f"[red]✗[/] {r.error}", highlight=False)


def dry_run(console: Console, changes: Sequence[Change], full: bool, limit: int = 200) -> None:
    """Show planned changes field by field: what the system holds and what it would get."""
    rows = []
    for change in changes[:limit]:
        for item in change.changes:
            kind = ENTITIES[change.entity_type].field(item.field)
            old, new = (v if full or v is None else mask(kind, v) for v in (item.old, item.new))
            rows.append(
                [
                    change.system_id,
                    change.record_key or "(new record)",
                    f"{kind.cn} {item.field}",
                    old or "—",
                    new or "—",
                ]
            )
    fields = sum(len(c.changes) for c in changes)
    console.print(table("Dry run: nothing was written", ["system", "record", "field", "holds now", "would hold"], rows))
    shown = f" (first {limit} records shown; --json gives all)" if len(changes) > limit else ""
    console.print(f"{len(changes)} records, {fields} fields in {len({c.system_id for c in changes})} systems{shown}.")


def status(console: Console, now: Status) -> None:
    """Show the state of the installation."""
    rows = []
    for s in now.systems:
        waiting = ", ".join(f"{name} {s.outbox[name]}" for name in STATES if s.outbox.get(name))
        rows.append([
            s.system_id, s.name, s.received, s.taken, s.unchanged, s.rejected, s.duplicates, s.last_pull or "never",
            waiting, "" if s.balanced and not s.error else ("✗ sums disagree" if not s.balanced else "✗ not read"),
        ])  # fmt: skip
    console.print(
        table("Systems (系统)", ["system", "name", *COUNTED, "last pull", "outbox", ""], rows, numeric=COUNTED)
    )
    totals = ", ".join(f"{n} {ENTITIES[e].cn}" for e, n in now.entities.items())
    console.print(f"Golden records: {totals}. Sums agree: {'yes' if now.balanced else 'NO'}.")
    for s in now.systems:
        if s.error:
            console.print(f"[red]✗[/] {s.error}", highlight=False)


def trace(console: Console, traced: Trace, full: bool) -> None:
    """Show the claims and deliveries of each field."""
    console.print(f"{ENTITIES[traced.found.entity_type].cn} {traced.found.master_id}: {traced.records} source records")
    for f in traced.fields:
        kind = ENTITIES[traced.found.entity_type].field(f.field)
        seen = str if full else partial(mask, kind)
        rows = [
            [
                "★" if c.wins else ("↺" if c.echo else ""), seen(c.value), c.system_id, c.record_key, c.observed_at,
                c.rank, c.batch_id, c.place,
            ]
            for c in f.claims
        ]  # fmt: skip
        value = seen(f.value) if f.value else "—"
        console.print(
            table(
                f"{f.cn} {f.field} = {value}   ({f.rule})",
                ["", "value", "system", "record", "observed", "rank", "batch", "place"], rows, numeric=["rank"],
            )
        )  # fmt: skip
        if f.deliveries:
            sent = ", ".join(
                f"{d.system_id} {d.state}" + (f" ({d.receipt})" if d.receipt else "") for d in f.deliveries
            )
            console.print(f"  delivered (谁已收到): {sent}", highlight=False)
    console.print("★ golden value   ↺ our own value come back (echo)   Landed files behind these claims:")
    for batch, (folder, digest) in sorted(traced.batches.items()):
        console.print(f"  {batch}  landing/{folder}  sha256 {digest[:16]}…", highlight=False)
