"""Views that log people in and change them, and their addresses."""

from __future__ import annotations

import json

from django.contrib import auth
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.people.models import Boss, Person


@csrf_exempt
def log_in(request: HttpRequest) -> JsonResponse:
    """Log a new person in."""
    person = Person.objects.create_user(**json.loads(request.body))
    auth.login(request, person, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    return JsonResponse({"key": request.session.session_key})


@csrf_exempt
def change(request: HttpRequest, address: str) -> JsonResponse:
    """Change a person, under the other name."""
    person = Boss.objects.get(address=address)
    for name, value in json.loads(request.body).items():
        setattr(person, name, value)
    person.save()
    return JsonResponse({})


@csrf_exempt
def delete(request: HttpRequest, address: str) -> JsonResponse:
    """Delete a person."""
    Person.objects.get(address=address).delete()
    return JsonResponse({})


urlpatterns = [
    path("log_in/", log_in),
    path("change/<str:address>/", change),
    path("delete/<str:address>/", delete),
]
