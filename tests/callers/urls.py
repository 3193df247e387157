"""Views that call the Python API, and their addresses."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from sessionstore_app import rooms
from tests.callers import calls


@csrf_exempt
async def from_async_view(request: HttpRequest, rounds: int, caller: str) -> JsonResponse:
    """Call from here."""
    await calls.amake(rounds, caller)
    return JsonResponse({})


@csrf_exempt
def from_signal(request: HttpRequest, rounds: int, caller: str) -> JsonResponse:
    """Call from a receiver, inside a transaction."""
    with transaction.atomic():
        Group.objects.create(name=f"{rounds} {caller}")
    return JsonResponse({})


async def done(request: HttpRequest, caller: str) -> JsonResponse:
    """How many rounds a caller has done."""
    return JsonResponse({"rounds": await rooms.aget(f"calls/{caller}", calls.DONE)})


async def held(request: HttpRequest) -> JsonResponse:
    """What the server holds now."""
    return JsonResponse(await calls.aheld())


urlpatterns = [
    path("async/<int:rounds>/<str:caller>/", from_async_view),
    path("signal/<int:rounds>/<str:caller>/", from_signal),
    path("done/<str:caller>/", done),
    path("held/", held),
    path("sessionstore/", include("sessionstore_app.urls")),
]
