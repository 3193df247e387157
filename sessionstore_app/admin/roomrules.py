"""Room types in the admin: a filter of the list, and what the page of a room says of its keys and who may what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.keyrules import KeyRule
from sessionstore_app.core.rules import Grant, Matching, Permission, Rule
from sessionstore_app.models import Room
from sessionstore_app.services import roomtypes

_GRANTS = {
    Grant.EVERYONE: _("everyone"),
    Grant.OWNER: _("its writer"),
    Grant.CREATOR: _("the room's creator"),
}


class TypeFilter(admin.SimpleListFilter):
    """Rooms of one type, and those of none."""

    title = _("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        named = [(each.name, each.name) for each in roomtypes.definitions()]
        return [*named, ("-", _("No type"))] if named else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Room]) -> QuerySet[Room]:
        chosen = self.value()
        for each in roomtypes.definitions():
            if chosen == each.name:
                queryset = queryset.filter(_named(each.match))
            elif chosen == "-":
                queryset = queryset.exclude(_named(each.match))
        return queryset


def _named(pattern: str) -> Q:
    if pattern.endswith("*"):
        return Q(name__startswith=pattern[:-1])
    return Q(name__endswith=pattern[1:]) if pattern.startswith("*") else Q(name=pattern)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One declared key, in words."""

    pattern: str
    type: str
    read: str
    write: str
    life: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A room's type, in words: what may be done by whom, and its keys."""

    type: str
    acts: list[tuple[Promise, str]]
    keys: list[KeyRow]
    is_open: bool


def of_room(room: Room) -> Rules | None:
    """The rules of a room's type; None where it has none."""
    definition = roomtypes.of(room.name)
    if definition is None:
        return None
    labels = {
        "join": _("Join"),
        "broadcast": _("Send to all"),
        "clear": _("Empty the store"),
        "see_peers": _("See peers"),
    }
    return Rules(
        type=definition.name,
        acts=[(label, _who(definition.rules[name])) for name, label in labels.items()],
        keys=[_row(each) for each in definition.keys],
        is_open=definition.extra is not None,
    )


def type_name(room: str) -> str | None:
    """The name of a room's type; None where it has none."""
    definition: Definition | None = roomtypes.of(room)
    return None if definition is None else definition.name


def _row(key: KeyRule) -> KeyRow:
    return KeyRow(key.pattern, _type(key.type), _who(key.read), _who(key.write), ", ".join(_life(key)))


def _type(declared: Any) -> str:
    """A declared type as it is written, without the modules of its names."""
    if declared is Any:
        return gettext("anything")
    text = declared.__name__ if isinstance(declared, type) and not get_args(declared) else repr(declared)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def _who(rule: Rule) -> str:
    return ", ".join(sorted(str(_word(grant)) for grant in rule.grants)) or gettext("the server")


def _word(grant: object) -> str | Promise:
    match grant:
        case Grant():
            return _GRANTS[grant]
        case Permission(name=name):
            return format_lazy(_("permission {name}"), name=name)
        case Matching(filter=wanted):
            return format_lazy(_("sessions where {filter}"), filter=wanted.text)
        case _:
            return str(grant)


def _life(key: KeyRule) -> Iterator[str]:
    if key.dies_with_session:
        yield gettext("with its writer's session")
    if key.names_session:
        yield gettext("with the peer it names")
    if key.ttl_ms is not None:
        yield gettext("%(seconds)s seconds") % {"seconds": number_format(f"{key.ttl_ms / 1_000:g}")}
