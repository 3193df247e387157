"""Shared room state and live sessions for Django.

Public names, importable once Django is set up: `rooms`, `sessions`, `locks`, `mint_token`, `errors`,
`Policy`, `PropertyResolver`, `Identity`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessionstore_app.core import errors as errors
    from sessionstore_app.services.facts import PropertyResolver as PropertyResolver
    from sessionstore_app.services.livesessions import sessions as sessions
    from sessionstore_app.services.locks import locks as locks
    from sessionstore_app.services.policy import Identity as Identity
    from sessionstore_app.services.policy import Policy as Policy
    from sessionstore_app.services.rooms import rooms as rooms
    from sessionstore_app.services.tokens import mint_token as mint_token

__version__ = "0.1.0"
__all__ = ["Identity", "Policy", "PropertyResolver", "errors", "locks", "mint_token", "rooms", "sessions"]

_HOMES = {
    "Identity": "sessionstore_app.services.policy",
    "Policy": "sessionstore_app.services.policy",
    "PropertyResolver": "sessionstore_app.services.facts",
    "locks": "sessionstore_app.services.locks",
    "mint_token": "sessionstore_app.services.tokens",
    "rooms": "sessionstore_app.services.rooms",
    "sessions": "sessionstore_app.services.livesessions",
}


def __getattr__(name: str) -> Any:
    # Models must not be imported before the app registry is ready, and Django imports this package to find the app.
    if name == "errors":
        return import_module("sessionstore_app.core.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
