"""What the app's index page in the admin shows above the list of models."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

register = template.Library()


@register.simple_tag(takes_context=True)
def sessionstore_dashboard(context: RequestContext) -> dict[str, Any]:
    """The figures of now, and how the page's script gets the next ones."""
    # Django imports the tags of every app, also where its admin is not installed.
    from sessionstore_app.admin import dashboard

    return dashboard.page(context["request"])
