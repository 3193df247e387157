"""The public Python API of site sessions: for views, tasks, templates, signals, shells and consumers.

    from sessionstore_app import site_sessions
    saved = site_sessions.create({"step": 1})           # in a view, a shell, a thread
    await site_sessions.aupdate(saved.key, {"step": 2}, check=True)

Inside a transaction what is done belongs to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID, uuid4

from sessionstore_app import conf
from sessionstore_app.conf import Settings
from sessionstore_app.core import jsontext, site
from sessionstore_app.core.errors import InvalidParams, InvalidValue
from sessionstore_app.core.jsontext import JsonInput
from sessionstore_app.core.operations import Merge
from sessionstore_app.core.site import SiteSessionInfo, parse_key
from sessionstore_app.services import bridge, sitereads, siterows

# Rows that one transaction of an expiry may delete.
_MOST_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class SiteStats:
    """How many site sessions were updated within the period and live, and how many rows there are."""

    active: int
    total: int
    period_seconds: float


class SiteSessions:
    """Durable data under a UUID key, until it was not updated for `SITE_SESSION_LIFETIME_SECONDS`.

    Every method has a synchronous twin without the leading `a`. A key is text or a UUID, with or without the suffix
    `_<update count>` that `SiteSessionInfo.key` has. All raise InvalidKey for what is no key, and Unavailable when the
    database is out of reach.
    """

    async def acreate(
        self,
        data: Mapping[str, JsonInput],
        platform: str = "",
        platform_version: str = "",
        session_key: str | UUID | None = None,
    ) -> SiteSessionInfo:
        """Begin a session, under a new random key unless one is given.

        `platform` and `platform_version` say who created it. Raises InvalidValue for data that is no JSON object,
        ValueTooLarge, InvalidParams, and VersionConflict where a session lives under the given key.
        """
        settings = conf.current()
        new = site.NewSession(
            uuid=str(uuid4()) if session_key is None else parse_key(session_key).uuid,
            text=_text(data, settings),
            platform=_platform("platform", platform),
            platform_version=_platform("platform_version", platform_version),
        )
        lifetime = settings.site_session_lifetime_seconds
        job = siterows.Create(new=new, is_named=session_key is not None, lifetime_seconds=lifetime)
        created: SiteSessionInfo = await siterows.run(job)
        return created

    async def aload(self, *keys: str | UUID) -> dict[str, SiteSessionInfo]:
        """Sessions by their bare UUIDs, in the order asked for; those that are not there or past their life are left
        out. Reading does not extend their life.
        """
        uuids = _uuids(keys)
        if not uuids:
            return {}
        lifetime = conf.current().site_session_lifetime_seconds
        read = await siterows.ask(lambda connection: sitereads.load(connection, uuids, lifetime), uuids)
        found = {info.uuid: info for info in read}
        return {uuid: found[uuid] for uuid in uuids if uuid in found}

    async def aget(self, key: str | UUID) -> SiteSessionInfo | None:
        """One session; None where there is none, or where it is past its life."""
        return (await self.aload(key)).get(parse_key(key).uuid)

    async def aupdate(
        self,
        key: str | UUID,
        data: Mapping[str, JsonInput],
        mode: Literal["replace", "merge"] = "replace",
        check: bool = False,
    ) -> SiteSessionInfo:
        """Change a session's data, count the update and begin its life anew.

        `mode="merge"` applies a JSON Merge Patch (RFC 7396) to whatever the data is at that moment. With `check` the
        session must be at the update count of the key's suffix, if it has one. Raises NotFound for a session that is
        not there or past its life, VersionConflict, InvalidValue, ValueTooLarge, InvalidParams for another mode; then
        nothing was written.
        """
        settings = conf.current()
        named = parse_key(key)
        job = siterows.Update(
            uuid=named.uuid,
            edit=_edit(mode, data, settings),
            expected=named.update_count if check else None,
            lifetime_seconds=settings.site_session_lifetime_seconds,
            max_bytes=settings.site_session_bytes,
        )
        updated: SiteSessionInfo = await siterows.run(job)
        return updated

    async def adelete(self, *keys: str | UUID) -> list[str]:
        """Delete sessions; returns the bare UUIDs of those that there were, in the order asked for."""
        uuids = _uuids(keys)
        deleted: list[str] = await siterows.run(siterows.Delete(uuids)) if uuids else []
        return deleted

    async def astats(self, period_seconds: float | None = None) -> SiteStats:
        """How many sessions were updated within the period (the lifetime, if none is given) and are within their life,
        and how many there are with those that wait to be removed. Raises InvalidParams.
        """
        lifetime = conf.current().site_session_lifetime_seconds
        period = lifetime if period_seconds is None else _duration("period_seconds", period_seconds)
        within = min(period, lifetime)
        active, total = await siterows.look(lambda connection: sitereads.count(connection, within))
        return SiteStats(active, total, period)

    async def aexpire(
        self,
        lifetime_seconds: float | None = None,
        batch_size: int = 1_000,
        dry_run: bool = False,
        told: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Remove the sessions that were past their life when this began; returns how many.

        `lifetime_seconds` in place of the setting; `batch_size` rows a transaction, 10,000 at the most; `dry_run` only
        counts; `told` hears after each transaction how many so far. Several at once share the work, each row is
        removed by one of them. Raises InvalidParams.
        """
        given = conf.current().site_session_lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        lifetime = _duration("lifetime_seconds", given)
        if not 1 <= batch_size <= _MOST_AT_ONCE:
            raise InvalidParams("batch_size is out of its bounds.", hint=f"It is from 1 to {_MOST_AT_ONCE}.")
        until = await siterows.look(lambda connection: site.cutoff(siterows.clock(connection), lifetime))
        if dry_run:
            return await siterows.look(lambda connection: sitereads.count_until(connection, until))
        removed = 0
        while deleted := await siterows.sweep(siterows.Expire(until, batch_size)):
            removed += deleted
            told(removed)
        return removed

    create = bridge.Twin(acreate)
    load = bridge.Twin(aload)
    get = bridge.Twin(aget)
    update = bridge.Twin(aupdate)
    delete = bridge.Twin(adelete)
    stats = bridge.Twin(astats)
    expire = bridge.Twin(aexpire)


site_sessions = SiteSessions()


def _uuids(keys: Iterable[str | UUID]) -> list[str]:
    """The sessions that keys name, each once."""
    return list(dict.fromkeys(parse_key(key).uuid for key in keys))


def _text(data: Mapping[str, JsonInput], settings: Settings) -> str:
    site.check_object(data, settings.json_depth)
    return site.data_text(data, settings.site_session_bytes)


def _edit(mode: str, data: Mapping[str, JsonInput], settings: Settings) -> site.Edit:
    if mode == "replace":
        return site.Replace(_text(data, settings))
    if mode != "merge":
        raise InvalidParams(f"There is no mode {mode!r}.", hint="Known: replace, merge.")
    site.check_object(data, settings.json_depth)
    # As it is stored: what the caller does to its object meanwhile is its own affair.
    return Merge(jsontext.loads(jsontext.dumps(data)))


def _platform(name: str, value: str) -> str:
    if not isinstance(value, str) or len(value) > site.PLATFORM_LENGTH:
        raise InvalidParams(f"{name} is text of at most {site.PLATFORM_LENGTH} characters.")
    try:
        jsontext.check(value, 0)
    except InvalidValue as error:
        raise InvalidParams(f"{name}: {error}", hint=error.advice) from error
    return value


def _duration(name: str, seconds: float) -> float:
    if not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
        raise InvalidParams(f"{name} is a number of seconds, at least 0.")
    return seconds
