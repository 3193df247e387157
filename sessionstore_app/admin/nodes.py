"""Nodes: the server processes, their leases, and what they do. There is nothing to change here: a node ends when its
process does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, DateTimeField, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sessionstore_app.admin.base import LiveAdmin, may
from sessionstore_app.admin.cells import bdi
from sessionstore_app.models import Node, Session, SessionState

# How many of a node's sessions its page names.
_MOST_NAMED: Final = 100


class NodeList(ChangeList):
    """The page's nodes, each with how many sessions it serves: one question for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        nodes = list(self.result_list)
        active = Session.objects.filter(node_id__in=[node.pk for node in nodes], state=SessionState.ACTIVE)
        served = dict(active.order_by().values_list("node_id").annotate(Count("pk")))
        for node in nodes:
            node.serves = served.get(node.pk, 0)
        self.result_list = nodes


@admin.register(Node)
class NodeAdmin(LiveAdmin):
    seen_with = ("view_node",)
    object_template = "admin/sessionstore_app/node/page.html"
    list_display = ("shown_id", "started_at", "lease", "sessions", "writes", "deliveries")
    list_display_links = ("shown_id",)
    ordering = ("-lease_until",)

    class Media:
        css: Final = {"all": ("sessionstore_app/admin/lists.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NodeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # By the clock that leases are measured by.
        nodes: QuerySet[Any] = super().get_queryset(request).annotate(now=Now(output_field=DateTimeField()))
        return nodes

    @admin.display(description=_("id"), ordering="id")
    def shown_id(self, node: Node) -> SafeString:
        return bdi(node.id)

    @admin.display(description=_("lease until"), ordering="lease_until")
    def lease(self, node: Any) -> SafeString:
        at: datetime = node.lease_until
        shown = format_html('<time datetime="{}">{}</time>', at.isoformat(), display_for_value(at, ""))
        return format_html('{} <strong class="lapsed">{}</strong>', shown, _("lapsed")) if at < node.now else shown

    @admin.display(description=_("sessions"))
    def sessions(self, node: Any) -> int:
        return int(node.serves)

    @admin.display(description=_("writes a second"), ordering="writes_per_second")
    def writes(self, node: Node) -> str:
        return _rate(node.writes_per_second)

    @admin.display(description=_("deliveries a second"), ordering="deliveries_per_second")
    def deliveries(self, node: Node) -> str:
        return _rate(node.deliveries_per_second)

    def object_context(self, request: HttpRequest, about: Any) -> dict[str, Any]:
        """See `LiveAdmin`: whom the node serves."""
        active = Session.objects.filter(node_id=about.pk, state=SessionState.ACTIVE).order_by("pk")
        count = active.count()
        return {
            "is_lapsed": about.lease_until < about.now,
            "serves": count,
            "named": active.values_list("pk", "principal")[:_MOST_NAMED],
            "more": max(count - _MOST_NAMED, 0),
            "sees_sessions": may(request, "view_session"),
            "writes": _rate(about.writes_per_second),
            "deliveries": _rate(about.deliveries_per_second),
        }


def _rate(number: float) -> str:
    return number_format(number, decimal_pos=1, use_l10n=True)
