"""Rows that are locked together and written back together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import connection
from django.db.models import Manager, Model, QuerySet

# No database takes parameters without end.
_CHUNK = 10_000

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """The items, in lists that one statement can take."""
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def overwrite(model: type[Model], rows: Iterable[Model], fields: Collection[str]) -> None:
    """Write back rows that exist and are locked, all in one statement."""
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=fields)


def lockable(manager: Manager[M], *, waits: bool = False) -> QuerySet[M]:
    """Rows that we lock, without those that others have locked, unless we wait for them: then in one order for all who
    wait. SQLite has no row locks and needs none.
    """
    skips = connection.features.has_select_for_update_skip_locked and not waits
    return manager.select_for_update(skip_locked=skips)
