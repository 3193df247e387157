"""Handlers of site sessions. Whoever holds the permissions is trusted with them: no allowance of writes is spent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.core.jsontext import dumps, size_bytes
from sessionstore_app.core.site import SiteSessionInfo, iso_second
from sessionstore_app.handlers.caller import Caller
from sessionstore_app.protocol import sitemethods
from sessionstore_app.services import policy
from sessionstore_app.services.site import site_sessions

# Keys of one request.
MOST_KEYS: Final = 1_000
# Data in one answer, in bytes, unless it is a single session's.
MOST_BYTES: Final = 4 * 2**20
_AT_A_TIME: Final = 64
_VIEW: Final = "view_sitesession"
_CHANGE: Final = "change_sitesession"


async def site_create(caller: Caller, params: sitemethods.SiteCreate) -> str:
    """Create a site session."""
    policy.require(caller.identity, _CHANGE)
    created = await site_sessions.acreate(
        params.data, params.platform, params.platform_version, session_key=params.session_key
    )
    return _sessions([created])


async def site_load(caller: Caller, params: sitemethods.SiteLoad) -> str:
    """Load site sessions; those that are not there or past their life are left out."""
    policy.require(caller.identity, _VIEW)
    return _sessions((await _load(_keys(params.session_keys))).values())


async def site_update(caller: Caller, params: sitemethods.SiteUpdate) -> str:
    """Replace or merge the data of a site session."""
    policy.require(caller.identity, _CHANGE)
    updated = await site_sessions.aupdate(params.session_key, params.data, mode=params.mode, check=params.check)
    return _sessions([updated])


async def site_delete(caller: Caller, params: sitemethods.SiteDelete) -> str:
    """Delete site sessions; those that are not there are no error."""
    policy.require(caller.identity, _CHANGE)
    deleted = await site_sessions.adelete(*_keys(params.session_keys))
    return dumps({"deleted": len(deleted), "keys": deleted})


async def site_stats(caller: Caller, params: sitemethods.SiteStats) -> str:
    """How many site sessions are active, and how many there are."""
    policy.require(caller.identity, _VIEW)
    stats = await site_sessions.astats(None if params.period_ms is None else params.period_ms / 1_000)
    period_ms = round(stats.period_seconds * 1_000) if params.period_ms is None else params.period_ms
    return dumps({"active": stats.active, "total": stats.total, "period_ms": period_ms})


def _keys(named: list[str] | str) -> list[str]:
    keys = [named] if isinstance(named, str) else named
    if len(keys) > MOST_KEYS:
        raise LimitExceeded("Too many keys in one request.", limit=MOST_KEYS, actual=len(keys))
    return keys


async def _load(keys: list[str]) -> dict[str, SiteSessionInfo]:
    """In portions: what is refused in the end is not all in memory before."""
    found: dict[str, SiteSessionInfo] = {}
    for start in range(0, len(keys), _AT_A_TIME):
        found |= await site_sessions.aload(*keys[start : start + _AT_A_TIME])
        size = sum(size_bytes(info.text) for info in found.values())
        if size > MOST_BYTES and len(found) > 1:
            raise LimitExceeded(
                "These sessions are too large for one answer.",
                hint="Load fewer at a time; a single one is always answered.",
                limit=MOST_BYTES,
                actual=size,
            )
    return found


def _sessions(infos: Iterable[SiteSessionInfo]) -> str:
    """Site sessions by their bare UUIDs; the data is woven in as the text it is."""
    return f"{{{','.join(map(_session, infos))}}}"


def _session(info: SiteSessionInfo) -> str:
    return (
        f'"{info.uuid}":{{"updateCount":{info.update_count},"sessionKey":"{info.key}","data":{info.text},'
        f'"created":"{iso_second(info.created)}","updated":"{iso_second(info.updated)}",'
        f'"platform":{dumps(info.platform)},"platformVersion":{dumps(info.platform_version)}}}'
    )
