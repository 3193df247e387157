"""What a site session is: its key, its life, and what an update makes of it (parity §3).

Clock, ids and limits are arguments. Data is kept as compact JSON text, so that it comes back as it was given, with its
numbers and the order of its members.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, cast
from uuid import UUID

from sessionstore_app.core import jsontext
from sessionstore_app.core.errors import InvalidKey, InvalidValue, NotFound, ValueTooLarge, VersionConflict
from sessionstore_app.core.jsontext import Json, JsonInput
from sessionstore_app.core.operations import Merge

# Characters of the names of a platform and its version.
PLATFORM_LENGTH: Final = 256
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# An update count without leading zeros, so that a key has one spelling.
_KEY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:_(0|[1-9][0-9]{0,18}))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SiteKey:
    """A key as a caller names it: the bare UUID, in lower case, and the update count of its suffix, if it has one."""

    uuid: str
    update_count: int | None = None


def parse_key(key: str | UUID) -> SiteKey:
    """Read a key, with or without its suffix. Raises InvalidKey."""
    found = _KEY.fullmatch(str(key)) if isinstance(key, str | UUID) else None
    if found is None:
        hint = "It is a UUID, with or without `_` and an update count: 09154702-d710-4db1-80dc-a6845c3c3aa4_0."
        raise InvalidKey("That is no key of a site session.", hint=hint)
    uuid, count = found.groups()
    return SiteKey(uuid.lower(), None if count is None else int(count))


def format_key(uuid: str, update_count: int) -> str:
    """`<uuid>_<update count>`."""
    return f"{uuid}_{update_count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSessionInfo:
    """A site session as it was when it was read. `text` is its data as compact JSON."""

    uuid: str
    update_count: int
    # Not in what a log may show.
    text: str = field(repr=False)
    created: datetime
    updated: datetime
    platform: str
    platform_version: str

    @property
    def key(self) -> str:
        """`<uuid>_<update count>`."""
        return format_key(self.uuid, self.update_count)

    @property
    def data(self) -> dict[str, Json]:
        """The data; a new object each time, so nobody shares it."""
        return cast("dict[str, Json]", jsontext.loads(self.text))


class SiteConflict(VersionConflict):
    """The site session is at another update count than the one that was named."""

    def __init__(self, message: str, *, hint: str, present: SiteSessionInfo) -> None:
        super().__init__(message, hint=hint)
        self._present = present

    @property
    def data(self) -> Mapping[str, object]:
        """As of every error, and at which update the session is."""
        at = {"sessionKey": self._present.key, "updateCount": self._present.update_count}
        return {**super().data, "current": at}


# --- life


def cutoff(now: datetime, seconds: float) -> datetime:
    """The latest time of an update that is `seconds` old, or older."""
    # So long ago is before any update, and what is longer has no date.
    return BEGINNING if seconds >= now.timestamp() else now - timedelta(seconds=seconds)


def is_expired(updated: datetime, now: datetime, lifetime_seconds: float) -> bool:
    """True from the instant at which a session's last update is as old as its lifetime."""
    return updated <= cutoff(now, lifetime_seconds)


def iso_second(at: datetime) -> str:
    """ISO 8601 in UTC, whole seconds, with Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- data


def check_object(data: object, max_depth: int) -> None:
    """Raise InvalidValue for what is no JSON object, or not strict JSON."""
    if not isinstance(data, dict):
        raise InvalidValue(
            "The data of a site session is a JSON object.", hint='Wrap other values in one: {"value": …}.'
        )
    jsontext.check(data, max_depth)


def data_text(data: Mapping[str, JsonInput], max_bytes: int) -> str:
    """Data as compact JSON. Raises ValueTooLarge."""
    text = jsontext.dumps(data)
    size = jsontext.size_bytes(text)
    if size > max_bytes:
        raise ValueTooLarge(
            "The data of the site session would be too large.",
            hint="It counts as compact UTF-8 JSON; store less, or use several sessions.",
            limit=max_bytes,
            actual=size,
        )
    return text


@dataclass(frozen=True, slots=True)
class Replace:
    """New data in place of the present; it is text that `data_text` made."""

    text: str


# The rule of RFC 7396; the patch is an object, so that the data stays one.
Edit: TypeAlias = Replace | Merge


# --- what happens to a session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be: `text` is data that `data_text` made."""

    uuid: str
    text: str = field(repr=False)
    platform: str
    platform_version: str


def begun(
    present: SiteSessionInfo | None, new: NewSession, now: datetime, *, lifetime_seconds: float
) -> SiteSessionInfo:
    """A new session, as of now. Raises VersionConflict where one lives under its key."""
    if present is not None and not is_expired(present.updated, now, lifetime_seconds):
        raise SiteConflict(
            "There is a site session with this key already.",
            hint="Update that one, or leave the key to the server.",
            present=present,
        )
    return SiteSessionInfo(
        uuid=new.uuid,
        update_count=0,
        text=new.text,
        created=now,
        updated=now,
        platform=new.platform,
        platform_version=new.platform_version,
    )


def edited(
    present: SiteSessionInfo | None,
    edit: Edit,
    expected: int | None,
    now: datetime,
    *,
    lifetime_seconds: float,
    max_bytes: int,
) -> SiteSessionInfo:
    """A session after an update; `expected` is the update count it must have, None for any.

    Raises NotFound for one that is not there or past its life, VersionConflict, ValueTooLarge.
    """
    if present is None or is_expired(present.updated, now, lifetime_seconds):
        raise NotFound
    if expected is not None and expected != present.update_count:
        raise SiteConflict(
            "The site session was updated meanwhile.",
            hint=f"It is {present.key} now: load it, apply the change to its data and update with that key.",
            present=present,
        )
    text = edit.text if isinstance(edit, Replace) else _merged(present, edit, max_bytes)
    return replace(present, text=text, update_count=present.update_count + 1, updated=now)


def _merged(present: SiteSessionInfo, edit: Merge, max_bytes: int) -> str:
    return data_text(cast("dict[str, Json]", edit.apply(dict(present.data))), max_bytes)
