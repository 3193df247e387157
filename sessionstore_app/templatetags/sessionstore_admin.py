"""What the app's index page in the admin shows above the list of models."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

from sessionstore_app.admin import dashboard

register = template.Library()


@register.simple_tag(takes_context=True)
def sessionstore_dashboard(context: RequestContext) -> dict[str, Any]:
    """The figures of now, and how the page's script gets the next ones."""
    return dashboard.page(context["request"])
