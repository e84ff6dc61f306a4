"""Clients that do nothing but write (裸客户端): what a push is held against, one for every kind of connector.

Each speaks with the common library of its channel (httpx, psycopg, nats, paramiko, openpyxl), writes the same rows into the
same stand-in, and is done when the system has taken them. It keeps no outbox, reads no record, compares nothing, and
would not know what was lost.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import hmac
import io
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import nats
import openpyxl
import paramiko
import psycopg
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from fleet import EXPORT_KEY, Fleet

from connectors.base import Variables

POLL = 0.01
"""Seconds between two looks for a receipt."""

PATIENCE = 60.0


def rest(fleet: Fleet, changes: int) -> None:
    """A token, then batches of the same size."""
    v = _variables(fleet)
    with httpx.Client(base_url=v["T_TOKEN_URL"], trust_env=False) as client:
        form = {
            "grant_type": "client_credentials",
            "client_id": "onefact",
            "client_secret": v["T_TOKEN_SECRET"],
            "scope": "grid.read",
        }
        token = client.post("/oauth2/token", data=form).json()["access_token"]
        for begin in range(0, changes, 4):
            rows = [
                {"rkid": fleet.raw(n), "contact.lxdh": fleet.fresh(), "idempotency_key": _key(), "op": "update"}
                for n in range(begin, min(begin + 4, changes))
            ]
            answer = client.post(
                "/api/v1/persons/batch", json={"rows": rows}, headers={"Authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()


def frontdb(fleet: Fleet, changes: int) -> None:
    """One transaction of inserts, then waiting for the gatekeeper's flags."""
    url = _variables(fleet)["TESTDB_URL"].replace("postgresql+psycopg", "postgresql")
    insert = 'INSERT INTO testdb."RY_IN" (row_guid, op_flag, sync_flag, "RYBH", "LXDH") VALUES (%s, %s, %s, %s, %s)'
    batch = [(secrets.token_hex(16), "U", "0", fleet.raw(n), fleet.fresh()) for n in range(changes)]
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(insert, batch)
        connection.commit()
        connection.autocommit = True
        waiting = "SELECT count(*) FROM testdb.\"RY_IN\" WHERE sync_flag = '0'"
        _until(lambda: connection.execute(waiting).fetchone() == (0,))


def sftp_csv(fleet: Fleet, changes: int) -> None:
    """One file with its marker, then waiting for its receipt."""
    v, name = _variables(fleet), f"OF_persons_{secrets.token_hex(8)}.csv"
    content = _csv(
        ["RYBH", "XM", "LXDH", "LYDM"], ((fleet.raw(n), "张三", fleet.fresh(), "网格") for n in range(changes)), "|"
    )
    with paramiko.Transport((v["TESTSFTP_HOST"], int(v["TESTSFTP_PORT"]))) as transport:
        transport.connect(username=v["TESTSFTP_USER"], password=v["TESTSFTP_PASSWORD"])
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        body = content.encode("gbk")
        for path, data in ((f"/in/{name}", body), (f"/in/{name}.ok", hashlib.sha256(body).hexdigest().encode())):
            with client.open(path, "wb") as file:
                file.write(data)
        _until(lambda: f"{name}.receipt.csv" in client.listdir("/receipt"))


def excel(fleet: Fleet, changes: int) -> None:
    """The template filled and put into the folder, then waiting for the error workbook."""
    folder = Path(_variables(fleet)["TESTEXCEL_DIR"])
    book = openpyxl.load_workbook(folder / "template.xlsx")
    sheet = book["填报"]
    titles = {cell.value: cell.column for cell in sheet[3]}
    for n in range(changes):
        for title, value in (("编号", fleet.raw(n)), ("姓名", "张三"), ("联系电话", fleet.fresh()), ("来源", "网格")):
            sheet.cell(4 + n, titles[title]).value = value
    name = f"OF_persons_{secrets.token_hex(8)}.xlsx"
    book.save(folder / "in" / f".{name}.part")
    (folder / "in" / f".{name}.part").replace(folder / "in" / name)
    _until((folder / "receipt" / name).exists)


