"""Sessions: who is there, found by the filter language, and what can be done to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sessionstore_app.admin import sessionpage
from sessionstore_app.admin.base import LiveAdmin, may, tell_failure
from sessionstore_app.admin.cells import bdi
from sessionstore_app.admin.sessionacts import ACTS, CloseForm, MessageForm, PropertyForm, RolesForm
from sessionstore_app.admin.sessionfilter import FILTER, SHOW, STATE, StateFilter, asked_for, default_keys, named_keys
from sessionstore_app.admin.sessionsteering import is_session_id, steer
from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.core.properties import select
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services import directory
from sessionstore_app.services.directory import Leaf
from sessionstore_app.services.properties import properties_of

# What a cell shows of many.
_ROOMS: Final = 3
_PROPERTIES: Final = 6
# What a filter may look at, and what the cells are made of.
_COLUMNS: Final = ("id", "state", "principal", "roles", "properties", "node_id", "opened_at", "expires_at")


class SessionList(ChangeList):
    """The sessions that the filter finds, as `directory` finds them, with the rooms of those on the page."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.asked = asked_for(request)
        self.default_keys = sorted(default_keys(self.asked))
        self.keys = named_keys(request) or frozenset(self.default_keys)
        self.show_text = request.GET.get(SHOW, "")
        super().__init__(request, *args, **kwargs)
        # What the box leaves as it is, when it is sent.
        self.kept = {name: value for name, value in self.params.items() if name not in (FILTER, SHOW)}

    def get_filters_params(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)  # type: ignore[arg-type]  # the stubs want a dict of lists
        return {name: value for name, value in found.items() if name not in (FILTER, SHOW)}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Session]:
        found: QuerySet[Session] = super().get_queryset(request, exclude_parameters)
        if self.asked.interest is None:
            return found.none()
        if request.method != "POST":
            return found
        # An action of the project's own takes the query for what was found.
        try:
            return directory.exactly(self.asked.interest, found)
        except LimitExceeded as error:
            tell_failure(request, error)
            return found.none()

    def get_results(self, request: HttpRequest) -> None:
        found = self._found(request)
        rooms = directory.rooms_of([session.id for session in found.sessions])
        rows: list[Any] = found.sessions
        for row in rows:
            row.rooms_now = sorted(rooms.get(row.id, ()))
            row.shown = select(properties_of(row), self.keys)
        self.page_num = found.number
        self.paginator = Paginator(rows, self.list_per_page)
        self.paginator.count = found.total
        self.result_list = rows
        self.result_count, self.full_result_count = found.total, None
        self.show_full_result_count = self.can_show_all = False
        self.multi_page = found.total > self.list_per_page
        self.show_admin_actions = found.total > 0

    def _found(self, request: HttpRequest) -> Leaf:
        if self.asked.interest is None:
            return Leaf([], 1, 0)
        try:
            return directory.leaf(self.asked.interest, self.queryset.only(*_COLUMNS), self.page_num, self.list_per_page)
        except LimitExceeded as error:
            tell_failure(request, error)
            return Leaf([], 1, 0)


@admin.register(Session)
class SessionAdmin(LiveAdmin):
    seen_with = ("view_session",)
    object_template = "admin/sessionstore_app/session/page.html"
    list_display = ("shown_id", "shown_state", "shown_principal", "node", "rooms", "opened_at", "shown_properties")
    list_display_links = ("shown_id",)
    list_filter = (StateFilter,)
    # Of the primary key, which an index serves.
    ordering = ("id",)
    actions = tuple(ACTS)

    class Media:
        css: Final = {"all": ["sessionstore_app/admin/session.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SessionList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Session | None:
        found: Session | None = super().get_object(request, object_id, from_field) if is_session_id(object_id) else None
        return found

    def object_context(self, request: HttpRequest, about: Session) -> dict[str, Any]:
        """See `LiveAdmin`."""
        return sessionpage.context_of(request, about)

    # --- acts

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """The list; or, where one of our acts is asked for, what `steer` answers: it needs no list to be made."""
        name = request.POST.get("action", "")
        if request.method == "POST" and name in ACTS:
            return steer(self, request, name)
        return super().changelist_view(request, dict(extra_context or {}))

    def has_modify_permission(self, request: HttpRequest) -> bool:
        """Are acts that change sessions offered in the list?"""
        return _has_open(request) and may(request, "view_session", CloseForm.permission)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Are messages?"""
        return _has_open(request) and may(request, "view_session", MessageForm.permission)

    @admin.action(permissions=["modify"], description=CloseForm.label)
    def close_sessions(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse:
        return steer(self, request, "close_sessions")

    @admin.action(permissions=["modify"], description=RolesForm.label)
    def change_roles(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse:
        return steer(self, request, "change_roles")

    @admin.action(permissions=["modify"], description=PropertyForm.label)
    def set_property(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse:
        return steer(self, request, "set_property")

    @admin.action(permissions=["send"], description=MessageForm.label)
    def send_message(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse:
        return steer(self, request, "send_message")

    # --- columns

    @admin.display(description=_("session"), ordering="id")
    def shown_id(self, session: Session) -> SafeString:
        return bdi(session.id)

    @admin.display(description=_("state"))
    def shown_state(self, session: Session) -> SafeString:
        label = SessionState(session.state).label
        return format_html('<span class="session-state" data-state="{}">{}</span>', session.state, label)

    @admin.display(description=_("principal"), ordering="principal", empty_value="–")
    def shown_principal(self, session: Session) -> SafeString | None:
        return bdi(session.principal) if session.principal else None

    @admin.display(description=_("node"), ordering="node_id", empty_value="–")
    def node(self, session: Session) -> SafeString | None:
        return bdi(session.node_id) if session.node_id else None

    @admin.display(description=_("rooms"), empty_value="–")
    def rooms(self, session: Any) -> SafeString | None:
        return _some([bdi(name) for name in session.rooms_now], _ROOMS, ", ")

    @admin.display(description=_("properties"), empty_value="–")
    def shown_properties(self, session: Any) -> SafeString | None:
        shown = [
            format_html('<span class="session-property">{}: {}</span>', bdi(key), bdi(value))
            for key, value in session.shown.items()
        ]
        return _some(shown, _PROPERTIES, " ")


def _some(parts: list[SafeString], most: int, between: str) -> SafeString | None:
    """The first parts, and how many more there are."""
    if not parts:
        return None
    first: Iterable[tuple[SafeString]] = ((part,) for part in parts[:most])
    text = format_html_join(between, "{}", first)
    return format_html("{} +{}", text, len(parts) - most) if len(parts) > most else text


def _has_open(request: HttpRequest) -> bool:
    """Is there anything in the list to act on?"""
    return request.GET.get(STATE) != SessionState.CLOSED
