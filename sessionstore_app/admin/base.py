"""What all admin pages have in common: services do what is done, permissions decide what is there, and the admin's log
says who did it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from sessionstore_app.core.entries import Author
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.models import Room

logger = logging.getLogger("sessionstore_app")

_APP = Room._meta.app_label


def may(request: HttpRequest, *permissions: str) -> bool:
    """Does the staff user hold all of these permissions of the app?"""
    return all(request.user.has_perm(f"{_APP}.{permission}") for permission in permissions)


def require(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the staff user holds them."""
    if not may(request, *permissions):
        raise PermissionDenied


def author(request: HttpRequest) -> Author:
    """Who writes, where a staff user does: a principal without a session."""
    return Author(None, request.user.get_username())


def log(request: HttpRequest, about: Model, message: str, flag: int = CHANGE) -> None:
    """Say in the admin's log what was done to an object."""
    log_all(request, [about], message, flag)


def log_all(request: HttpRequest, about: list[Any], message: str, flag: int = CHANGE) -> None:
    """Say it of each of several objects."""
    if about and request.user.pk is not None:
        LogEntry.objects.log_actions(
            user_id=request.user.pk,
            queryset=about,
            action_flag=flag,
            change_message=message,
        )


def tell_failure(request: HttpRequest, error: SessionStoreError) -> None:
    """Show a refusal above the page: what was refused, and what helps."""
    messages.error(request, " ".join(part for part in (str(error), error.advice) if part))


class LiveAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Rows that services change, never a form: nothing is added, saved or deleted behind their back."""

    list_per_page = 100
    # The number of all rows is one more query, and says little beside the number of those found.
    show_full_result_count = False
    # Nor are those of each filter: they are one query each.
    show_facets = admin.ShowFacets.NEVER
    # Whoever holds one of these sees the pages.
    seen_with: ClassVar[tuple[str, ...]] = ()
    object_template = ""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return any(may(request, permission) for permission in self.seen_with)

    def has_add_permission(self, request: HttpRequest, *_: object) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of an object: what is known of it, and what can be done to it."""
        about = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, about):
            raise PermissionDenied
        if about is None:
            # Back to the list, with a word that it is gone.
            return super().change_view(request, object_id, form_url, dict(extra_context or {}))
        return self.page(request, self.object_template, about, self.object_context(request, about))

    def object_context(self, request: HttpRequest, about: Any) -> dict[str, Any]:
        """What the template of an object's page is given beside the admin's own."""
        return {}

    def page(
        self, request: HttpRequest, template: str, about: Model | None = None, context: Mapping[str, Any] | None = None
    ) -> TemplateResponse:
        """A page in the admin's frame."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": str(about) if about is not None else self.opts.verbose_name_plural,
                "original": about,
                "media": self.media,
                **(context or {}),
            },
        )


def answered(
    request: HttpRequest,
    permissions: tuple[str, ...],
    act: Callable[[], Mapping[str, Any]],
    more: Callable[[SessionStoreError], Mapping[str, Any]] = lambda _: {},
) -> HttpResponseBase:
    """What a page's script asked to be done: its `result` as JSON, or the `error` with why it was refused, what helps,
    and `more`. A refusal is an answer like another: only who may not ask at all gets another status.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may(request, *permissions):
        names = ", ".join(permissions)
        refused = {"reason": "ACCESS_DENIED", "message": _("You may not do that."), "hint": names}
        return JsonResponse({"error": refused}, status=403)
    try:
        return JsonResponse({"result": act()})
    except SessionStoreError as error:
        return JsonResponse({"error": {**refusal(error), **more(error)}})


def refusal(error: SessionStoreError) -> dict[str, Any]:
    """A refusal as pages' scripts read it."""
    return {**error.data, "reason": error.reason, "message": str(error)}
