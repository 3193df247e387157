"""The dashboard on the app's index page: how much there is of everything, and what the system checks say.

Each part is there for who may see the pages that it sums up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from sessionstore_app.admin.base import may
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.filters import ROLES
from sessionstore_app.core.jsontext import Json
from sessionstore_app.services import bridge, figures

# Groups of one property that are shown; the rest is summed up.
_GROUPS: Final = 8
# The checks look at settings and servers: not for every page.
_CHECKS_SECONDS: Final = 60.0


def page(request: HttpRequest) -> dict[str, Any]:
    """What the template needs: where its script asks, and the figures of now."""
    return {
        "address": reverse("admin:sessionstore_app_figures"),
        "figures": of(request, ""),
        "labels": {name: str(text) for name, text in labels().items()},
    }


def view(request: HttpRequest) -> JsonResponse:
    """The figures of now; `?by=` names a property whose values are counted."""
    return JsonResponse(of(request, request.GET.get("by", "")))


def of(request: HttpRequest, by: str) -> dict[str, Any]:
    """The parts that this member of staff may see; `error` says why one could not be counted."""
    told: dict[str, Any] = {}
    if may(request, "view_session"):
        told["sessions"] = _part(lambda: asdict(bridge.run(figures.session_figures())))
        if by:
            told["by"] = _part(lambda: _groups(by))
    if may(request, "view_room") or may(request, "manage_room"):
        told["rooms"] = _part(lambda: asdict(bridge.run(figures.room_figures())))
    if may(request, "view_node"):
        told["nodes"] = _part(lambda: asdict(bridge.run(figures.node_figures())))
        told["checks"] = _check_messages()
    if may(request, "view_sitesession"):
        told["site"] = _part(lambda: asdict(bridge.run(figures.site_figures())))
    return told


def _part(count: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return count()
    except SessionStoreError as error:
        return {"error": f"{error} {error.advice}"}


def _groups(key: str) -> dict[str, Json]:
    counting = bridge.run(figures.sessions_by(key))
    groups = sorted(counting.groups, key=lambda group: -group.count)
    shown: list[Json] = [
        {"value": _as_shown(key, group.properties.get(key)), "count": group.count} for group in groups[:_GROUPS]
    ]
    rest = sum(group.count for group in groups[_GROUPS:])
    return {"key": key, "total": counting.total, "groups": shown, "rest": rest}


def _as_shown(key: str, value: str | None) -> str:
    if value is None:
        return _("(not set)")
    return value if value or key != ROLES else _("(none)")


_told: tuple[float, list[dict[str, str]]] | None = None


def _check_messages() -> list[dict[str, str]]:
    """What the app's own system checks say, those for deployments too where this is one."""
    global _told  # noqa: PLW0603  # one a process: what it says is about the process
    if _told is None or time.monotonic() > _told[0]:
        found = checks.run_checks(include_deployment_checks=not settings.DEBUG)
        ours = [message for message in found if (message.id or "").startswith("sessionstore.")]
        said = [
            {"id": message.id or "", "level": _level(message.level), "text": message.msg, "hint": message.hint or ""}
            for message in ours
        ]
        _told = (time.monotonic() + _CHECKS_SECONDS, said)
    return _told[1]


def _level(level: int) -> str:
    return "error" if level >= checks.ERROR else "warning" if level >= checks.WARNING else "info"


def labels() -> dict[str, str]:
    """What the page's script says."""
    return {
        "active": _("active"),
        "disconnected": _("disconnected"),
        "people": _("people"),
        "peopled": _("with peers"),
        "total": _("in all"),
        "nodes": _("server processes"),
        "writes_per_second": _("writes a second"),
        "deliveries_per_second": _("deliveries a second"),
        "site_active": _("within their life"),
        "rest": _("others"),
        "none": _("There are none."),
        "lost": _("The server cannot be reached; trying again…"),
        "chart": _("%s over the last minutes"),
    }
