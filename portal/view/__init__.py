"""What pages are made of (页面): templates, the navigation of a role, words for states, masked values."""

from portal.view import words
from portal.view.render import page, static, templates

__all__ = ["page", "static", "templates", "words"]
