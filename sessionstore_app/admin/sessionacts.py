"""What staff can do to sessions: each act is a form that asks, checks what was typed, and does it by the services.

Nothing here knows how the sessions were chosen, or who may do what; see `sessionsteering`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sessionstore_app import conf
from sessionstore_app.core import clock, properties
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import SessionState
from sessionstore_app.protocol import frames, gate, methods
from sessionstore_app.services import bridge, steering
from sessionstore_app.services.directory import OPEN
from sessionstore_app.services.steering import Target


@dataclass(frozen=True, slots=True)
class Reached:
    """How many sessions an act reached, and which, where the services say so."""

    count: int
    ids: frozenset[str] | None = None


def _all(ids: Collection[str]) -> Reached:
    return Reached(len(ids), frozenset(ids))


class ActForm(forms.Form):
    """One act: what it takes, what it asks, what it does."""

    # In the menu of a list and on the button of a page.
    label: ClassVar[Promise]
    # What is going to happen, in a sentence or two.
    about: ClassVar[Promise]
    # Beside `view_session`.
    permission: ClassVar[str] = "modify_session"
    # Whom it can reach.
    states: ClassVar[frozenset[str]] = OPEN
    is_final: ClassVar[bool] = False

    def question(self, count: int) -> str:
        """What is asked before it is done."""
        raise NotImplementedError

    def act(self, target: Target) -> Reached:
        """Do it. Raises SessionStoreError."""
        raise NotImplementedError

    def done(self, count: int) -> str:
        """What was done, for whoever did it and for the log."""
        raise NotImplementedError

    def remainder(self, figures: Mapping[str, int]) -> str:
        """What is said where fewer were `reached` than were `asked` about."""
        return _("%(reached)s of %(asked)s were still open.") % figures


class CloseForm(ActForm):
    label = gettext_lazy("Close")
    about = gettext_lazy(
        "They end for good, with the reason CLOSED_BY_CONTROLLER: they leave their rooms and lose their locks and "
        "private stores. Their clients may open new ones."
    )
    is_final = True

    def question(self, count: int) -> str:
        return ngettext("Close %(count)s session?", "Close %(count)s sessions?", count) % {"count": count}

    def act(self, target: Target) -> Reached:
        return _all(bridge.run(steering.terminate(target)))

    def done(self, count: int) -> str:
        return ngettext("Closed %(count)s session.", "Closed %(count)s sessions.", count) % {"count": count}


class RolesForm(ActForm):
    label = gettext_lazy("Change roles")
    about = gettext_lazy("Session-wide roles change at once, and with them what open sockets may do.")
    add = forms.CharField(
        label=gettext_lazy("Add"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("One role on each line."),
    )
    remove = forms.CharField(
        label=gettext_lazy("Remove"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("One role on each line."),
    )

    def clean_add(self) -> frozenset[str]:
        return _roles(self.cleaned_data["add"])

    def clean_remove(self) -> frozenset[str]:
        return _roles(self.cleaned_data["remove"])

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if "add" in given and "remove" in given:
            if not given["add"] and not given["remove"]:
                raise forms.ValidationError(_("Name a role to add or to remove."))
            both = sorted(given["add"] & given["remove"])
            if both:
                raise forms.ValidationError(_("“%(role)s” is to be added and removed."), params={"role": both[0]})
        return given

    def question(self, count: int) -> str:
        text = ngettext("Change the roles of %(count)s session?", "Change the roles of %(count)s sessions?", count)
        return text % {"count": count}

    def act(self, target: Target) -> Reached:
        given = self.cleaned_data
        return Reached(bridge.run(steering.change_roles(target, given["add"], given["remove"])))

    def done(self, count: int) -> str:
        text = ngettext(
            "Changed the roles of %(count)s session: %(roles)s.",
            "Changed the roles of %(count)s sessions: %(roles)s.",
            count,
        )
        signed = [
            f"{sign}{isolated(role)}"
            for sign, field in (("+", "add"), ("−", "remove"))
            for role in sorted(self.cleaned_data[field])
        ]
        return text % {"count": count, "roles": ", ".join(signed)}


class PropertyForm(ActForm):
    label = gettext_lazy("Set a property")
    about = gettext_lazy("The sessions, their peers and all who listen are told.")
    key = forms.CharField(
        label=gettext_lazy("Key"), widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"})
    )
    value = forms.CharField(
        label=gettext_lazy("Value"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("An empty text is a value, too."),
    )
    removes = forms.BooleanField(label=gettext_lazy("Remove the property"), required=False)

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if properties.is_fixed(key) and key not in properties.SETTABLE:
            settable = ", ".join(properties.SETTABLE)
            raise forms.ValidationError(
                _("This key belongs to the server. Of those with a $ can be set: %(keys)s."), params={"keys": settable}
            )
        _checked(lambda: properties.check_changes({key: None}, **_bounds()))
        return key

    def clean_value(self) -> str:
        # As it was typed: forms send line ends as two signs.
        value: str = self.cleaned_data["value"].replace("\r\n", "\n")
        key = self.cleaned_data.get("key", "value")
        _checked(lambda: properties.check_changes({key: value}, **_bounds()))
        return value

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("removes"):
            if given.get("value"):
                self.add_error("removes", _("Leave the value empty to remove the property."))
            if properties.is_fixed(given.get("key", "")):
                self.add_error("removes", _("Only properties without a $ can be removed."))
        return given

    def question(self, count: int) -> str:
        text = ngettext("Set a property of %(count)s session?", "Set a property of %(count)s sessions?", count)
        return text % {"count": count}

    def act(self, target: Target) -> Reached:
        given = self.cleaned_data
        change = {given["key"]: None if given["removes"] else given["value"]}
        return _all(bridge.run(steering.set_properties(target, change)))

    def done(self, count: int) -> str:
        if self.cleaned_data["removes"]:
            text = ngettext("Removed %(key)s of %(count)s session.", "Removed %(key)s of %(count)s sessions.", count)
        else:
            text = ngettext("Set %(key)s of %(count)s session.", "Set %(key)s of %(count)s sessions.", count)
        return text % {"count": count, "key": quoted(self.cleaned_data["key"])}


class MessageForm(ActForm):
    label = gettext_lazy("Send a message")
    about = gettext_lazy("It goes to those who are connected at this moment. Nothing is kept for the others.")
    permission = "send_to_session"
    states = frozenset({str(SessionState.ACTIVE)})
    event = forms.CharField(
        label=gettext_lazy("Event"), widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"})
    )
    text = forms.CharField(
        label=gettext_lazy("Data"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=gettext_lazy('JSON, such as {"text": "Five minutes left"}; empty is null.'),
    )

    def clean_event(self) -> str:
        event: str = self.cleaned_data["event"]
        _checked(lambda: methods.read_params("session.send", {"event": event}))
        return event

    def clean_text(self) -> str:
        # As it is sent.
        text: str = _checked(lambda: steering.message_text(_json(self.cleaned_data["text"])))
        return text

    def question(self, count: int) -> str:
        text = ngettext("Send a message to %(count)s session?", "Send a message to %(count)s sessions?", count)
        return text % {"count": count}

    def act(self, target: Target) -> Reached:
        frame = frames.session_message(self.cleaned_data["event"], self.cleaned_data["text"], "null", clock.now_ms())
        return Reached(bridge.run(steering.send(target, frame)))

    def done(self, count: int) -> str:
        text = ngettext("Sent %(event)s to %(count)s session.", "Sent %(event)s to %(count)s sessions.", count)
        return text % {"count": count, "event": quoted(self.cleaned_data["event"])}

    def remainder(self, figures: Mapping[str, int]) -> str:
        return _("%(reached)s of %(asked)s were still connected.") % figures


# By the name that menus and buttons send.
ACTS: Final[Mapping[str, type[ActForm]]] = {
    "close_sessions": CloseForm,
    "change_roles": RolesForm,
    "set_property": PropertyForm,
    "send_message": MessageForm,
}


def isolated(text: str) -> str:
    """A stranger's text within ours: whatever its direction, it turns nothing else around."""
    return text if text.isascii() else f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


