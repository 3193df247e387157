"""Locks: who holds them, who waits, and taking one away."""

from __future__ import annotations

from django.contrib import admin

from sessionstore_app.admin.base import LiveAdmin
from sessionstore_app.models import Lock


@admin.register(Lock)
class LockAdmin(LiveAdmin):
    seen_with = ("view_lock",)
