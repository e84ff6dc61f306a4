"""The commands about other programs: token add, list, end; webhooks tell."""

from __future__ import annotations

from typing import Annotated

import typer

from onefact.cli.options import By, Json
from onefact.cli.session import session_of

token_app = typer.Typer(help="Tokens by which other programs use the API (接口令牌).", no_args_is_help=True)
hook_app = typer.Typer(help="Telling other programs of changes (变更订阅).", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(token_app, name="token")
    app.add_typer(hook_app, name="webhook")


@token_app.command("add")
def token_add(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="The account whose role and grids the program gets.")],
    name: Annotated[str, typer.Option(help="Which program.")],
    scope: Annotated[list[str], typer.Option("--scope", help="search, read, full, enter, subscribe.")],
    days: Annotated[int, typer.Option(help="How long it holds.")] = 90,
    actor: By = "cli",
    as_json: Json = False,
) -> None:
    """Make a token and print it: it is not kept anywhere and shown this once (新建令牌)."""
    from portal.security import tokens
    from warehouse import sealed

    session = session_of(context, as_json)
    token = tokens.make(session.home, login, name, scope, days, actor)
    with session.home.engine.begin() as connection:
        detail = {"scopes": sorted(scope), "days": days}
        sealed.append(connection, sealed.Act(actor=actor, act="token", subject_type="account", subjects=(login,), purpose="新建接口令牌", detail=detail, via="cli"))  # fmt: skip
    if session.as_json:
        session.emit({"token": token, "login": login, "scopes": sorted(scope), "days": days})
    else:
        session.console.print(token, soft_wrap=True, highlight=False)


@token_app.command("list")
def token_list(context: typer.Context, as_json: Json = False) -> None:
    """List tokens: whose, for what, until when, last used (令牌清单)."""
    from onefact.cli import show
    from portal.security import tokens

    session = session_of(context, as_json)
    found = tokens.listed(session.home)
    if session.as_json:
        session.emit(
            [
                {"id": t.token_id, "login": t.login, "name": t.name, "scopes": t.scopes, "expires_at": t.expires_at, "used_at": t.used_at,
                 "ended_at": t.ended_at}
                for t in found
            ]
        )  # fmt: skip
        return
    lines = [
        (t.token_id, t.login, t.name, "、".join(t.scopes), f"{t.expires_at.astimezone():%Y-%m-%d}",
         f"{t.used_at.astimezone():%Y-%m-%d %H:%M}" if t.used_at else "", "已停用" if t.ended_at else "")
        for t in found
    ]  # fmt: skip
    session.console.print(
        show.table("接口令牌 (tokens)", ["编号", "账号", "程序", "权限", "有效期至", "最近使用", ""], lines)
    )


@token_app.command("end")
def token_end(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    actor: By = "cli",
    as_json: Json = False,
) -> None:
    """End a token at once (停用令牌)."""
    from portal.security import tokens
    from warehouse import sealed

    session = session_of(context, as_json)
    done = tokens.end(session.home, token, actor)
    with session.home.engine.begin() as connection:
        outcome = "done" if done else "failed"
        sealed.append(connection, sealed.Act(actor=actor, act="token", subject_type="token", subjects=(token,), purpose="停用接口令牌", outcome=outcome, via="cli"))  # fmt: skip
    if session.as_json:
        session.emit({"id": token, "ended": done})
    else:
        session.console.print(
            "已停用。" if done else "没有这个编号的有效令牌。清单：onefact token list", highlight=False
        )


@hook_app.command("tell")
def hook_tell(context: typer.Context, as_json: Json = False) -> None:
    """Make the calls that are due now; `onefact serve` does it by itself (发送变更通知)."""
    from portal.api.deliver import deliver

    session = session_of(context, as_json)
    told = deliver(session.home)
    if session.as_json:
        session.emit({"planned": told.planned, "sent": told.sent, "failed": told.failed})
    else:
        session.console.print(f"新增 {told.planned} 次，送达 {told.sent} 次，失败 {told.failed} 次。", highlight=False)
