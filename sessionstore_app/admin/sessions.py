"""Sessions: who is there, found by the filter language, and what can be done to them."""

from __future__ import annotations

from django.contrib import admin

from sessionstore_app.admin.base import LiveAdmin
from sessionstore_app.models import Session


@admin.register(Session)
class SessionAdmin(LiveAdmin):
    seen_with = ("view_session",)
