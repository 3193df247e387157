"""Views of a project that write rooms and sessions inside transactions, and their addresses."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from sessionstore_app import rooms, sessions


@csrf_exempt
def write(request: HttpRequest, room: str, ends: str) -> HttpResponse:
    """Write by the Python API; the request's transaction ends as the address says, or only a part of it does."""
    with transaction.atomic():
        rooms.set(room, "k", ends)
        rooms.write(room, [{"key": "a", "value": 1}, {"key": "b", "value": 2}])
        rooms.broadcast(room, "said", ends)
        for session_id in request.GET.getlist("session"):
            sessions.set_properties({"team": ends}, session_id=session_id)
        if ends == "savepoint":
            transaction.set_rollback(True)
    seen = rooms.get(room, "k")
    if ends == "rollback":
        transaction.set_rollback(True)
    return HttpResponse(str(seen))


@csrf_exempt
@transaction.non_atomic_requests
async def awrite(request: HttpRequest, room: str) -> HttpResponse:
    """Write from an async view, which is in no transaction."""
    entry = await rooms.aset(room, "k", "async")
    return HttpResponse(str(entry.version))


urlpatterns = [
    path("write/<path:room>/<str:ends>/", write),
    path("awrite/<path:room>/", awrite),
    path("sessionstore/", include("sessionstore_app.urls")),
]
