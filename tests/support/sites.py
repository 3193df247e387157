"""Databases for tests of site sessions, real files and servers; and what such tests do to rows and with threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from sessionstore_app.models import SiteSession
from sessionstore_app.services import siterows
from tests.support.aliases import alias_for, migrate
from tests.support.postgres import temporary_postgres

T = TypeVar("T")

ALIAS = "sites"
LIMIT_SECONDS = 30


# --- fixtures, for a test module to import


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A database with all tables, by its URL."""
    with django_db_blocker.unblock(), migrated(request.param, tmp_path_factory.mktemp("sites")) as url:
        yield url


@pytest.fixture(autouse=True)
def site_alias(site_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Its alias, `ALIAS`: site sessions are there, beside the project's own database (G13), and there are none yet."""
    with django_db_blocker.unblock(), site_database(site_url) as alias:
        yield alias


# --- databases and settings


@contextmanager
def migrated(vendor: str, folder: Any) -> Iterator[str]:
    """A database with all tables, by its URL."""
    if vendor == "postgres":
        with temporary_postgres() as url:
            with alias_for("template", url) as alias:
                migrate(alias)
            yield url
    else:
        url = f"sqlite:///{folder / 'sites.sqlite3'}"
        with alias_for("template", url) as alias:
            migrate(alias)
        yield url


@contextmanager
def site_database(url: str, name: str = ALIAS, **options: Any) -> Iterator[str]:
    """Site sessions in a database beside the default one, empty at the start."""
    with alias_for(name, url, **options) as alias, configured(SITE_SESSION_DATABASE=alias):
        SiteSession.objects.all().delete()
        try:
            yield alias
        finally:
            siterows.close()


@contextmanager
def configured(**changes: Any) -> Iterator[None]:
    """Other settings for a while."""
    with override_settings(SESSIONSTORE={**settings.SESSIONSTORE, **changes}):
        yield


# --- what tests do


def age(key: str, seconds: float) -> None:
    """Let a session's last update be so much longer ago."""
    row = SiteSession.objects.get(pk=key.partition("_")[0])
    SiteSession.objects.filter(pk=row.pk).update(updated_at=row.updated_at - timedelta(seconds=seconds))


def at_once(number: int, act: Callable[[int], T]) -> list[T]:
    """What `act` returns in so many threads that begin together; raises what one of them raised."""
    line = threading.Barrier(number)
    done: list[T] = []
    failed: list[BaseException] = []

    def work(position: int) -> None:
        try:
            line.wait(LIMIT_SECONDS)
            done.append(act(position))
        except BaseException as error:  # handed to the test's thread
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(position,)) for position in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    if failed:
        raise failed[0]
    return done
