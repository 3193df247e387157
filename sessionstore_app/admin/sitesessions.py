"""Site sessions: durable data under a key."""

from __future__ import annotations

from django.contrib import admin

from sessionstore_app.admin.base import LiveAdmin
from sessionstore_app.models import SiteSession


@admin.register(SiteSession)
class SiteSessionAdmin(LiveAdmin):
    seen_with = ("view_sitesession",)
