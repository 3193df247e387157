"""Rooms: which there are, and what happens in one."""

from __future__ import annotations

from django.contrib import admin

from sessionstore_app.admin.base import LiveAdmin
from sessionstore_app.models import Room


@admin.register(Room)
class RoomAdmin(LiveAdmin):
    seen_with = (
        "view_room",
        "manage_room",
    )
