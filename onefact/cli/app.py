"""The commands and their options; each is a few lines that call a verb and show its result."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal

import typer

from onefact.cli import (
    agreement_app,
    audit_app,
    bulk_app,
    delivery_app,
    errors,
    form_app,
    identity_app,
    keys_app,
    law_app,
    log_app,
    quality_app,
    retention_app,
)
from onefact.cli.options import Actor, DryRun, Full, Json, Purpose, Systems
from onefact.cli.session import Session
from onefact.cli.session import session_of as _session

app = typer.Typer(
    name="onefact",
    help="Enter each fact once; forty systems agree.  一数一源：一次录入，四十个系统同步。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
sandbox_app = typer.Typer(help="The forty stand-in systems on this machine (仿真系统).", no_args_is_help=True)
systems_app = typer.Typer(help="The systems and their manifests (系统清单).", no_args_is_help=True)
export_app = typer.Typer(help="Write links or golden records as Parquet (导出).", no_args_is_help=True)
schema_app = typer.Typer(help="The master schema (数据项目录).", no_args_is_help=True)
model_app = typer.Typer(
    help="The linkage models: weights by which records are linked (链接模型).", no_args_is_help=True
)
app.add_typer(model_app, name="model")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(systems_app, name="systems")
app.add_typer(export_app, name="export")
app.add_typer(schema_app, name="schema")
identity_app.add_to(app)
delivery_app.add_to(app)
agreement_app.add_to(app)
law_app.add_to(app)
log_app.add_to(app)
keys_app.add_to(app)
retention_app.add_to(app)
quality_app.add_to(app)
audit_app.add_to(app)
bulk_app.add_to(app)
form_app.add_to(app)
for _more in entry_points(group="onefact.commands"):  # rooms above this one bring their own verbs
    _more.load()(app)

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")]


@app.callback()
def globals_(
    context: typer.Context,
    home: Annotated[Path, typer.Option(help="Working folder.", envvar="ONEFACT_HOME")] = Path(".onefact"),
    systems: Annotated[
        Path | None, typer.Option("--systems", help="Folder of manifests; the forty of onefact when not given.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(envvar="ONEFACT_ACTOR", help="Who acts; the login name when not given.")
    ] = None,
    purpose: Annotated[
        str | None, typer.Option(envvar="ONEFACT_PURPOSE", help="For what; kept in the sealed log.")
    ] = None,
) -> None:
    """一数一源：一次录入，四十个系统同步。  Enter each fact once; forty systems agree."""
    context.obj = Session(home, systems, actor, purpose)


@app.command()
def demo(
    context: typer.Context,
    people: Annotated[int, typer.Option(help="People in the synthetic town.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the town.")] = 1,
    as_json: Json = False,
) -> None:
    """Start the stand-ins, run the whole road, enter one fact and watch it arrive everywhere; writes report.html."""
    from onefact.cli import verbs

    verbs.demo(_session(context, as_json), people, seed)


@app.command()
def pull(context: typer.Context, system: Systems = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Pull new records from systems into landing and standardise them (拉取)."""
    from onefact.cli import verbs

    verbs.pull(_session(context, as_json), system, dry_run=dry_run)


