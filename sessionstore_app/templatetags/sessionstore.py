"""Template tags: `{% load sessionstore %}`."""

from __future__ import annotations

from uuid import UUID

from django import template

from sessionstore_app.core.errors import InvalidKey
from sessionstore_app.core.jsontext import Json
from sessionstore_app.services.site import site_sessions

register = template.Library()


@register.simple_tag
def site_session(key: str | UUID | None) -> dict[str, Json] | None:
    """`{% site_session key as saved %}`: the data of a site session; None if it is not there or past its life.

    So is what is no key: it may come from a visitor's cookie or address.
    """
    try:
        found = site_sessions.get(key or "")
    except InvalidKey:
        return None
    return None if found is None else found.data
