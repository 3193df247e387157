"""From sessions that somebody chose to what is done to them: who may, a page that asks, and what came of it.

Chosen are some sessions, or all that the filter in the address finds. What is asked about is counted when the page
is shown, and found anew when it is done: whoever has ended by then is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from sessionstore_app.admin.base import LiveAdmin, log_all, may, require, tell_failure
from sessionstore_app.admin.sessionacts import ACTS, ActForm, Reached, refusal_text
from sessionstore_app.admin.sessionfilter import Asked, asked_for, states_asked_for
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.observer import Interest
from sessionstore_app.models import ID_LENGTH, Session, SessionState
from sessionstore_app.services import directory
from sessionstore_app.services.directory import OPEN, Leaf
from sessionstore_app.services.reach import EVERYWHERE
from sessionstore_app.services.steering import Target

# Of whom it is said who they are.
_SAMPLE: Final = 10
# What the log keeps as the name of what it is about.
_REPR_LENGTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Sessions that were chosen: those with these ids, or, without ids, all of interest, in these states."""

    interest: Interest
    ids: frozenset[str] | None
    states: frozenset[str]
    filter_text: str = ""

    def sample(self) -> Leaf:
        """Who some of them are, and how many there are. Raises LimitExceeded."""
        sessions = directory.open_sessions(self.states).defer("resume_hash").order_by("id")
        if self.ids is not None:
            sessions = sessions.filter(id__in=self.ids)
        return directory.leaf(self.interest, sessions, 1, _SAMPLE)

    def target(self) -> Target:
        """The same for the services."""
        return Target(self.interest, among=self.ids, states=self.states)

    def present(self) -> list[Session]:
        """Those with ids that are there, as the log needs them."""
        found = directory.find(self.interest, among=self.ids, states=self.states) if self.ids is not None else []
        return [Session(id=session.session_id) for session in found]

    def described(self) -> str:
        """The same in words, for the log."""
        filtered = _("sessions that match %(filter)s") % {"filter": self.filter_text}
        text = filtered if self.filter_text else _("all sessions")
        return text if self.states == OPEN else f"{text} ({', '.join(sorted(self.states))})"


def offered(request: HttpRequest) -> dict[str, type[ActForm]]:
    """The acts that the staff user may do."""
    return {name: act for name, act in ACTS.items() if may(request, "view_session", act.permission)}


def is_session_id(text: str) -> bool:
    """Could it be the id of a session? No database need understand others."""
    return 0 < len(text) <= ID_LENGTH and text.isascii() and text.isprintable()


def steer(admin: LiveAdmin, request: HttpRequest, name: str) -> HttpResponse:
    """Answer a request to do something: ask whether it is to be done, or do it."""
    act = ACTS[name]
    require(request, "view_session", act.permission)
    chosen = _chosen(request, act)
    if chosen is None:
        return _back(request)
    is_confirmed = "confirmed" in request.POST
    form = act(request.POST) if is_confirmed else act()
    try:
        if is_confirmed and form.is_valid():
            return _done(request, form, chosen) or _question(admin, request, name, form, chosen)
        return _question(admin, request, name, form, chosen)
    except SessionStoreError as error:
        tell_failure(request, error)
        return _back(request)


def _chosen(request: HttpRequest, act: type[ActForm]) -> Chosen | None:
    """What is chosen; None, and a word about it, where that is nothing."""
    if request.POST.get("select_across") == "1":
        asked = asked_for(request)
        # Where the filter is wrong, the list says so.
        return None if asked.interest is None else _all_of(request, act, asked, asked.interest)
    ids = frozenset(filter(is_session_id, request.POST.getlist(ACTION_CHECKBOX_NAME)))
    if not ids:
        messages.warning(request, _("Select sessions first. Nothing was done."))
        return None
    return Chosen(interest=EVERYWHERE.interest(), ids=ids, states=act.states)


def _all_of(request: HttpRequest, act: type[ActForm], asked: Asked, interest: Interest) -> Chosen:
    states = states_asked_for(request) & act.states
    return Chosen(interest=interest, ids=None, states=states, filter_text=asked.text)


def _question(
    admin: LiveAdmin, request: HttpRequest, name: str, form: ActForm, chosen: Chosen
) -> TemplateResponse | HttpResponseRedirect:
    found = chosen.sample()
    if not found.total:
        messages.warning(request, _("None of them can be reached: they have ended, or are away. Nothing was done."))
        return _back(request)
    return admin.page(
        request,
        "admin/sessionstore_app/session/act.html",
        None,
        {
            "title": form.question(found.total),
            "act": name,
            "form": form,
            "chosen": chosen,
            "ids": sorted(chosen.ids or ()),
            "states": [SessionState(state) for state in sorted(chosen.states)] if chosen.states != OPEN else (),
            "sample": found.sessions,
            "total": found.total,
            "others": found.total - len(found.sessions),
            "left_out": len(chosen.ids) - found.total if chosen.ids is not None else 0,
            "from": request.POST.get("from", ""),
            "back": _address_back(request),
        },
    )


def _done(request: HttpRequest, form: ActForm, chosen: Chosen) -> HttpResponse | None:
    """Do it and say what came of it; None where it was refused, which the form then says."""
    before = chosen.present()
    try:
        reached = form.act(chosen.target())
    except SessionStoreError as error:
        form.add_error(None, refusal_text(error))
        return None
    _log(request, chosen, before, reached, form)
    messages.add_message(
        request, messages.SUCCESS if reached.count else messages.WARNING, _told(request, form, reached.count)
    )
    return _back(request)


def _told(request: HttpRequest, form: ActForm, reached: int) -> str:
    """What was done, and how that differs from what was asked."""
    text = form.done(reached)
    asked = _number(request.POST.get("asked", ""))
    if asked > reached:
        return f"{text} {form.remainder({'reached': reached, 'asked': asked})}"
    if 0 < asked < reached:
        before = _("When you were asked, there were %(asked)s.") % {"asked": asked}
        return f"{text} {before}"
    return text


def _log(request: HttpRequest, chosen: Chosen, before: list[Session], reached: Reached, form: ActForm) -> None:
    """An entry for each session that was chosen and reached, or one for all that a filter found."""
    if chosen.ids is not None:
        # Where it is not said which were reached, it is those that were there a moment before.
        about = [session for session in before if reached.ids is None or session.id in reached.ids]
        log_all(request, about, form.done(1))
    elif request.user.pk is not None:
        whom = chosen.described()
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(Session),
            object_id=None,
            object_repr=whom[:_REPR_LENGTH],
            action_flag=CHANGE,
            change_message=f"{form.done(reached.count)} {whom}",
        )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _address_back(request: HttpRequest) -> str:
    """The page that it was asked from: that of a session, or the list as it was."""
    ids = list(filter(is_session_id, request.POST.getlist(ACTION_CHECKBOX_NAME)))
    if request.POST.get("from") == "page" and len(ids) == 1:
        return reverse("admin:sessionstore_app_session_change", args=[quote(ids[0])])
    return request.get_full_path()


def _back(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(_address_back(request))
