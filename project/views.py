"""The pages of the demo project: a door, the meeting behind it, and what each role may do there.

They are static but for the meeting's name: everything live comes from the room store over the WebSocket.
"""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView

from project.rightstable import RightsTable, rights_table
from project.rooms import Meeting
from project.rooms_demo import NAME_LENGTH, canonical_name
from sessionstore_app.core.definitions import define


class DoorView(TemplateView):
    """Asks who comes in, and into which meeting."""

    template_name = "meeting/door.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        room = canonical_name(self.request.GET.get("room", ""))
        return super().get_context_data(room=room, name_length=NAME_LENGTH, **kwargs)


class MeetingView(TemplateView):
    """The meeting page of one room."""

    template_name = "meeting/meeting.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        room = kwargs["room"]
        name = canonical_name(room)
        if not name:
            raise Http404("No meeting can have this name.")
        if name != room:
            return redirect("meeting", room=name)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(has_inspector=settings.DEBUG, rights=_rights(), **kwargs)


class RightsView(TemplateView):
    """What each role may do in a meeting."""

    template_name = "meeting/roles.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(rights=_rights(), **kwargs)


def _rights() -> RightsTable:
    definition, _ = define(Meeting)
    return rights_table(definition)
