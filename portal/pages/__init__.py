"""The pages (页面), one module per group; each has a `router`, listed here in the order of their paths."""

from fastapi import APIRouter

from portal.pages import (
    accounts,
    bulk,
    burden,
    factor,
    forms,
    home,
    log,
    login,
    outbox,
    password,
    quality,
    reveal,
    systems,
    tickets,
    trace,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    password.router,
    factor.router,
    home.router,
    reveal.router,
    bulk.router,
    forms.router,
    systems.router,
    outbox.router,
    tickets.router,
    quality.router,
    trace.router,
    burden.router,
    log.router,
    accounts.router,
)
