"""More requests at once than the master has connections for: all are answered, none waits for another for ever."""

from __future__ import annotations

import asyncio

import httpx
from portal_support import ADDRESS, OWN, Portal

from onefact.home import POOL
from portal.access.gate import PLACES
from portal.security.sessions import COOKIE


def test_a_crowd_that_saves_at_once_is_served(portal: Portal) -> None:
    worker, master = portal.signed_in("worker"), portal.ids("person")[OWN]
    crowd = 5 * POOL

    async def all_at_once() -> list[httpx.Response]:
        cookies = {COOKIE: worker.cookies[COOKIE]}
        headers = {"Origin": ADDRESS, "X-CSRF-Token": worker.headers["X-CSRF-Token"]}
        carrier = httpx.ASGITransport(app=portal.app)
        async with httpx.AsyncClient(transport=carrier, base_url=ADDRESS, cookies=cookies, headers=headers) as client:
            fact = {f"v|person|{master}|phone": "13900004321", "kind": "correct"}
            saves = (
                client.post("/entry/save", data=fact | {"act_id": f"01900000-0000-7000-8000-{i:012d}"})
                for i in range(crowd)
            )
            return await asyncio.gather(*saves)

    answers = asyncio.run(all_at_once())
    assert {a.status_code for a in answers} == {303}
    assert portal.home.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert PLACES < POOL


def test_a_turn_ends_with_its_request(portal: Portal) -> None:
    nobody = portal.nobody()
    for _ in range(2 * PLACES):
        assert nobody.get("/tasks").status_code == 303
        assert nobody.get("/nothing").status_code == 404
