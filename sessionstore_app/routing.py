"""Where the socket is, and one line for `asgi.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from sessionstore_app.consumers import Receive, Send, SessionStoreConsumer
from sessionstore_app.services import presence

websocket_urlpatterns = [path("ws/sessionstore/", SessionStoreConsumer.as_asgi())]


def with_sessionstore(django_application: Any) -> ProtocolTypeRouter:
    """An ASGI application that serves pages by `django_application` and the socket by this app.

    For a project that has no other consumers; one that has puts `websocket_urlpatterns` into its own `URLRouter`.
    """
    return ProtocolTypeRouter(
        {"http": django_application, "websocket": URLRouter(websocket_urlpatterns), "lifespan": _lifespan}
    )


async def _lifespan(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Give the lease back when the server stops in order; servers without lifespan leave it to run out."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.shutdown":
            await presence.stop_hub()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