def quoted(text: str) -> str:
    """The same between quotation marks, which differ by language."""
    return _("“%s”") % isolated(text)


def refusal_text(error: SessionStoreError) -> str:
    """What was refused, and what helps: not what helps those who write programs."""
    hint = error.advice if error.advice != type(error).hint else ""
    return " ".join(part for part in (str(error), hint, figures_of(error)) if part)


def figures_of(error: SessionStoreError) -> str:
    """By how much a limit was passed, if one was."""
    if error.limit is None or error.actual is None:
        return ""
    return _("At most %(limit)s, and here are %(actual)s.") % {
        "limit": f"{error.limit:.0f}",
        "actual": f"{error.actual:.0f}",
    }


def _bounds() -> dict[str, int]:
    settings = conf.current()
    return {"key_length": settings.key_length, "value_bytes": settings.property_bytes}


def _roles(text: str) -> frozenset[str]:
    names = frozenset(line.strip() for line in text.splitlines()) - {""}
    _checked(lambda: [properties.check_role(name, steering.ROLE_BYTES) for name in sorted(names)])
    return names


def _json(text: str) -> Json:
    if not text.strip():
        return None
    return gate.parse(text, conf.current().json_depth)


def _checked(check: Callable[[], Any]) -> Any:
    """What the check returns; its refusal as a form shows it."""
    try:
        return check()
    except SessionStoreError as error:
        raise forms.ValidationError(refusal_text(error)) from None
