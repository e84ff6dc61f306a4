"""The pages (页面), one module per group; each has a `router`, listed here in the order of their paths."""

from fastapi import APIRouter

from portal.api import v1, webhooks
from portal.pages import bulk, factor, forms, home, login, password, reveal, systems

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    password.router,
    factor.router,
    home.router,
    reveal.router,
    bulk.router,
    forms.router,
    systems.router,
    v1.router,
    webhooks.router,
)
