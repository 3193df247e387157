"""The list of site sessions: of any number of rows it reads one page, by an index, and never their data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.core import site
from sessionstore_app.core.errors import InvalidKey
from sessionstore_app.models import SiteSession
from sessionstore_app.services import sitereads


class LifeFilter(admin.SimpleListFilter):
    """Sessions within their life, and those that only wait to be removed."""

    title = _("life")
    parameter_name = "life"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("living", _("Living")), ("past", _("Past their life"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SiteSession]) -> QuerySet[SiteSession]:
        if self.value() not in ("living", "past"):
            return queryset
        ended = site.cutoff(sitereads.now(), conf.current().site_session_lifetime_seconds)
        return queryset.filter(**{"updated_at__gt" if self.value() == "living" else "updated_at__lte": ended})


class SiteSessionList(ChangeList):
    """The page's rows, each with the size of its data and with the time it is now: two questions for all of them."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer("data")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        # Beside the rows, not among their columns: what the database sorts must not drag the data along.
        sizes = sitereads.sizes([row.pk for row in rows]) if rows else {}
        now = sitereads.now()
        for row in rows:
            row.now, row.size = now, sizes.get(row.pk)
        self.result_list = rows


def found(request: HttpRequest, rows: QuerySet[SiteSession], key: str) -> QuerySet[SiteSession]:
    """The session of a key, with or without its suffix. What is no key finds none, and it is said why."""
    if not key.strip():
        return rows
    try:
        return rows.filter(pk=site.parse_key(key.strip()).uuid)
    except InvalidKey as error:
        messages.warning(request, f"{error} {error.advice}")
        return rows.none()


def expires(updated: datetime) -> datetime | None:
    """When a session's life ends if nobody updates it; None where that is beyond all dates."""
    try:
        return updated + timedelta(seconds=conf.current().site_session_lifetime_seconds)
    except OverflowError:
        return None


def is_past(updated: datetime, now: datetime) -> bool:
    """Is a session past its life?"""
    return site.is_expired(updated, now, conf.current().site_session_lifetime_seconds)
