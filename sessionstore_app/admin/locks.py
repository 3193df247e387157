"""Locks: who holds them, who waits, and taking one away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import display_for_value, quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import DateTimeField, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app.admin import lockacts
from sessionstore_app.admin.base import LiveAdmin, may, require
from sessionstore_app.admin.cells import bdi
from sessionstore_app.models import Lock, LockRequest
from sessionstore_app.services import questions

_LIST: Final = "admin:sessionstore_app_lock_changelist"
_PAGE: Final = "admin:sessionstore_app_lock_change"
_CHANGES: Final = ("view_lock", "change_lock")
# How many of those that wait a lock's page names.
_MOST_NAMED: Final = 100


class HeldFilter(admin.SimpleListFilter):
    """Locks that somebody holds, unless others are asked for: a free one is only kept for its sequence."""

    title = _("state")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Held")), ("no", _("Free")), ("all", _("All"))]

    def value(self) -> str:
        asked = super().value()
        return asked if asked in ("no", "all") else "yes"

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        # All are one of the choices here, not what is shown unasked.
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lock]) -> QuerySet[Lock]:
        return queryset if self.value() == "all" else queryset.filter(session__isnull=self.value() == "no")


class LockList(ChangeList):
    """The page's locks, each with how many wait for it: one question for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        links = may(request, "view_session")
        found = questions.with_waiters(self.result_list)
        for lock, waiters in found:
            shown: Any = lock
            shown.waiters, shown.links = waiters, links
        self.result_list = [lock for lock, _waiters in found]


@admin.register(Lock)
class LockAdmin(LiveAdmin):
    seen_with = ("view_lock",)
    object_template = "admin/sessionstore_app/lock/page.html"
    list_display = ("shown_name", "holder", "principal", "waiting", "since", "scope", "sequence")
    list_display_links = ("shown_name",)
    list_filter = (HeldFilter,)
    list_select_related = ("session",)
    search_fields = ("name", "session__principal")
    search_help_text = _("A part of a lock's name, or of its holder's principal.")
    ordering = ("name",)
    actions = ("release_chosen",)

    class Media:
        css: Final = {"all": ("sessionstore_app/admin/lists.css",)}

    def has_release_permission(self, request: HttpRequest) -> bool:
        return may(request, *_CHANGES)

    # --- the list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LockList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # By the clock of the database: the servers' clocks need not agree.
        locks: QuerySet[Any] = super().get_queryset(request).annotate(now=Now(output_field=DateTimeField()))
        return locks

    @admin.display(description=_("name"), ordering="name")
    def shown_name(self, lock: Lock) -> SafeString:
        return bdi(lock.name)

    @admin.display(description=_("holder"), empty_value="–")
    def holder(self, lock: Any) -> SafeString | None:
        if lock.session_id is None:
            return None
        if not lock.links:
            return bdi(lock.session_id)
        return format_html('<a href="{}">{}</a>', _session_page(lock.session_id), bdi(lock.session_id))

    @admin.display(description=_("principal"), empty_value="–")
    def principal(self, lock: Lock) -> SafeString | None:
        return bdi(lock.session.principal) if lock.session is not None else None

    @admin.display(description=_("since"), ordering="-changed_at")
    def since(self, lock: Any) -> SafeString:
        at: datetime = lock.changed_at
        exact = display_for_value(at, "")
        return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, timesince(at, lock.now))

    @admin.display(description=_("waiting"))
    def waiting(self, lock: Any) -> int:
        return int(lock.waiters)

    # --- taking away

    @admin.action(description=_("Release selected locks by force"), permissions=["release"])
    def release_chosen(self, request: HttpRequest, queryset: QuerySet[Lock]) -> HttpResponse | None:
        """Ask, then release those that are as they were shown."""
        if "post" in request.POST:
            lockacts.release(request, lockacts.read(request.POST.getlist("hold")))
            return None
        chosen = Lock.objects.filter(pk__in=queryset.order_by().values("pk"))
        return self._ask(
            request,
            chosen,
            {
                "checkbox": ACTION_CHECKBOX_NAME,
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME)[:1],
                "back": reverse(_LIST),
            },
        )

    def _ask(
        self, request: HttpRequest, rows: QuerySet[Lock], context: dict[str, Any], lock: Lock | None = None
    ) -> HttpResponse | None:
        held = lockacts.with_next(rows)
        if not held:
            messages.warning(request, gettext("Nobody holds it: there is nothing to release."))
            return None
        if len(held) > lockacts.MOST:
            messages.error(request, gettext("At most %d locks are released at once.") % lockacts.MOST)
            return None
        shown = {"title": gettext("Release by force"), "held": held, **context}
        return self.page(request, "admin/sessionstore_app/lock/release.html", lock, shown)

    # --- the page of one

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._release)
        return [
            path("<path:object_id>/release/", view, name="sessionstore_app_lock_release"),
            *super().get_urls(),
        ]

    def object_context(self, request: HttpRequest, about: Any) -> dict[str, Any]:
        """See `LiveAdmin`: who holds the lock, and who waits for it in which order."""
        queue = LockRequest.objects.filter(lock=about).order_by("id")
        named = list(queue.select_related("session")[: _MOST_NAMED + 1])
        waiters = len(named) if len(named) <= _MOST_NAMED else queue.count()
        return {
            "held_for": timesince(about.changed_at, about.now),
            "queue": [(request, timesince(request.requested_at, about.now)) for request in named[:_MOST_NAMED]],
            "waiters": waiters,
            "more": max(waiters - _MOST_NAMED, 0),
            "sees_sessions": may(request, "view_session"),
            "releases": about.session_id is not None and self.has_release_permission(request),
        }

    def _release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        require(request, *_CHANGES)
        lock = self.get_object(request, unquote(object_id))
        if lock is None:
            messages.warning(request, gettext("There is no such lock any more: nobody holds it."))
            return redirect(_LIST)
        back = reverse(_PAGE, args=[quote(lock.pk)])
        if request.method != "POST":
            asked = self._ask(request, Lock.objects.filter(pk=lock.pk), {"back": back}, lock)
            return asked or redirect(back)
        holds = lockacts.read(request.POST.getlist("hold"))
        lockacts.release(request, [hold for hold in holds if hold.lock_id == lock.pk])
        return redirect(back)


def _session_page(session_id: str) -> str:
    return reverse("admin:sessionstore_app_session_change", args=[quote(session_id)])
