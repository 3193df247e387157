"""Shared room state and live sessions for Django.

Public names, importable once Django is set up: `rooms`, `sessions`, `locks`, `site_sessions`, `private_store`,
`create_map`, `mint_token`, `errors`, `Policy`, `PropertyResolver`, `Identity`; and what declares room types:
`RoomType`, `Key`, `EVERYONE`, `NOBODY`, `OWNER`, `CREATOR`, `permission`, `matching`, `ROOM`, `SESSION`, `OPEN`,
`REFUSED`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessionstore_app.core import errors as errors
    from sessionstore_app.core.roomtypes import OPEN as OPEN
    from sessionstore_app.core.roomtypes import REFUSED as REFUSED
    from sessionstore_app.core.roomtypes import ROOM as ROOM
    from sessionstore_app.core.roomtypes import SESSION as SESSION
    from sessionstore_app.core.roomtypes import Key as Key
    from sessionstore_app.core.roomtypes import RoomType as RoomType
    from sessionstore_app.core.rules import CREATOR as CREATOR
    from sessionstore_app.core.rules import EVERYONE as EVERYONE
    from sessionstore_app.core.rules import NOBODY as NOBODY
    from sessionstore_app.core.rules import OWNER as OWNER
    from sessionstore_app.core.rules import matching as matching
    from sessionstore_app.core.rules import permission as permission
    from sessionstore_app.services.facts import PropertyResolver as PropertyResolver
    from sessionstore_app.services.livesessions import sessions as sessions
    from sessionstore_app.services.locks import locks as locks
    from sessionstore_app.services.policy import Identity as Identity
    from sessionstore_app.services.policy import Policy as Policy
    from sessionstore_app.services.private import create_map as create_map
    from sessionstore_app.services.private import private_store as private_store
    from sessionstore_app.services.rooms import rooms as rooms
    from sessionstore_app.services.site import site_sessions as site_sessions
    from sessionstore_app.services.tokens import mint_token as mint_token

__version__ = "0.1.0"
__all__ = [
    "CREATOR",
    "EVERYONE",
    "NOBODY",
    "OPEN",
    "OWNER",
    "REFUSED",
    "ROOM",
    "SESSION",
    "Identity",
    "Key",
    "Policy",
    "PropertyResolver",
    "RoomType",
    "create_map",
    "errors",
    "locks",
    "matching",
    "mint_token",
    "permission",
    "private_store",
    "rooms",
    "sessions",
    "site_sessions",
]

_HOMES = {
    **dict.fromkeys(("OPEN", "REFUSED", "ROOM", "SESSION", "Key", "RoomType"), "sessionstore_app.core.roomtypes"),
    **dict.fromkeys(
        ("CREATOR", "EVERYONE", "NOBODY", "OWNER", "matching", "permission"), "sessionstore_app.core.rules"
    ),
    "Identity": "sessionstore_app.services.policy",
    "Policy": "sessionstore_app.services.policy",
    "PropertyResolver": "sessionstore_app.services.facts",
    "create_map": "sessionstore_app.services.private",
    "locks": "sessionstore_app.services.locks",
    "mint_token": "sessionstore_app.services.tokens",
    "private_store": "sessionstore_app.services.private",
    "rooms": "sessionstore_app.services.rooms",
    "sessions": "sessionstore_app.services.livesessions",
    "site_sessions": "sessionstore_app.services.site",
}


def __getattr__(name: str) -> Any:
    # Models must not be imported before the app registry is ready, and Django imports this package to find the app.
    if name == "errors":
        return import_module("sessionstore_app.core.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
