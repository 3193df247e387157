"""Databases beside the test runner's own, known to Django only while a test needs them, in no test transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dj_database_url
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from sessionstore_app import models


@contextmanager
def alias_for(name: str, url: str, **options: Any) -> Iterator[str]:
    """A database of this URL under an alias of this name, with the demo's options where it is SQLite."""
    spec: dict[str, Any] = dict(dj_database_url.parse(url))
    if spec["ENGINE"].endswith("sqlite3"):
        spec["OPTIONS"] = {**settings.DATABASES["default"].get("OPTIONS", {}), **options}
    connections.settings[name] = connections.configure_settings({"default": spec})["default"]
    try:
        yield name
    finally:
        connections[name].close()
        del connections[name]
        del connections.settings[name]


def migrate(alias: str) -> None:
    """Create all tables."""
    call_command("migrate", database=alias, verbosity=0)


def empty(alias: str) -> None:
    """Delete every room, and what the database backend holds."""
    for model in (models.Space, models.Room):
        model._default_manager.using(alias).all().delete()


@contextmanager
def cut_off(url: str) -> Iterator[None]:
    """A PostgreSQL database that has dropped every connection and takes no new one."""
    database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, dbname="template1", autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(str(database)), sql.SQL("false")))
        try:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(str(database)), sql.SQL("true")))
