"""Settings of the demo project. What differs between machines is read from the environment."""

import warnings
from pathlib import Path
from typing import Any

import dj_database_url
from environs import Env

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", True)
# The demo must start without preparation; a deployment brings its own key.
SECRET_KEY = env.str("SECRET_KEY", "demo-only-key-never-use-it-where-others-can-reach")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "sessionstore_app",
    "project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

_database = dj_database_url.parse(env.str("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))
if _database["ENGINE"].endswith("sqlite3"):
    _database.setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=5,
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    )
    # Server, tests and the writer thread see the same rows: a file, not a database inside one connection.
    _database["TEST"] = {"NAME": env.str("TEST_DATABASE", str(BASE_DIR / "db.sqlite3.test"))}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_layer: dict[str, Any] = {"BACKEND": env.str("CHANNEL_LAYER", "channels.layers.InMemoryChannelLayer")}
_cache: dict[str, Any] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
# Set: entries, channel layer and cache are in Redis, for any number of server processes.
REDIS_URL = env.str("REDIS_URL", "")
if REDIS_URL:
    _layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    _cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {"default": _layer}
CACHES: dict[str, dict[str, Any]] = {"default": _cache}
_entries: dict[str, Any] = {"BACKEND": "sessionstore_app.backends.redis.RedisBackend", "OPTIONS": {"url": REDIS_URL}}

_changes = env.json("SESSIONSTORE_JSON", {})
SESSIONSTORE: dict[str, Any] = {
    "ALLOW_ANONYMOUS": True,
    "POLICY": "project.policy.MeetingPolicy",
    # What the people of a meeting say of themselves, and what their host says of them.
    "SELF_PROPERTIES": ["name"],
    "PUBLIC_PROPERTIES": ["name", "muted", "$ClientType", "$Roles"],
    **({"BACKENDS": {"default": _entries}} if REDIS_URL else {}),
    **(_changes if isinstance(_changes, dict) else {}),
}

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Serve straight from the apps' folders: no collectstatic before the first page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SAMESITE = "Lax"

# WhiteNoise hands files to ASGI servers through a thread, which Django remarks on for each place it happens.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"sessionstore_app": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")}},
}
