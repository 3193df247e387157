"""One cache a thread, however many tasks its loop has: each may hold connections."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.core.cache import InvalidCacheBackendError, caches

from sessionstore_app.backends.threadcaches import thread_cache

if TYPE_CHECKING:
    from pytest_django import Settings


def test_contexts_of_one_thread_share_a_cache_and_threads_do_not() -> None:
    first = thread_cache("default")
    assert contextvars.Context().run(thread_cache, "default") is first
    # Django's own is another for each context.
    assert contextvars.Context().run(caches.__getitem__, "default") is not caches["default"]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(thread_cache, "default").result() is not first


def test_other_settings_are_followed(settings: Settings) -> None:
    first = thread_cache("default")
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert type(thread_cache("default")) is not type(first)


def test_an_alias_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidCacheBackendError):
        thread_cache("nobody")
