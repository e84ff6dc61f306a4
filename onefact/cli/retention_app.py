"""The commands of retention: show, run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from onefact.cli.options import Actor, Json
from onefact.cli.session import Session, session_of

if TYPE_CHECKING:
    from onefact.retention import Expired

retention_app = typer.Typer(
    help="How long records are kept, and deleting what has run out (保存期限).", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(retention_app, name="retention")


@retention_app.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show how long each kind is kept, the floor of the law, and what has run out (期限与到期)."""
    from onefact.cli import show as look
    from onefact.retention import RULES, due, load

    session = session_of(context, as_json)
    days, found = load(session.home).days, due(session.home)
    if session.as_json:
        session.emit({
            "rules": [{**asdict(r), "set": days[r.kind], "due": sum(e.count for e in found if e.kind == r.kind)} for r in RULES.values()]
        })  # fmt: skip
        return
    rows = [
        (r.kind, r.cn, days[r.kind], r.floor or "无", r.from_, sum(e.count for e in found if e.kind == r.kind), r.law)
        for r in RULES.values()
    ]
    headers = ["种类", "名称", "保存天数", "法定下限", "起算", "已到期", "依据"]
    session.console.print(look.table("保存期限 (retention)", headers, rows, numeric=["保存天数", "法定下限", "已到期"]))


@retention_app.command("run")
def run(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; delete nothing.")] = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Delete what has run out; count, hash and rule of what goes stand in the sealed log (到期删除)."""
    from onefact.retention import due
    from onefact.retention import run as verb

    session = session_of(context, as_json, actor)
    _told(session, due(session.home) if dry_run else verb(session.home), dry_run)


def _told(session: Session, found: Sequence[Expired], dry_run: bool) -> None:
    from onefact.cli import show as look
    from onefact.retention import RULES

    if session.as_json:
        session.emit({"dry_run": dry_run, "expired": [asdict(e) for e in found]})
        return
    rows = [(RULES[e.kind].cn, e.what, e.count, f"{e.before:%Y-%m-%d}") for e in found if e.count]
    title = "将删除 (dry run)" if dry_run else "已删除，证明见密封日志 (deleted)"
    if rows:
        session.console.print(look.table(title, ["种类", "表或文件", "数量", "早于"], rows, numeric=["数量"]))
    else:
        session.console.print("没有到期的内容。")
