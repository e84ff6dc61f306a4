"""What a device sends from its outbox (离线补传): one act at a time, or all that wait as an encrypted file."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Annotated, Any, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import APIRouter, Body, File, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from onefact import acts
from onefact.acts import NEW, Act, ActConflict, ActRefused, Fact
from onefact.home import Home
from portal.access import Account, Current, Database, OfHome
from portal.pages.device import store_key
from portal.pages.entering import unanswered
from portal.pages.records import save
from portal.view import page
from portal.view.values import shown as as_seen
from schemas.entities import ENTITIES

router = APIRouter(include_in_schema=False)

MOST: Final = 500
"""Acts in one file of a device."""

LARGEST: Final = 4_000_000
"""Bytes of one file of a device."""

WORDS: Final = {"taken": "已收到", "alike": "待查重", "conflict": "有冲突", "refused": "被退回"}
"""State of an act that a device has sent -> word."""


class Sent(BaseModel):
    """One fact as a device sends it."""

    model_config = ConfigDict(extra="forbid")

    entity_type: str = Field(max_length=20)
    entity: str = Field(max_length=40)
    field: str = Field(max_length=60)
    value: str = Field(max_length=400)
    seen: str | None = Field(default=None, max_length=16)


class Saved(BaseModel):
    """One act as a device sends it from its outbox."""

    model_config = ConfigDict(extra="forbid")

    act_id: str = Field(max_length=36)
    kind: str = Field(max_length=20)
    facts: list[Sent] = Field(max_length=acts.MOST)


STATUS: Final = {"taken": 200, "alike": 409, "conflict": 409, "refused": 422}


@router.post("/entry/sync", name="entry.sync")
def sync(
    request: Request, account: Current, connection: Database, home: OfHome, sent: Annotated[Saved, Body()]
) -> Response:
    """Take one act from a device's outbox; the answer is the item's state there."""
    told = _taken(request, account, connection, home, sent)
    return JSONResponse(told, status_code=STATUS[told["state"]])


def _taken(request: Request, account: Account, connection: sa.Connection, home: Home, sent: Saved) -> dict[str, Any]:
    """Take an act and say what became of it: state, and why or the receipt.

    Somebody new who may be known already is not taken: whoever entered it looks at it first, as in the pages. The answers
    are given there under the same id, so that the device is told of the receipt when it sends the act again.
    """
    act = Act(sent.act_id, sent.kind, tuple(Fact(**f.model_dump()) for f in sent.facts))
    makes = any(f.entity.startswith(NEW) for f in act.facts)
    if makes:
        try:
            known = acts.find(connection, act.act_id, repeated=True)
        except KeyError:
            if found := unanswered(connection, account, act, {}):
                why = "可能已登记过：" + "、".join(dict.fromkeys(r for a in found for r in a.reasons[:1]))
                return {"state": "alike", "why": why}
        else:
            if (known.actor, known.kind) == (account.login, act.kind):
                return _receipt(request, known)
    try:
        return _receipt(request, save(request, account, home, act))
    except ActRefused as problem:
        return {"state": "refused", "why": str(problem)}
    except ActConflict as problem:
        standing = [
            {"entity": s.entity, "field": s.field, "cn": s.cn, "stamp": s.stamp,
             "value": as_seen(account, ENTITIES[s.entity_type].field(s.field), s.value).text}
            for s in problem.fields
        ]  # fmt: skip
        return {"state": "conflict", "why": str(problem), "standing": standing}


def _receipt(request: Request, taken: acts.Taken) -> dict[str, Any]:
    return {
        "state": "taken", "receipt": taken.act_id, "at": taken.at.isoformat(timespec="seconds"), "repeated": taken.repeated,
        "where": request.app.url_path_for("outbox.own.act", act_id=taken.act_id),
    }  # fmt: skip


class Sealed(BaseModel):
    """One item of a device's outbox as it lies there, encrypted."""

    model_config = ConfigDict(extra="ignore")

    account: str = Field(max_length=36)
    iv: str = Field(max_length=40)
    sealed: str = Field(max_length=400_000)


class Outbox(BaseModel):
    """The file that a device writes of its outbox."""

    model_config = ConfigDict(extra="ignore")

    onefact: str = Field(pattern="^outbox-1$")
    items: list[Sealed] = Field(max_length=MOST)


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one item of a file."""

    title: str
    state: str
    word: str
    why: str
    where: str | None


@router.get("/offline/file", name="device.file")
def file(request: Request) -> Response:
    """Show where the file of a device that does not get online is given in."""
    return page(request, "device/file.html", lines=None, problem=None)


@router.post("/offline/file", name="device.file.send")
def send(
    request: Request, account: Current, connection: Database, home: OfHome,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:  # fmt: skip
    """Take the acts of a file: decrypted with the key of the account that is signed in, each one as if it were sent."""
    data = file.file.read(LARGEST + 1) if file is not None else b""
    try:
        items = Outbox.model_validate_json(data[:LARGEST]).items  # what is longer is no JSON any more
        opened = [_opened(home, account, i) for i in items]
    except (ValueError, InvalidTag):
        sentence = "这个文件打不开：请选择本人设备导出的文件（其他人的录入只有他本人登录后能送出）。"
        return page(request, "device/file.html", 422, lines=None, problem=sentence)
    lines = [_line(request, account, connection, home, title, act) for title, act in opened]
    return page(request, "device/file.html", lines=lines, problem=None)


def _opened(home: Home, account: Account, item: Sealed) -> tuple[str, Saved]:
    """Decrypt an item; raises `ValueError` or `InvalidTag` for what is another's or was altered."""
    if item.account != account.id:
        raise ValueError
    key = store_key(home, account.id)
    plain = AESGCM(key).decrypt(b64decode(item.iv), b64decode(item.sealed), account.id.encode())
    content = json.loads(plain)
    title = str(content.pop("title", ""))
    return title, Saved.model_validate(content)


def _line(request: Request, account: Account, connection: sa.Connection, home: Home, title: str, act: Saved) -> Line:
    told = _taken(request, account, connection, home, act)
    return Line(title, told["state"], WORDS[told["state"]], told.get("why", ""), told.get("where"))
