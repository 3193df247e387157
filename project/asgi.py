"""The demo's ASGI application: pages by Django, the socket by sessionstore_app."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from sessionstore_app.routing import with_sessionstore  # noqa: E402  # needs the app registry

application = with_sessionstore(django_application)
