"""The pages (页面), one module per group; each has a `router`, listed here in the order of their paths."""

from fastapi import APIRouter

from portal.pages import (
    accounts,
    assist,
    burden,
    device,
    entry,
    factor,
    home,
    log,
    login,
    outbox,
    password,
    quality,
    records,
    reveal,
    settle,
    systems,
    tickets,
    trace,
    work,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    password.router,
    factor.router,
    home.router,
    work.router,
    records.router,
    entry.router,
    assist.router,
    settle.router,
    device.router,
    reveal.router,
    systems.router,
    outbox.router,
    tickets.router,
    quality.router,
    trace.router,
    burden.router,
    log.router,
    accounts.router,
)
