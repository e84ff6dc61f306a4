"""The verbs of the road on the command line: call, show, set the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from onefact.cli import show
from onefact.cli.errors import NeedsPerson, PartlyFailed
from onefact.cli.session import Session
from onefact.masking import mask, mask_keys
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.delivery.pusher import Pushed
    from onefact.trace import Trace


def pull(session: Session, systems: Sequence[str] | None, *, dry_run: bool = False) -> None:
    """Pull and show a row per system."""
    from onefact import pull as verb

    with show.progress(len(session.home.chosen(systems)), session.as_json) as (bar, task):
        results = verb.pull(
            session.home, systems, lambda s, n: bar.update(task, description=s, what=f"{n} 条"), dry_run=dry_run
        )
    if session.as_json:
        session.emit(
            [{"system": r.system_id, "batch": r.batch_id, "error": r.error, **asdict(r.counts)} for r in results]
        )
    else:
        show.pulled(session.console, results)
        _rehearsed(session, dry_run)
    _fail_if(any(r.error for r in results))


def consolidate(session: Session, *, dry_run: bool = False) -> None:
    """Consolidate and show what changed."""
    from onefact import consolidate as verb

    done = verb.consolidate(session.home, dry_run=dry_run)
    if session.as_json:
        session.emit(asdict(done))
        return
    session.console.print(
        f"主记录写入 {sum(done.golden.values())} 条，终止 {done.ended} 条。"
        f"待发改动新增 {done.planned} 条，被新计划替换 {done.superseded} 条。",
        highlight=False,
    )
    totals = "、".join(f"{ENTITIES[e].cn} {n}" for e, n in done.entities.items())
    session.console.print(f"主数据：{totals}。", highlight=False)
    _rehearsed(session, dry_run)


def _rehearsed(session: Session, dry_run: bool) -> None:
    if dry_run:
        session.console.print("（试运行：什么也没有保存，什么也没有发出）")


def push(session: Session, systems: Sequence[str] | None, dry_run: bool, full: bool, follow: bool = False) -> None:
    """Push, or show what a push would write, or go on pushing whenever there is something to push."""
    from onefact import push as verb

    if follow:
        _follow(session, systems)
        return
    if dry_run:
        changes = verb.preview(session.home, systems)
        if changes:
            session.read("push --dry-run", "change", [str(c.change_id) for c in changes], full=full)
        if session.as_json:
            session.emit([_change(c, full) for c in changes])
        else:
            show.dry_run(session.console, changes, full)
        return
    with show.progress(0, session.as_json) as (bar, task):
        results = verb.push(session.home, systems, lambda s, n: bar.update(task, description=s, what=f"{n} changes"))
    if session.as_json:
        session.emit([{"system": r.system_id, "states": dict(r.states), "error": r.error} for r in results])
    else:
        show.pushed(session.console, results)
    _fail_if(any(r.error for r in results))
    _ask_if(results)


def _follow(session: Session, systems: Sequence[str] | None) -> None:
    from onefact.delivery import follow

    if not session.as_json:
        session.console.print("持续回写：有新的录入或改动即发出，按 Ctrl-C 结束。")
    for results in follow.follow(session.home, systems):
        if session.as_json:
            session.line([{"system": r.system_id, "states": dict(r.states), "error": r.error} for r in results])
        else:
            show.pushed(session.console, results)


def _change(change: object, full: bool) -> dict[str, object]:
    from onefact.masking import mask, mask_key
    from schemas.entities import ENTITIES
    from schemas.records import Change

    assert isinstance(change, Change)  # noqa: S101 - narrows the type for the dictionary below
    return {
        "change_id": change.change_id, "system": change.system_id, "dataset": change.dataset,
        "record_key": change.record_key if full or change.record_key is None else mask_key(change.record_key),
        "operation": change.operation, "entity_type": change.entity_type, "role": change.role,
        "changes": [
            {
                "field": c.field,
                **{
                    side: value if full or value is None else mask(ENTITIES[change.entity_type].field(c.field), value)
                    for side, value in (("old", c.old), ("new", c.new))
                },
            }
            for c in change.changes
        ],
    }  # fmt: skip


def run(session: Session, systems: Sequence[str] | None, *, dry_run: bool = False) -> None:
    """Run the whole road once."""
    from onefact import road

    with show.progress(0, session.as_json) as (bar, task):
        done = road.run(
            session.home,
            systems,
            lambda step, s, n: bar.update(task, description=f"{step} {s}", what=str(n)),
            dry_run=dry_run,
        )
    if session.as_json:
        session.emit({
            "received": done.received, "pushed": done.sent, "seconds": dict(done.seconds), "errors": done.errors,
            "pulled": [{"system": r.system_id, "error": r.error, **asdict(r.counts)} for r in done.pulled],
            "consolidated": asdict(done.consolidated),
            "deliveries": [{"system": r.system_id, "states": dict(r.states), "error": r.error} for r in done.pushed],
        })  # fmt: skip
    else:
        show.pulled(session.console, done.pulled)
        session.console.print(
            f"归集：主记录改动 {done.consolidated.changed} 条，待发改动新增 {done.consolidated.planned} 条。",
            highlight=False,
        )
        show.pushed(session.console, done.pushed)
        session.console.print("  ".join(f"{step} {seconds:.1f} s" for step, seconds in done.seconds.items()))
        _rehearsed(session, dry_run)
    _fail_if(bool(done.errors))
    _ask_if(done.pushed)


def replay(session: Session, since: str, until: str, systems: Sequence[str] | None, dry_run: bool) -> None:
    """Read landed batches again and consolidate, or say what that would change."""
    from onefact import consolidate as consolidation
    from onefact import replay as verb

    done = verb.replay(session.home, since, until, systems, dry_run=dry_run)
    changed = 0 if dry_run else consolidation.consolidate(session.home).changed
    if session.as_json:
        session.emit({"systems": [asdict(r) for r in done], "golden_changed": changed, "dry_run": dry_run})
        return
    rows = [[r.system_id, r.batches, r.records, r.changed] for r in done]
    names = ["系统", "批次", "记录", "有变化"]
    session.console.print(show.table("重放", names, rows, numeric=names[1:]))
    if not dry_run:
        session.console.print(f"归集：主记录改动 {changed} 条。", highlight=False)
    _rehearsed(session, dry_run)


def status(session: Session) -> None:
    """Show the state of every system."""
    from onefact import status as verb

    now = verb.status(session.home)
    if session.as_json:
        session.emit(asdict(now) | {"balanced": now.balanced})
    else:
        show.status(session.console, now)
    _fail_if(not now.balanced)


def enter(session: Session, entity: str, field: str, value: str, *, dry_run: bool = False) -> None:
    """Take one fact, consolidate it, and say where it will go; `dry_run` only checks it."""
    from onefact import consolidate as consolidation
    from onefact import enter as verb
    from onefact import push
    from onefact.acting import acted, named

    try:
        entered = verb.enter(session.home, entity, field, value, actor=session.actor, dry_run=dry_run)
    except verb.EntryRefused:
        tried = named(session.home, entity)
        acted(
            session.home, "enter", "master", count=0, actor=session.actor, outcome="refused", field=field, wanted=tried
        )
        raise
    if dry_run:
        session.read("enter --dry-run", entered.entity_type, [entered.master_id], field=field)
        if session.as_json:
            session.emit({
                "master_id": entered.master_id, "entity_type": entered.entity_type, "field": entered.field.name,
                "counts": entered.counts, "dry_run": True,
            })  # fmt: skip
        else:
            session.console.print(
                f"（试运行）可以录入：{entered.field.cn}（{entered.field.name}），{entered.entity_type} {entered.master_id}"
            )
        return
    consolidation.consolidate(session.home)
    waiting = [c for c in push.preview(session.home) if any(x.field == field for x in c.changes)]
    going = sorted({c.system_id for c in waiting})
    if session.as_json:
        session.emit({
            "master_id": entered.master_id, "entity_type": entered.entity_type, "field": entered.field.name,
            "counts": entered.counts, "ticket": entered.ticket, "systems": going,
        })  # fmt: skip
        return
    title = f"{entered.field.cn}（{entered.field.name}），{entered.entity_type} {entered.master_id}"
    session.console.print(f"已录入：{title}。" if value.strip() else f"已撤回录入：{title}。", highlight=False)
    if not entered.counts:
        authority = entered.field.authority
        asked = f"已开出纠错工单 {entered.ticket}（onefact ticket show {entered.ticket}）。" if entered.ticket else ""
        session.console.print(
            f"该项以权威源 {authority} 为准，录入值只作候选，暂不改变任何系统。{asked}", highlight=False
        )
    elif going:
        names = "、".join(f"{session.home.manifests[s].name}（{s}）" for s in going)
        session.console.print(f"将由 onefact push 写入 {len(going)} 个系统：{names}", highlight=False)
    else:
        session.console.print(
            "现在没有待发的系统：都已是该值，或已在途中，或未获授权（onefact outbox list、onefact law refusals 可查）。",
            highlight=False,
        )


def trace(session: Session, entity: str, field: str | None, full: bool) -> None:
    """Show where the values of one golden record come from."""
    from onefact import enter, push  # noqa: F401 - push is imported with enter's types
    from onefact import trace as verb

    found = enter.find(session.home, entity)
    if not found:
        session.missed("trace", entity)
        raise enter.EntryRefused(enter.NOBODY)
    if len(found) > 1 and not session.as_json:
        session.console.print(
            f"有 {len(found)} 个对象符合，只显示第一个。全部：{'、'.join(enter.names(found))}", highlight=False
        )
    traced = verb.trace(session.home, found[0], field)
    session.read("trace", found[0].entity_type, [found[0].master_id], full=full, field=field, fitting=len(found))
    if session.as_json:
        session.emit(asdict(traced) if full else mask_keys(asdict(_masked(traced))))
    else:
        show.trace(session.console, traced, full)


def _masked(traced: Trace) -> Trace:
    """A trace with the values as they may be shown."""
    entity = ENTITIES[traced.found.entity_type]
    from onefact.enter import TITLES

    title = entity.field(TITLES[traced.found.entity_type])
    return replace(
        traced,
        found=replace(traced.found, name=mask(title, traced.found.name) if traced.found.name else ""),
        fields=tuple(
            replace(
                f,
                value=None if f.value is None else mask(entity.field(f.field), f.value),
                claims=tuple(replace(c, value=mask(entity.field(f.field), c.value)) for c in f.claims),
            )
            for f in traced.fields
        ),
    )


def address(session: Session, place: str, limit: int) -> None:
    """Show a place of the standard address tree."""
    from onefact import address as verb
    from onefact.cli import places

    found = verb.look(session.home, place)
    if session.as_json:
        session.emit(asdict(found))
    else:
        places.show(session.console, found, limit)


def rejects(session: Session, systems: Sequence[str] | None, limit: int) -> None:
    """List rejects; the values themselves are in the landing files that the places point at."""
    chosen = [m.id for m in session.home.chosen(systems)]
    marks = ", ".join("?" for _ in chosen)
    with session.home.warehouse() as con:
        rows = con.execute(
            "SELECT system_id, level, rule, place, \"column\", reason FROM reject WHERE level <> 'warning' "
            f"AND system_id IN ({marks}) ORDER BY system_id, place LIMIT ?",
            [*chosen, limit],
        ).fetchall()
        counts = con.execute(
            f"SELECT system_id, level, rule, count(*) FROM reject WHERE system_id IN ({marks}) GROUP BY ALL ORDER BY ALL",
            chosen,
        ).fetchall()
    session.read("rejects", "record", count=len(rows), systems=list(systems or ()))
    if session.as_json:
        names = ("system", "level", "rule", "place", "column", "reason")
        session.emit({
            "counts": [dict(zip(("system", "level", "rule", "n"), r, strict=True)) for r in counts],
            "rows": [dict(zip(names, r, strict=True)) for r in rows],
        })  # fmt: skip
        return
    told = [(system, show.LEVELS.get(level, level), rule, n) for system, level, rule, n in counts]
    session.console.print(show.table("退回统计", ["系统", "级别", "规则", "条数"], told, numeric=["条数"]))
    lines = [(system, show.LEVELS.get(level, level), *rest) for system, level, *rest in rows]
    session.console.print(
        show.table(f"退回清单（前 {limit} 条）", ["系统", "级别", "规则", "位置", "列", "原因"], lines)
    )


def rebuild(session: Session, *, dry_run: bool = False) -> None:
    """Make the working copy again."""
    from onefact import rebuild as verb

    with show.progress(0, session.as_json) as (bar, task):
        done = verb.rebuild(session.home, lambda s, n: bar.update(task, description=s, what=f"{n} 条"), dry_run=dry_run)
    if session.as_json:
        session.emit(asdict(done))
    elif done.consolidated is None:
        session.console.print(f"{done.batches} 个批次、{done.records} 条记录都在，可以重读。", highlight=False)
        _rehearsed(session, dry_run)
    else:
        session.console.print(
            f"已由 {done.batches} 个批次、{done.records} 条记录重建；主记录改动 {done.consolidated.changed} 条。",
            highlight=False,
        )


def export(session: Session, what: str, out: Path) -> None:
    """Write links or golden records."""
    from onefact import export as verb
    from warehouse.sealed import ALL

    # Noted before it is written, with what is about to leave: one act for each kind of entity.
    for entity_type, n in verb.counts(session.home, what).items():
        session.read(f"export {what}", entity_type, [ALL], count=n, full=True, act="export")
    written = verb.export_links(session.home, out) if what == "links" else verb.export_golden(session.home, out)
    if session.as_json:
        session.emit([{"file": str(path), "rows": rows} for path, rows in written])
        return
    for path, rows in written:
        session.console.print(f"{path}：{rows} 行", highlight=False)


def demo(session: Session, people: int, seed: int) -> None:
    """Run the demo."""
    from onefact import demo as verb
    from onefact.cli import demo_show

    result = verb.demo(session.home, people, seed, demo_show.Narrator(session.console, quiet=session.as_json))
    if session.as_json:
        session.emit(asdict(result))
    else:
        demo_show.summary(session.console, result)
    _fail_if(not result.passed)


def stop(session: Session) -> None:
    """Stop what runs for this home."""
    from sandbox import supervisor
    from warehouse import postgres

    supervisor.stop(session.home.path)
    session.home.close()
    stopped = postgres.stop(session.home.path)
    session.console.print("已停止：仿真系统" + ("和 PostgreSQL。" if stopped else "。"))


def _ask_if(results: Sequence[Pushed]) -> None:
    """Tell by the exit code that a system refused something: nothing is in trouble, but somebody has to look."""
    if any(r.states.get(state) for r in results for state in ("rejected", "conflict", "dead")):
        raise NeedsPerson


def _fail_if(failed: bool) -> None:
    if failed:
        raise PartlyFailed
