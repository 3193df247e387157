"""Tokens that are signed as they should be, and end at what is no time."""

from __future__ import annotations

from typing import Final

from django.core import signing

from sessionstore_app import mint_token
from sessionstore_app.services import tokens

# Beyond the last year that Python tells, beyond what a clock counts, and no number at all.
TIMELESS: Final = (1e12, 1e300, float("inf"), float("nan"))


def token_until(expires_at: float) -> str:
    """A token that says it ends then; `mint_token` would not make it."""
    claims = signing.loads(mint_token("ops", permissions=["manage_room"]), salt=tokens._SALT)
    return signing.dumps({**claims, "expires_at": expires_at}, salt=tokens._SALT)
