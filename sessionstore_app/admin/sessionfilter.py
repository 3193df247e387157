"""What a list of sessions is asked for: states, and a filter in the session filter language, or where that is wrong.

Both are read from the address, so that a list, its pages and what is done to all that it finds mean the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.admin.sessionacts import figures_of
from sessionstore_app.core.errors import InvalidFilter
from sessionstore_app.core.observer import Interest
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services.directory import OPEN
from sessionstore_app.services.reach import EVERYWHERE

# Parameters of the address.
FILTER: Final = "filter"
SHOW: Final = "show"
STATE: Final = "state"
_ALL: Final = "all"

# Properties with columns of their own.
_ELSEWHERE: Final = frozenset({"$SessionId", "$Principal", "$ServerName", "$StartTime"})

# What is shown of a filter on either side of the place that is wrong.
_AROUND: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a filter: the line as far as it is shown, and below it, in a font of one width, a caret."""

    message: str
    line: int
    column: int
    hint: str
    shown: str
    caret: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter as it was typed, and what it means; nothing, where it is wrong."""

    text: str
    interest: Interest | None
    faults: tuple[Fault, ...] = ()

    @property
    def has_lines(self) -> bool:
        """Is it more than a box of one line keeps?"""
        return "\n" in self.text or "\r" in self.text

    @property
    def keys(self) -> frozenset[str]:
        """The properties that the filter looks at."""
        return self.interest.filter.names if self.interest is not None and self.interest.filter else frozenset()


def asked_for(request: HttpRequest) -> Asked:
    """The filter in the address; without one, or with a blank one, everything is asked for."""
    text = request.GET.get(FILTER, "")
    if not text.strip():
        return Asked("", EVERYWHERE.interest())
    try:
        return Asked(text, EVERYWHERE.interest(text))
    except InvalidFilter as error:
        return Asked(text, None, tuple(_faults(text, error)))


def default_keys(asked: Asked) -> frozenset[str]:
    """What a list shows where nothing is named: the properties that peers see and those that the filter looks at."""
    return asked.keys.union(conf.current().public_properties) - _ELSEWHERE


def named_keys(request: HttpRequest) -> frozenset[str]:
    """The properties that are to be shown; no key holds a blank."""
    return frozenset(request.GET.get(SHOW, "").split())


def states_asked_for(request: HttpRequest) -> frozenset[str]:
    """The open states that are asked for."""
    return frozenset(_states(request.GET.get(STATE))) & OPEN


def _states(value: str | None) -> tuple[str, ...]:
    if value == _ALL:
        return tuple(SessionState.values)
    return (value,) if value in SessionState.values else tuple(sorted(OPEN))


class StateFilter(admin.SimpleListFilter):
    """Sessions by state; the open ones, unless others are asked for."""

    title = _("state")
    parameter_name = STATE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((str(state), state.label) for state in SessionState), (_ALL, _("all"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        default, *others = super().choices(changelist)
        yield {**default, "display": gettext("open")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        states = _states(self.value())
        return queryset if len(states) == len(SessionState) else queryset.filter(state__in=states)


# --- where a filter is wrong


def _faults(text: str, error: InvalidFilter) -> Iterator[Fault]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for place in error.errors:
        shown, caret = _excerpt(lines[place.line - 1], place.column)
        yield Fault(place.message, place.line, place.column, _hint(error), shown, caret)


def _hint(error: InvalidFilter) -> str:
    example = gettext('A filter reads like this: $Country in ["CA", "US"] and not role is "bot"')
    return figures_of(error) or example


def _excerpt(line: str, column: int) -> tuple[str, str]:
    """A line around a column, and what stands below it: a caret under that column."""
    at = column - 1
    start = max(0, at - _AROUND)
    before, after = line[start:at], line[at : at + _AROUND]
    lead = "…" if start else ""
    shown = lead + _visible(before) + _visible(after) + ("…" if len(line) > at + _AROUND else "")
    return shown, " " * len(lead) + "".join(map(_blank, _visible(before))) + "^"


def _visible(text: str) -> str:
    """The text with a sign for each character that is not seen, or turns others around."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign)[0] == "C" else sign for sign in text)


def _blank(sign: str) -> str:
    """As much blank as the sign takes in a font of one width."""
    if unicodedata.category(sign) in ("Mn", "Me"):
        return ""
    return "\N{IDEOGRAPHIC SPACE}" if unicodedata.east_asian_width(sign) in "WF" else " "