def form(fleet: Fleet, changes: int) -> None:
    """A login, then each edit page opened, for its token, and sent."""
    v = _variables(fleet)
    inputs = re.compile(r'name="(\w+)" value="([^"]*)"')
    with httpx.Client(base_url=v["T_FORM_URL"], trust_env=False, follow_redirects=True) as client:
        login = dict(inputs.findall(client.get("/user/login").text))
        client.post(
            "/user/login", data={**login, "username": v["T_FORM_USER"], "password": v["T_FORM_PASSWORD"]}
        ).raise_for_status()
        for n in range(changes):
            path = f"/place/{fleet.raw(n)}/edit.do"
            page = client.get(path)
            kept = dict(inputs.findall(page.text))
            client.post(path, data={**kept, "zt": _chosen(page.text), "dh": fleet.fresh()}).raise_for_status()


def queue(fleet: Fleet, changes: int) -> None:
    """All commands published, then waiting for as many acknowledgements."""
    asyncio.run(_queue(fleet, changes))


async def _queue(fleet: Fleet, changes: int) -> None:
    source = fleet.manifests["queue"].datasets[0].source
    client = await nats.connect(_variables(fleet)["T_QUEUE_URL"])
    try:
        answers: asyncio.Queue[object] = asyncio.Queue()
        await client.subscribe(f"{source['acks']}.*", cb=answers.put)
        stream = client.jetstream()
        publish = []
        for n in range(changes):
            key = _key()
            command = {
                "command_id": key,
                "op": "update",
                "dataset": "places",
                "key": fleet.raw(n),
                "row": {"tel": fleet.fresh()},
            }
            publish.append(stream.publish(f"{source['commands']}.{key.encode().hex()}", json.dumps(command).encode()))
        await asyncio.gather(*publish)
        for _ in range(changes):
            await asyncio.wait_for(answers.get(), PATIENCE)
    finally:
        await client.close()


def webhook(fleet: Fleet, changes: int) -> None:
    """One signed command after the other."""
    v = _variables(fleet)
    with httpx.Client(trust_env=False) as client:
        url = f"{v['T_WEBHOOK_URL']}/commands/residents"
        for n in range(changes):
            key, now = _key(), str(int(time.time()))
            command = {
                "command_id": key,
                "op": "update",
                "key": fleet.raw(n),
                "if_version": None,
                "row": {"mobile": fleet.fresh()},
            }
            body = json.dumps(command).encode()
            content = f"{now}\nPOST {urlsplit(url).path}\n".encode() + body
            signature = "sha256=" + hmac.new(v["T_WEBHOOK_SECRET"].encode(), content, hashlib.sha256).hexdigest()
            headers = {"X-Timestamp": now, "X-Signature": signature, "Content-Type": "application/json"}
            client.post(url, content=body, headers=headers).raise_for_status()


def export(fleet: Fleet, changes: int) -> None:
    """One encrypted file."""
    plain = _csv(["XH", "DH"], ((fleet.raw(n), fleet.fresh()) for n in range(changes)), ",").encode()
    nonce = secrets.token_bytes(12)
    sealing = Cipher(SM4(EXPORT_KEY), GCM(nonce)).encryptor()
    sealed = sealing.update(plain) + sealing.finalize() + sealing.tag
    (fleet.path / "bare.sm4").write_bytes(nonce + sealed)


def files(fleet: Fleet, changes: int) -> None:
    """One file."""
    rows = (("update", fleet.raw(n), fleet.fresh()) for n in range(changes))
    (fleet.path / "bare.csv").write_text(_csv(["_operation", "id", "dh"], rows, ","), "utf-8")


BARE: Mapping[str, Callable[[Fleet, int], None]] = {
    "rest": rest, "frontdb": frontdb, "sftp_csv": sftp_csv, "excel": excel, "form": form, "queue": queue,
    "webhook": webhook, "export": export, "files": files,
}  # fmt: skip


def _variables(fleet: Fleet) -> Mapping[str, str]:
    return Variables.load(fleet.path).values


def _key() -> str:
    return f"bare:{secrets.token_hex(8)}"


def _csv(columns: list[str], rows: Iterable[tuple[str, ...]], delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _chosen(page: str) -> str:
    found = re.search(r'<option value="(\d+)"[^>]*selected', page)
    return found[1] if found else ""


def _until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "the system never took the rows"
        time.sleep(POLL)
