"""What parameters of methods are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from sessionstore_app.core.jsontext import Json as Json
else:
    # msgspec cannot follow a recursive alias; the gate has already seen that it is JSON.
    Json = Any

Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
# A year; a longer life is no time to live.
MAX_TTL_SECONDS = 31_536_000
TtlSeconds = Annotated[float, Meta(gt=0, le=MAX_TTL_SECONDS)]
LifetimeName = Literal["room", "session"]
EventName = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=256)]


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of one method. Unknown names are refused: a misspelt guard must not pass for none."""
