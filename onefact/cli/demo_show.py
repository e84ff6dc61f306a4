"""The demo on the terminal: what happens while it happens, and the table at the end."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status as Spinner

from onefact.cli import show
from onefact.demo import DemoResult
from schemas.entities import ENTITIES


class Narrator:
    """Prints steps as they begin and a spinner within them."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=True) if quiet else console
        self._spinner: Spinner | None = None

    def step(self, title: str) -> None:
        """Print the title of a step."""
        self._stop()
        self._console.print(f"[bold]▶ {title}[/]", highlight=False)
        if self._console.is_terminal:
            self._spinner = self._console.status("")
            self._spinner.start()

    def progress(self, step: str, system: str, count: int) -> None:
        """Show where the step is."""
        if self._spinner:
            self._spinner.update(f"{step} {system} {count or ''}")

    def note(self, sentence: str) -> None:
        """Print a result of the step."""
        self._stop()
        self._console.print(f"  {sentence}", highlight=False)

    def _stop(self) -> None:
        if self._spinner:
            self._spinner.stop()
            self._spinner = None


def summary(console: Console, result: DemoResult) -> None:
    """Print the table that ends the demo."""
    console.print()
    console.print(
        show.table(
            "One phone number, entered once (谁已收到)", ["system", "name", "state", "receipt"],
            [[a.system_id, a.name, a.state, a.receipt] for a in result.arrivals],
        )
    )  # fmt: skip
    golden: list[list[object]] = [
        [f"golden records: {entity.cn} {e}", f"{result.entities[e]:,}"] for e, entity in ENTITIES.items()
    ]
    scores: list[list[object]] = [
        [f"links of {e}: precision / recall", f"{s.precision:.4f} / {s.recall:.4f}"] for e, s in result.scores.items()
    ]
    rows: list[list[object]] = [
        ["systems", result.systems],
        ["source records", f"{result.records:,}"],
        *golden,
        ["duplicates found", f"{sum(result.duplicates.values()):,}"],
        ["fields forty systems asked for", f"{result.burden.asked:,}"],
        ["fields entered once", f"{result.burden.once:,} ({result.burden.saved:.0%} less typing)"],
        ["pushed fields read back equal", f"{result.readable_equal:.2%}"],
        ["fields waiting for a person's confirmation (forms)", f"{result.awaiting_person:,}"],
        ["fields exported one way (no read path)", f"{result.exported:,}"],
        *scores,
        ["pushed when nothing has changed", result.second_run_pushed],
        ["seconds", ", ".join(f"{k} {v:.1f}" for k, v in result.seconds.items())],
    ]
    console.print(show.table("onefact demo", ["", ""], rows, numeric=[]))
    for error in result.errors:
        console.print(f"[red]✗[/] {error}", highlight=False)
    console.print("The report is in report.html (Chinese, opens without network).", highlight=False)
    console.print(
        "[bold green]The demo kept its promises.[/]"
        if result.passed
        else "[bold red]The demo did NOT keep its promises.[/]"
    )
