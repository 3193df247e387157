"""What can be asked of site sessions: plain functions, each run by `siterows.ask` or `siterows.look` in a thread.

Through a cache the database decides all the same: it is always asked which sessions there are, at which update and how
old. Only their data may come from the cache.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Func, IntegerField, Q
from django.db.models.functions import Now

from sessionstore_app import conf
from sessionstore_app.core import site
from sessionstore_app.core.site import SiteSessionInfo
from sessionstore_app.models import SiteSession
from sessionstore_app.services import sitecache
from sessionstore_app.services.rows import chunks
from sessionstore_app.services.siterows import FIELDS, clock, info_of


def load(connection: BaseDatabaseWrapper, uuids: Collection[str], lifetime_seconds: float) -> list[SiteSessionInfo]:
    """Those of the sessions that there are and that are within their life."""
    cache = sitecache.current()
    # What a transaction reads may be its own, and rolled back.
    if cache is None or connection.in_atomic_block:
        return _read(connection, uuids, lifetime_seconds)
    heads = _read(connection, uuids, lifetime_seconds, with_data=False)
    found = cache.fill(heads)
    missed = {head.uuid for head in heads} - {info.uuid for info in found}
    # Whole: they may have been updated in between.
    read = _read(connection, missed, lifetime_seconds)
    cache.keep(read)
    return found + read


def _read(
    connection: BaseDatabaseWrapper, uuids: Collection[str], lifetime_seconds: float, *, with_data: bool = True
) -> list[SiteSessionInfo]:
    """What the database has; without data its `text` is empty."""
    fields = FIELDS if with_data else FIELDS[:-1]
    found = []
    for some in chunks(uuids):
        rows = SiteSession.objects.using(connection.alias).filter(pk__in=some).values_list(*fields, Now())
        read = [(info_of(row), now) for *row, now in rows]
        found += [info for info, now in read if not site.is_expired(info.updated, now, lifetime_seconds)]
    return found


def count(connection: BaseDatabaseWrapper, seconds: float) -> tuple[int, int]:
    """How many sessions were updated within so many seconds, and how many there are."""
    after = site.cutoff(clock(connection), seconds)
    active = Count("pk", filter=Q(updated_at__gt=after))
    found = SiteSession.objects.using(connection.alias).aggregate(active=active, total=Count("pk"))
    return found["active"], found["total"]


def count_until(connection: BaseDatabaseWrapper, until: datetime) -> int:
    """How many sessions were last updated then or before."""
    return SiteSession.objects.using(connection.alias).filter(updated_at__lte=until).count()


class _Bytes(Func):
    """How long a text is in UTF-8, without its being sent."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, Any]:
        # OCTET_LENGTH is there since 3.43 only.
        return super().as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))")


def sizes(ids: Collection[UUID]) -> dict[UUID, int]:
    """Bytes of the data of these sessions, asked on the calling thread's connection."""
    return dict(SiteSession.objects.filter(pk__in=ids).values_list("pk", _Bytes("data")))


def now() -> datetime:
    """The time by which sessions live and end, asked on the calling thread's connection."""
    return clock(connections[conf.current().site_session_database])
