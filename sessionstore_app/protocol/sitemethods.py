"""Parameters of the methods of site sessions, in the manner of `protocol.methods`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from sessionstore_app.protocol.params import Json, Params, Text

SessionKeys = list[str] | str


class SiteCreate(Params, frozen=True):
    data: dict[str, Json]
    platform: Text = ""
    platform_version: Text = ""
    session_key: str | None = None


class SiteLoad(Params, frozen=True):
    session_keys: SessionKeys


class SiteUpdate(Params, frozen=True):
    session_key: str
    data: dict[str, Json]
    mode: Literal["replace", "merge"] = "replace"
    check: bool = False


class SiteDelete(Params, frozen=True):
    session_keys: SessionKeys


class SiteStats(Params, frozen=True):
    period_ms: Annotated[int, Meta(ge=0)] | None = None


SITE_METHODS: dict[str, Any] = {
    "site.create": SiteCreate,
    "site.load": SiteLoad,
    "site.update": SiteUpdate,
    "site.delete": SiteDelete,
    "site.stats": SiteStats,
}
