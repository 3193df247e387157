"""Access tokens: signed, expiring statements of who somebody is and what they may do.

Signed with Django's SECRET_KEY (and its fallbacks). Every kind of bad token gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.core import signing

from sessionstore_app.core import clock
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.jsontext import JsonInput
from sessionstore_app.services import private
from sessionstore_app.services.policy import PERMISSIONS, Identity

_SALT = "sessionstore_app.token"
# What is later no clock tells in every time zone.
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def mint_token(
    principal: str,
    *,
    roles: Iterable[str] = (),
    permissions: Iterable[str] = (),
    rooms: Mapping[str, Iterable[str]] | None = None,
    store: Mapping[str, JsonInput] | None = None,
    expires_in: float = 3_600,
) -> str:
    """Make a token for `principal`, valid for `expires_in` seconds.

    `roles` are session-wide, `permissions` are names such as `manage_room`, `rooms` maps a room's name or a pattern
    (`meeting/*`) to the roles its bearer has there; a token that names rooms is good for no others. `store` is what
    the private store of each session holds that opens with it; whoever bears the token can read it there.
    Raises ValueError for an unknown permission, or a time that is not positive or ends after the year 9998, InvalidKey
    and InvalidValue for what no store keeps.
    """
    unknown = sorted(set(permissions) - PERMISSIONS)
    if unknown:
        raise ValueError(f"Unknown permissions: {', '.join(unknown)}. Known: {', '.join(sorted(PERMISSIONS))}.")
    expires_at = clock.now_ms() / 1_000 + expires_in
    if not (expires_in > 0 and _is_time(expires_at)):
        raise ValueError("expires_in is a number of seconds above 0, and ends before the year 9999.")
    seeds = dict(store or {})
    for key, value in seeds.items():
        private.checked_text(key, value)
    claims = {
        "principal": principal,
        "roles": sorted(set(roles)),
        "permissions": sorted(set(permissions)),
        "rooms": {room: sorted(set(granted)) for room, granted in (rooms or {}).items()},
        "store": seeds,
        "expires_at": expires_at,
    }
    return signing.dumps(claims, salt=_SALT)


def read_token(token: str) -> Identity:
    """Who the token says its bearer is. Raises AccessDenied, the same for whatever is wrong with it."""
    try:
        claims: dict[str, Any] = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError):
        raise _bad_token() from None
    expires_at = claims["expires_at"]
    if expires_at <= clock.now_ms() / 1_000 or not _is_time(expires_at):
        raise _bad_token()
    return Identity(
        principal=claims["principal"],
        roles=frozenset(claims["roles"]),
        permissions=frozenset(claims["permissions"]),
        rooms={room: frozenset(roles) for room, roles in claims["rooms"].items()},
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        store=claims.get("store", {}),
    )


def _is_time(at: float) -> bool:
    # False for NaN too.
    return at < _LATEST


def _bad_token() -> AccessDenied:
    return AccessDenied("The token is not valid.", hint="Get a new token; it may have expired.")
