"""The commands of the data keys: show, rotate."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from onefact.cli.options import Actor, DryRun
from onefact.cli.session import session_of

keys_app = typer.Typer(
    help="Keys that numbers and sensitive values are encrypted with (数据密钥).", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show which keys there are; never the keys (密钥清单)."""
    from onefact import keys
    from onefact.cli import show as look

    session = session_of(context, as_json)
    found = keys.lines(session.home)
    if session.as_json:
        session.emit([asdict(line) for line in found])
    elif not found:
        session.console.print("没有数据密钥：主库中的证件号码和电话以明文存放（ONEFACT_DATA_CIPHER=off）。")
    else:
        rows = [
            (
                k.key_id,
                k.compartment,
                k.cipher,
                k.mark,
                "使用中" if k.active else "仅解密",
                f"{k.made_at:%Y-%m-%d %H:%M}",
            )
            for k in found
        ]
        session.console.print(look.table("数据密钥 (keys)", ["编号", "分区", "算法", "标识", "状态", "登记时间"], rows))


@keys_app.command("rotate")
def rotate(
    context: typer.Context,
    master: Annotated[
        bool, typer.Option("--master", help="Replace the master key only, which wraps the others.")
    ] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Replace the keys and seal the master anew; a master that lay in clear is sealed by it (密钥轮换)."""
    from onefact import keys

    session = session_of(context, as_json, actor)
    done = keys.rotate(session.home, master=master, dry_run=dry_run)
    if session.as_json:
        session.emit({"dry_run": dry_run, **asdict(done)})
        return
    if done.master:
        session.console.print("将更换主密钥 (dry run)。" if dry_run else "主密钥已更换；请立即备份新的主密钥文件。")
        return
    told = "、".join(f"{table} {n}" for table, n in sorted(done.values.items())) or "无"
    words = "尚未用现行密钥加密的值" if dry_run else f"已启用 {'、'.join(done.active)}；重新加密的值"
    session.console.print(f"{words}：{told}")
