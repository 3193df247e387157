"""Where the socket is, and one line for `asgi.py`."""

from __future__ import annotations

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from sessionstore_app.consumers import SessionStoreConsumer

websocket_urlpatterns = [path("ws/sessionstore/", SessionStoreConsumer.as_asgi())]


def with_sessionstore(django_application: Any) -> ProtocolTypeRouter:
    """An ASGI application that serves pages by `django_application` and the socket by this app.

    For a project that has no other consumers; one that has puts `websocket_urlpatterns` into its own `URLRouter`.
    """
    return ProtocolTypeRouter({"http": django_application, "websocket": URLRouter(websocket_urlpatterns)})
