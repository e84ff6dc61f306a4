"""What people said a heading means (表头释义): remembered for all later forms; a correction closes the line before it."""

from __future__ import annotations

import sqlalchemy as sa

from onefact.forms.match import key_of
from onefact.forms.vocabulary import CONTEXTS, computed
from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import FORM_HEADING


class NoSuchMeaning(Exception):
    """A meaning that is neither a field of the entity nor something computed."""

    def __init__(self, context: EntityType, wanted: str) -> None:
        import difflib  # only to word the error

        known = [*ENTITIES[context].names, *computed(context)]
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
        hint = f"是不是 {'、'.join(near)}？" if near else "数据项目录：onefact schema catalogue"
        super().__init__(f"{ENTITIES[context].cn}没有数据项“{wanted}”。{hint}")


def remembered(connection: sa.Connection) -> dict[tuple[str, str], str]:
    """Return (folded heading, context) -> meaning; `""` = none of ours."""
    query = sa.select(FORM_HEADING.c.heading, FORM_HEADING.c.context, FORM_HEADING.c.meaning)
    return {(h, c): m for h, c, m in connection.execute(query.where(FORM_HEADING.c.ended_at.is_(None)))}


def remember(home: Home, heading: str, context: EntityType, meaning: str, actor: str) -> None:
    """Remember what a heading means in forms about an entity; `""` says that it is none of the master's fields.

    Raises:
        NoSuchMeaning: the master has no such field.
    """
    if context not in CONTEXTS:
        raise NoSuchMeaning("person", context)
    if meaning and meaning not in ENTITIES[context].names and meaning not in computed(context):
        raise NoSuchMeaning(context, meaning)
    text, now = key_of(heading)[:200], home.now().astimezone()
    held = sa.and_(FORM_HEADING.c.heading == text, FORM_HEADING.c.context == context, FORM_HEADING.c.ended_at.is_(None))
    with home.engine.begin() as connection:
        connection.execute(sa.update(FORM_HEADING).where(held).values(ended_at=now, ended_by=actor))
        connection.execute(
            sa.insert(FORM_HEADING).values(heading=text, context=context, meaning=meaning, actor=actor, since=now)
        )


def forget(home: Home, heading: str, context: EntityType, actor: str) -> bool:
    """Take a remembered meaning back; tell whether there was one."""
    held = sa.and_(
        FORM_HEADING.c.heading == key_of(heading)[:200],
        FORM_HEADING.c.context == context,
        FORM_HEADING.c.ended_at.is_(None),
    )
    with home.engine.begin() as connection:
        done = connection.execute(
            sa.update(FORM_HEADING).where(held).values(ended_at=home.now().astimezone(), ended_by=actor)
        )
    return done.rowcount > 0