@app.command()
def consolidate(context: typer.Context, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Link records, recompute golden records, plan what each system lacks (归集)."""
    from onefact.cli import verbs

    verbs.consolidate(_session(context, as_json), dry_run=dry_run)


@app.command()
def push(
    context: typer.Context,
    system: Systems = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, field by field; write nothing.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="With --dry-run: values in full, not masked.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until interrupted: push whenever changes are planned or due.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write waiting changes to the systems and read them back (回写)."""
    from onefact.cli import verbs

    verbs.push(_session(context, as_json), system, dry_run, full, follow)


@app.command()
def run(context: typer.Context, system: Systems = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Pull, consolidate and push once (全流程)."""
    from onefact.cli import verbs

    verbs.run(_session(context, as_json), system, dry_run=dry_run)


@app.command()
def replay(
    context: typer.Context,
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day or time of receipt, e.g. 2026-11-01.")],
    until: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day or time of receipt.")],
    system: Systems = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the records that would be read otherwise.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read what was received in a span again from landing, by today's manifests and rules, and consolidate (重放)."""
    from onefact.cli import verbs

    verbs.replay(_session(context, as_json), since, until, system, dry_run)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what every system delivered and received (状态)."""
    from onefact.cli import verbs

    verbs.status(_session(context, as_json))


@app.command()
def enter(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(help="Master id, ID number, credit code, phone or name of one entity.")],
    field: Annotated[str, typer.Argument(help="Master field, e.g. phone.")],
    value: Annotated[str, typer.Argument(help="The new value; '' takes an earlier entry back.")],
    actor: Actor = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check entity, field and value; record nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Enter one fact once (录入); `onefact push` then carries it to every system that holds it."""
    from onefact.cli import verbs

    verbs.enter(_session(context, as_json, actor), entity, field, value, dry_run=dry_run)


@app.command()
def trace(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(metavar="ENTITY-OR-ID", help="Master id, ID number, name, phone, code.")],
    field: Annotated[str | None, typer.Argument(help="One field; every filled field when not given.")] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DAY", help="What it was on a day (its last moment) or at a time.")
    ] = None,
    full: Full = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show where a value comes from: candidates, source records, batches, deliveries (溯源)."""
    from onefact.cli import verbs

    session = _session(context, as_json, purpose=purpose)
    if on is not None:
        from onefact.cli import past

        past.trace(session, entity, on, field, full)
    else:
        verbs.trace(session, entity, field, full)


@app.command()
def link(
    context: typer.Context,
    out: Out,
    engine: Annotated[Literal["duckdb", "spark"], typer.Option(help="Where the linkage runs.")] = "duckdb",
    records: Annotated[
        Path | None,
        typer.Option(
            "--records", metavar="FILE.parquet", help="Standardised persons; the working copy's when not given."
        ),
    ] = None,
    master: Annotated[str, typer.Option(help="Spark's master.")] = "local[2]",
    shared: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder that all workers of a Spark cluster reach.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Link all persons anew and write the clusters as Parquet; the master is not touched (全量链接)."""
    from onefact import link as verb

    session = _session(context, as_json)
    if records is None:
        session.read("link", "person", ["*"], full=True, act="link", engine=engine)
    done = verb.run(session.home, engine, out, records=records, master=master, shared=shared)
    if session.as_json:
        session.emit(
            {"file": str(done.file), "records": done.records, "clusters": done.clusters, "seconds": done.seconds}
        )
    else:
        session.console.print(f"{done.records} records in {done.clusters} clusters, {done.seconds} s: {done.file}")


@app.command()
def explain(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="A", help="A record (system/key) or a master id.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The other record or master id.")],
    entity: Annotated[Literal["person", "organisation"], typer.Option(help="Entity type.")] = "person",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.svg", help="Write the waterfall as a picture.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Record keys in full, not masked.")] = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Show why two records are one or not: the weight of each comparison (权重瀑布)."""
    from onefact.cli import explaining

    explaining.between(_session(context, as_json, purpose=purpose), one, other, entity, out, full)


