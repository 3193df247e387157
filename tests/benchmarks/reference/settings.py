"""The least that Django and Channels need; every further middleware would only make the reference slower."""

from __future__ import annotations

import json
import os

SECRET_KEY = "the reference signs nothing"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
INSTALLED_APPS = ["channels"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
IN_MEMORY = '{"BACKEND": "channels.layers.InMemoryChannelLayer"}'
CHANNEL_LAYERS = {"default": json.loads(os.environ.get("CHANNEL_LAYER_JSON", IN_MEMORY))}
