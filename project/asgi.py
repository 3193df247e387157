"""The demo's ASGI application: pages by Django, the socket by sessionstore_app."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from sessionstore_app.routing import with_sessionstore  # noqa: E402  # needs the app registry

application = with_sessionstore(django_application)

# A socket's objects live long; by default Python's garbage collector looks at all of them again for every few thousand
# requests, which it has nothing to do with: they are freed when nobody refers to them.
gc.set_threshold(10_000)