@app.command()
def address(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="TEXT|NODE", help="An address or a part of one, or a node id.")],
    limit: Annotated[int, typer.Option(help="Children to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show a place of the standard address tree: the way to it, what lies below, how many point there (标准地址)."""
    from onefact.cli import verbs

    verbs.address(_session(context, as_json), place, limit)


@app.command()
def rejects(
    context: typer.Context,
    system: Systems = None,
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List rejected values and records with place and reason (退回清单)."""
    from onefact.cli import verbs

    verbs.rejects(_session(context, as_json), system, limit)


@app.command()
def rebuild(context: typer.Context, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make the working copy again from landing and crosswalk, with the same ids (重建)."""
    from onefact.cli import verbs

    verbs.rebuild(_session(context, as_json), dry_run=dry_run)


@app.command()
def stop(context: typer.Context) -> None:
    """Stop the sandbox and the embedded PostgreSQL of this working folder."""
    from onefact.cli import verbs

    verbs.stop(_session(context))


@sandbox_app.command("start")
def sandbox_start(
    context: typer.Context,
    people: Annotated[int, typer.Option(help="People in the synthetic town.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the town.")] = 1,
) -> None:
    """Start the stand-ins (fills them from a synthetic town the first time)."""
    from onefact.cli import stand_ins

    stand_ins.start(_session(context), people, seed)


@sandbox_app.command("stop")
def sandbox_stop(context: typer.Context) -> None:
    """Stop the stand-ins; what they hold stays."""
    from onefact.cli import stand_ins

    stand_ins.stop(_session(context))


@sandbox_app.command("status")
def sandbox_status(context: typer.Context, as_json: Json = False) -> None:
    """Show which stand-ins run, where, and how many rows they hold."""
    from onefact.cli import stand_ins

    stand_ins.status(_session(context, as_json))


@systems_app.command("list")
def systems_list(context: typer.Context, as_json: Json = False) -> None:
    """List the systems of the manifests folder."""
    from onefact.cli import catalogue

    catalogue.systems(_session(context, as_json))


@systems_app.command("show")
def systems_show(
    context: typer.Context, system: Annotated[str, typer.Argument(help="System id.")], as_json: Json = False
) -> None:
    """Show one system: datasets, fields, directions, authority."""
    from onefact.cli import catalogue

    catalogue.system(_session(context, as_json), system)


@systems_app.command("check")
def systems_check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Manifest file (or the id of a known system).")],
    sample: Annotated[int, typer.Option(help="Rows to sample.")] = 5,
    full: Full = False,
    purpose: Purpose = None,
    as_json: Json = False,
) -> None:
    """Validate a manifest, try its connection, pull a sample, show the mapping row by row."""
    from onefact.cli import catalogue

    catalogue.check(_session(context, as_json, purpose=purpose), file, sample, full)


@export_app.command("links")
def export_links(context: typer.Context, out: Out, purpose: Purpose = None, as_json: Json = False) -> None:
    """Write links.parquet: system_id, record_key, entity_type, master_id."""
    from onefact.cli import verbs

    verbs.export(_session(context, as_json, purpose=purpose), "links", out)


@export_app.command("golden")
def export_golden(context: typer.Context, out: Out, purpose: Purpose = None, as_json: Json = False) -> None:
    """Write person, address, house and organisation.parquet with the golden values."""
    from onefact.cli import verbs

    verbs.export(_session(context, as_json, purpose=purpose), "golden", out)


@model_app.command("list")
def model_list(context: typer.Context, as_json: Json = False) -> None:
    """List the models, and which of them count: an installation's own outranks the shipped one."""
    from onefact.cli import models

    models.list_(_session(context, as_json))


@model_app.command("show")
def model_show(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(help="Entity whose model is shown.")] = "person",
    as_json: Json = False,
) -> None:
    """Show the levels and weights of a model (权重表)."""
    from onefact.cli import models

    models.show_(_session(context, as_json), entity)


@model_app.command("train")
def model_train(
    context: typer.Context,
    entity: Annotated[str, typer.Option(help="Entity to train for.")] = "person",
    out: Annotated[
        Path | None, typer.Option(help="File to write; the installation's own model when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 1,
    pairs: Annotated[int, typer.Option(help="Pairs to count on.")] = 2_000_000,
    population: Annotated[
        int | None, typer.Option(help="People to state the weights for; those trained on else.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate the weights anew from the records of this installation (训练)."""
    from onefact.cli import models

    models.train(_session(context, as_json), entity, out, seed, pairs, population)


@model_app.command("chart")
def model_chart(
    context: typer.Context,
    entity: Annotated[str, typer.Argument(help="Entity whose links are looked at.")],
    out: Annotated[Path, typer.Option(help="chart.svg or chart.html to write.")],
    as_json: Json = False,
) -> None:
    """Draw the precision and recall to expect from each link threshold (阈值图)."""
    from onefact.cli import models

    models.chart(_session(context, as_json), entity, out)


@schema_app.command("catalogue")
def schema_catalogue(context: typer.Context) -> None:
    """Print the field catalogue as Markdown (数据项目录)."""
    from schemas.derive.catalogue import page

    _session(context).console.print(page(), markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; every error ends in a plain sentence and an exit code that is not 0."""
    sys.exit(errors.guarded(lambda: app(standalone_mode=False)))
