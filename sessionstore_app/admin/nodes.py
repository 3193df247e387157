"""Nodes: the server processes and their leases."""

from __future__ import annotations

from django.contrib import admin

from sessionstore_app.admin.base import LiveAdmin
from sessionstore_app.models import Node


@admin.register(Node)
class NodeAdmin(LiveAdmin):
    seen_with = ("view_node",)
