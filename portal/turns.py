"""Turns (排队): so many requests are worked on at a time; the others wait without holding a connection to the master.

A page holds one connection and may ask for a second one (saving while it reads). If every request were let in, each could
hold its first and wait for its second until all of them give up. A turn begins when the body has come and the gate is
reached, and ends when the answer begins, so that who sends or reads slowly keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onefact.home import POOL

TURNS: Final = POOL - 1
"""With two connections each, fewer than the pool may open."""

_TURN: Final = "onefact.turn"


class Turns:
    """Middleware that ends turns; `begin` starts one."""

    def __init__(self, app: ASGIApp, most: int = TURNS) -> None:
        self.app, self.most = app, asyncio.Semaphore(most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        turn = scope[_TURN] = _Turn(self.most)

        async def sending(message: Message) -> None:
            turn.end()
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            turn.end()


class _Turn:
    def __init__(self, most: asyncio.Semaphore) -> None:
        self.most, self.running = most, False

    async def begin(self) -> None:
        await self.most.acquire()
        self.running = True

    def end(self) -> None:
        if self.running:
            self.running = False
            self.most.release()


async def begin(scope: Scope) -> None:
    """Wait until it is this request's turn."""
    turn: _Turn = scope[_TURN]
    if not turn.running:
        await turn.begin()
