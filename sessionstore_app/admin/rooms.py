"""Rooms: which there are, and one of them as it is this second."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app.admin import dashboard, limits, roomacts, roomrules
from sessionstore_app.admin.base import LiveAdmin, answered, may
from sessionstore_app.admin.cells import bdi
from sessionstore_app.core.entries import Epoch, Tally
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.models import Membership, Room
from sessionstore_app.services import bridge, roomlist


class PeersFilter(admin.SimpleListFilter):
    """Rooms with somebody in them, and those without."""

    title = _("peers")
    parameter_name = "peers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("some", _("With peers")), ("none", _("Empty"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> QuerySet[Room]:
        inside = Membership.objects.filter(left_at=None).values("room_id")
        match self.value():
            case "some":
                return queryset.filter(id__in=inside)
            case "none":
                return queryset.exclude(id__in=inside)
        return queryset


class RoomList(ChangeList):
    """The page's rooms, with what the store of each holds: one look at the store, whatever store it is."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rooms = list(self.result_list)
        try:
            tallies = bridge.run(roomlist.tallies([(room.name, Epoch(room.epoch)) for room in rooms]))
        except Unavailable as error:
            tallies = {}
            messages.warning(request, f"{error} {error.advice}")
        for room in rooms:
            room.tally = tallies.get(room.name)
        self.result_list = rooms


@admin.register(Room)
class RoomAdmin(LiveAdmin):
    seen_with = ("view_room", "manage_room")
    object_template = "admin/sessionstore_app/room/page.html"
    list_display = ("shown_name", "type", "peers", "keys", "bytes", "version", "age")
    list_display_links = ("shown_name",)
    list_filter = (PeersFilter, roomrules.TypeFilter)
    search_fields = ("name",)
    ordering = ("name",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RoomList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        # Counted for the rows of the page alone: the database does not look at what a page leaves out.
        inside = Membership.objects.filter(room=OuterRef("pk"), left_at=None).order_by().values("room")
        counted = Subquery(inside.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
        found: QuerySet[Room] = super().get_queryset(request)
        return found.annotate(peers_now=Coalesce(counted, 0))

    # --- columns

    @admin.display(description=_("name"), ordering="name")
    def shown_name(self, room: Room) -> SafeString:
        return bdi(room.name)

    @admin.display(description=_("type"), empty_value="–")
    def type(self, room: Room) -> str | None:
        return roomrules.type_name(room.name)

    @admin.display(description=_("peers"), ordering="peers_now")
    def peers(self, room: Any) -> int:
        return int(room.peers_now)

    @admin.display(description=_("keys"), empty_value="–")
    def keys(self, room: Any) -> int | None:
        return _of(room.tally, "keys")

    @admin.display(description=_("size"), empty_value="–")
    def bytes(self, room: Any) -> str | None:
        size = _of(room.tally, "size_bytes")
        return None if size is None else filesizeformat(size)

    @admin.display(description=_("version"), empty_value="–")
    def version(self, room: Any) -> int | None:
        return _of(room.tally, "version")

    @admin.display(description=_("age"), ordering="-created_at")
    def age(self, room: Room) -> str:
        return timesince(room.created_at, depth=1)

    # --- the page of a room

    def get_urls(self) -> list[URLPattern]:
        acts = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(partial(self._act, act=act)), name=_name(name))
            for name, act in roomacts.ACTS.items()
        ]
        # The dashboard sums up all pages of the app; its figures need an address on one of them.
        figures = path("figures/", self.admin_site.admin_view(dashboard.view), name="sessionstore_app_figures")
        return [figures, *acts, *super().get_urls()]

    def object_context(self, request: HttpRequest, about: Room) -> dict[str, Any]:
        """See `LiveAdmin`: how the page's script gets there, and what it may offer."""
        manages = may(request, "manage_room")
        acts = {name: reverse(f"admin:{_name(name)}", args=[about.pk]) for name in roomacts.ACTS} if manages else {}
        return {
            "room_page": {
                "room": about.name,
                "socket": "/ws/sessionstore/",
                "acts": acts,
                "session": reverse("admin:sessionstore_app_session_change", args=["SESSION"])
                if may(request, "view_session")
                else None,
                "labels": {name: str(text) for name, text in roomacts.LABELS.items()},
                "language": request.LANGUAGE_CODE if hasattr(request, "LANGUAGE_CODE") else "en",
            },
            "manages": manages,
            "sees_values": may(request, "view_values"),
            "limits": limits.of_room(about),
            "rules": roomrules.of_room(about),
        }

    def _act(self, request: HttpRequest, object_id: str, *, act: roomacts.Act) -> HttpResponseBase:
        def run() -> Mapping[str, Any]:
            room = self.get_object(request, object_id)
            if room is None:
                raise Http404(gettext("There is no such room."))
            return act(request, room, _posted(request))

        return answered(request, ("manage_room",), run, partial(roomacts.refused, request))


def _of(tally: Tally | None, figure: str) -> int | None:
    return None if tally is None else getattr(tally, figure)


def _name(act: str) -> str:
    return f"sessionstore_app_room_{act}"


def _posted(request: HttpRequest) -> Mapping[str, str]:
    return {name: str(value) for name, value in request.POST.items()}
