"""Site sessions: durable data under a key, found, looked into, changed and ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import display_for_value, quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.admin import siteacts, sitelist
from sessionstore_app.admin.base import LiveAdmin, may, require, tell_failure
from sessionstore_app.admin.cells import bdi
from sessionstore_app.core import jsontext
from sessionstore_app.core.errors import NotFound, SessionStoreError, Unavailable, VersionConflict
from sessionstore_app.models import SiteSession
from sessionstore_app.services import sitereads

_LIST: Final = "admin:sessionstore_app_sitesession_changelist"
_PAGE: Final = "admin:sessionstore_app_sitesession_change"
_CHANGES: Final = ("view_sitesession", "change_sitesession")
# The status of a page that refuses, by the reason.
_STATUS: Final = {
    VersionConflict.reason: HTTPStatus.CONFLICT,
    NotFound.reason: HTTPStatus.GONE,
    Unavailable.reason: HTTPStatus.SERVICE_UNAVAILABLE,
}
# What one may do to a session's life: what the admin's log says of it.
_ENDINGS: Final = {"delete": "Deleted.", "expire": "Expired before its time."}


@admin.register(SiteSession)
class SiteSessionAdmin(LiveAdmin):
    seen_with = ("view_sitesession",)
    object_template = "admin/sessionstore_app/sitesession/page.html"
    list_display = ("key", "age", "shown_expiry", "updates", "shown_platform", "size", "created_at")
    list_display_links = ("key",)
    list_filter = (sitelist.LifeFilter,)
    # Named, so that there is a search box; see `get_search_results`.
    search_fields = ("id",)
    search_help_text = _("A key, with or without the count of updates at its end.")
    ordering = ("-updated_at",)
    # What has no index is not sorted: there may be a hundred thousand.
    sortable_by = ("age",)
    actions = ("delete_chosen",)

    class Media:
        css: Final = {"all": ("sessionstore_app/admin/lists.css",)}

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return may(request, *_CHANGES)

    # --- the list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return sitelist.SiteSessionList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return sitelist.found(request, queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), "changes": self.has_steer_permission(request)}
        try:
            return super().changelist_view(request, context)
        except ValidationError:
            # Chosen was what is no id, and so on no page.
            messages.warning(request, gettext("There are no such site sessions."))
            return redirect(_LIST)

    @admin.display(description=_("key"))
    def key(self, row: SiteSession) -> SafeString:
        return format_html('<code class="key">{}</code>', row)

    @admin.display(description=_("updates"))
    def updates(self, row: SiteSession) -> int:
        return row.update_count

    @admin.display(description=_("platform"))
    def shown_platform(self, row: SiteSession) -> SafeString:
        return bdi(f"{row.platform} {row.platform_version}".strip() or "–")

    @admin.display(description=_("age"), ordering="-updated_at")
    def age(self, row: Any) -> SafeString:
        # A row for each of a hundred: a date that the next column implies is not worth its formatting.
        at: datetime = row.updated_at
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), timesince(at, row.now, depth=1))

    @admin.display(description=_("expires"))
    def shown_expiry(self, row: Any) -> str:
        at = sitelist.expires(row.updated_at)
        if at is None:
            return gettext("never")
        if sitelist.is_past(row.updated_at, row.now):
            return _time(at, format_html('<strong class="lapsed">{}</strong>', _("past its life")))
        return _time(at, gettext("in %s") % timeuntil(at, row.now, depth=1))

    @admin.display(description=_("size"), empty_value="–")
    def size(self, row: Any) -> str | None:
        return None if row.size is None else filesizeformat(row.size)

    # --- many at once

    @admin.action(description=_("Delete selected site sessions"), permissions=["steer"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[SiteSession]) -> HttpResponse | None:
        """Ask, then delete. Of all that the list finds, only what was last updated before it was asked."""
        is_all = request.POST.get("select_across") == "1"
        if "post" not in request.POST:
            return self._ask(request, queryset, sitereads.now() if is_all else None)
        if is_all:
            until = _moment(request.POST.get("until", ""))
            if until is None:
                messages.error(request, gettext("Nothing was deleted: please confirm it on the page that asks."))
                return None
            queryset = queryset.filter(updated_at__lte=until)
        # Read before anything is deleted: a list that is read while it shrinks skips some.
        found = list(queryset.order_by("updated_at", "pk").values_list("pk", "update_count"))
        try:
            deleted = siteacts.delete_all(request, found)
        except SessionStoreError as error:
            tell_failure(request, error)
            return None
        told = ngettext("%d site session was deleted.", "%d site sessions were deleted.", deleted) % deleted
        messages.success(request, told)
        return None

    def _ask(self, request: HttpRequest, queryset: QuerySet[SiteSession], until: datetime | None) -> HttpResponse:
        if until is not None:
            queryset = queryset.filter(updated_at__lte=until)
        shown = list(queryset[: self.list_per_page])
        count = len(shown) if until is None else queryset.count()
        return self.page(
            request,
            "admin/sessionstore_app/sitesession/confirm.html",
            None,
            {
                "title": gettext("Delete site sessions"),
                "count": count,
                "shown": shown,
                "until": None if until is None else until.isoformat(),
                "checkbox": ACTION_CHECKBOX_NAME,
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME)[: 1 if until else None],
                "action": "delete_chosen",
            },
        )

    def _sweep(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        require(request, *_CHANGES)
        try:
            removed = siteacts.sweep(request)
        except SessionStoreError as error:
            tell_failure(request, error)
        else:
            told = ngettext(
                "%d site session past its life was removed.", "%d site sessions past their life were removed.", removed
            )
            messages.success(request, told % removed)
        return redirect(_LIST)

    # --- the page of one

    def get_urls(self) -> list[URLPattern]:
        views = [
            path("sweep/", self.admin_site.admin_view(self._sweep), name="sessionstore_app_sitesession_sweep"),
            path(
                "<path:object_id>/expire/",
                self.admin_site.admin_view(partial(self._end, how="expire")),
                name="sessionstore_app_sitesession_expire",
            ),
        ]
        return [*views, *super().get_urls()]

    def object_context(self, request: HttpRequest, about: SiteSession) -> dict[str, Any]:
        """See `LiveAdmin`: the session as it is stored, and the form as it would change that."""
        now, settings = sitereads.now(), conf.current()
        is_past = sitelist.is_past(about.updated_at, now)
        return {
            "stored": siteacts.indented(about.data),
            "size": jsontext.size_bytes(about.data),
            "age": timesince(about.updated_at, now),
            "expires": sitelist.expires(about.updated_at),
            "is_past": is_past,
            "changes": may(request, *_CHANGES),
            "text": siteacts.indented(about.data),
            "mode": "replace",
            "json_depth": settings.json_depth,
            "most_bytes": settings.site_session_bytes,
        }

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "POST":
            return super().change_view(request, object_id, form_url, extra_context)
        require(request, *_CHANGES)
        typed = siteacts.typed(request.POST.dict())
        session = self.get_object(request, unquote(object_id))
        if session is None:
            return self._refused(request, session, typed, NotFound())
        try:
            info = siteacts.update(request, session, typed)
        except SessionStoreError as error:
            return self._refused(request, self.get_object(request, unquote(object_id)), typed, error)
        messages.success(request, gettext("Saved: it is update %d now.") % info.update_count)
        return redirect(_PAGE, quote(session.pk))

    def _refused(
        self, request: HttpRequest, session: SiteSession | None, typed: siteacts.Typed, error: SessionStoreError
    ) -> HttpResponse:
        """The page again, with what was typed and why it was not saved; beside it, what is stored now."""
        known = {} if session is None else self.object_context(request, session)
        refused = {
            "text": typed.text,
            "mode": typed.mode,
            "fault": error,
            "reason": error.reason,
            "figures": siteacts.held(error),
            "opts": self.opts,
        }
        template = self.object_template if session else "admin/sessionstore_app/sitesession/gone.html"
        page = self.page(request, template, session, {**known, **refused})
        page.status_code = _STATUS.get(error.reason, HTTPStatus.BAD_REQUEST)
        return page

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._end(request, object_id, how="delete")

    def _end(self, request: HttpRequest, object_id: str, *, how: str) -> HttpResponse:
        """Ask, then remove it."""
        require(request, *_CHANGES)
        session = self.get_object(request, unquote(object_id))
        if session is None:
            messages.warning(request, gettext("There is no such site session any more."))
            return redirect(_LIST)
        if request.method != "POST":
            context = {**self.object_context(request, session), "how": how}
            return self.page(request, "admin/sessionstore_app/sitesession/end.html", session, context)
        try:
            is_ended = siteacts.end(request, session, _ENDINGS[how])
        except SessionStoreError as error:
            tell_failure(request, error)
            return redirect(_PAGE, quote(session.pk))
        if is_ended:
            messages.success(request, gettext("The site session %s is gone.") % session)
        else:
            messages.warning(request, gettext("The site session %s was gone already.") % session)
        return redirect(_LIST)


def _time(at: datetime, shown: str) -> SafeString:
    exact = display_for_value(at, "")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, shown)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
