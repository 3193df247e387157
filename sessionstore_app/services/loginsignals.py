"""What Django says of its users' logins, told to the nodes that serve their sockets, once it is committed.

Connected where `django.contrib.auth` is installed. A receiver never fails the save, and the view, that it hears of:
what it could not tell is found by the next look at all (RECHECK_SECONDS).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models import ManyToManyField, Model, Q
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.utils import timezone

from sessionstore_app.models import Session, SessionState
from sessionstore_app.services import announcing, bridge, record
from sessionstore_app.services.events import LookAgain, NodeEvent, Revoked
from sessionstore_app.services.identity import mark_of, session_store

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")

# Sessions that are found, and told of, at a time; and users whose sessions are asked for.
PAGE = 500
_USERS = 200
# Saved alone with every login, and nothing that a socket may do hangs on it.
_HARMLESS = frozenset({"last_login"})
# After these a relation is another than before.
_CHANGED = frozenset({"post_add", "post_remove", "post_clear"})

Event: TypeAlias = Callable[[tuple[str, ...]], NodeEvent]


class News:
    """What one transaction did to logins: `users` and `groups` to look at again, users who are `gone` by their name,
    and the marks of logins that have `ended` by their user. Called once it is committed, it tells all that at once.
    """

    def __init__(self) -> None:
        self.users: set[Any] = set()
        self.groups: set[Any] = set()
        self.gone: dict[str, Any] = {}
        self.ended: defaultdict[Any, set[str]] = defaultdict(set)

    def __call__(self) -> None:
        try:
            told = list(_told(self))
            if told:
                bridge.run(announcing.tell_nodes(told))
        except Exception as error:  # it is committed: whoever saved a user must not fail for who could not be told
            _warn(error)


# The users, or the groups, of some news.
Part: TypeAlias = Callable[[News], set[Any]]


def connect() -> None:
    """Listen to users, their groups and permissions, and to Django's sessions."""
    user_logged_out.connect(_logged_out, dispatch_uid=__name__)
    user = get_user_model()
    # Signals come from the class that was saved, which may be a proxy.
    for model in apps.get_models():
        if issubclass(model, user):
            post_save.connect(_user_saved, sender=model, dispatch_uid=__name__)
            post_delete.connect(_user_deleted, sender=model, dispatch_uid=__name__)
    _connect_relations(user)
    if settings.SESSION_ENGINE.startswith("django.") and not apps.is_installed("django.contrib.sessions"):
        return
    if hasattr(session_store(), "get_model_class"):
        kept = session_store().get_model_class()
        post_delete.connect(_django_session_deleted, sender=kept, dispatch_uid=__name__)


def _connect_relations(user: type[Model]) -> None:
    """A project's own user model may have none of these, or others of the same names."""
    groups = _relation(user, "groups")
    for field in filter(None, (groups, _relation(user, "user_permissions"))):
        _connect_relation(field, lambda news: news.users)
    if groups is None:
        return
    group: Any = groups.related_model
    post_save.connect(_group_saved, sender=group, dispatch_uid=__name__)
    deleted = _never_failing(partial(_group_deleted, groups))
    pre_delete.connect(deleted, sender=group, dispatch_uid=__name__, weak=False)
    permissions = _relation(group, "permissions")
    if permissions is not None:
        _connect_relation(permissions, lambda news: news.groups)


def _relation(model: type[Model], name: str) -> ManyToManyField[Any, Any] | None:
    found = {field.name: field for field in model._meta.get_fields()}.get(name)
    return found if isinstance(found, ManyToManyField) else None


def _connect_relation(field: ManyToManyField[Any, Any], part: Part) -> None:
    receiver = _never_failing(partial(_relation_changed, field, part))
    through: Any = field.remote_field.through
    m2m_changed.connect(receiver, sender=through, dispatch_uid=f"{__name__}.{field.name}", weak=False)


# --- receivers


def _never_failing(receiver: Callable[..., None]) -> Callable[..., None]:
    def receive(**told: Any) -> None:
        try:
            receiver(**told)
        except Exception as error:  # the same, of a save under way
            _warn(error)

    return receive


@_never_failing
def _user_saved(*, instance: Any, created: bool, update_fields: frozenset[str] | None, using: str, **_: Any) -> None:
    if created or (update_fields is not None and _HARMLESS.issuperset(update_fields)):
        return

    def note(news: News) -> None:
        news.users.add(instance.pk)
        if not instance.is_active:
            news.gone[instance.get_username()] = instance.pk

    _after_commit(using, note)


@_never_failing
def _user_deleted(*, instance: Any, using: str, **_: Any) -> None:
    # The instance has forgotten its key by then.
    name, pk = instance.get_username(), instance.pk
    _after_commit(using, lambda news: news.gone.update({name: pk}))


@_never_failing
def _group_saved(*, instance: Any, created: bool, update_fields: frozenset[str] | None, using: str, **_: Any) -> None:
    if not created and (update_fields is None or "name" in update_fields):
        _after_commit(using, lambda news: news.groups.add(instance.pk))


def _group_deleted(groups: ManyToManyField[Any, Any], *, instance: Any, using: str, **_: Any) -> None:
    # Afterwards nobody can tell who was in it.
    members = _related(groups, instance.pk, using)
    _after_commit(using, lambda news: news.users.update(members))


def _relation_changed(
    field: ManyToManyField[Any, Any],
    part: Part,
    *,
    instance: Any,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **_: Any,
) -> None:
    if action == "pre_clear" and reverse:
        # Afterwards nobody can tell who it was.
        concerned: Collection[Any] = _related(field, instance.pk, using)
    elif action not in _CHANGED:
        return
    else:
        concerned = (pk_set or ()) if reverse else [instance.pk]
    if concerned:
        _after_commit(using, lambda news: part(news).update(concerned))


@_never_failing
def _logged_out(*, request: Any, user: Any, **_: Any) -> None:
    session = getattr(request, "session", None)
    if user is not None and session is not None and session.session_key:
        # Told before the Django session is gone, and where it is in a cache nobody tells of that: no look is needed.
        mark, pk = mark_of(session.session_key), user.pk
        _after_commit(record.USING, lambda news: news.ended[pk].add(mark))


@_never_failing
def _django_session_deleted(*, instance: Any, using: str, **_: Any) -> None:
    # One that has ended by itself is swept some time later, many at once: the next look at all finds it.
    if instance.expire_date <= timezone.now():
        return
    user = instance.get_decoded().get(SESSION_KEY)
    if user is not None:
        mark = mark_of(instance.session_key)
        _after_commit(using, lambda news: news.ended[user].add(mark))


def _related(field: ManyToManyField[Any, Any], other: Any, using: str) -> list[Any]:
    """Those at the field's own end that are related to one at the other."""
    through: Any = field.remote_field.through
    # In a savepoint: the caller's transaction must live, whatever happens.
    with transaction.atomic(using=using):
        related = through._base_manager.using(using).filter(**{field.m2m_reverse_field_name(): other})
        return list(related.values_list(field.m2m_field_name(), flat=True))


# --- telling


def _after_commit(using: str, note: Callable[[News], object]) -> None:
    """Let this be told once it is committed, with what else the same transaction did; never what is rolled back."""
    connection = transaction.get_connection(using)
    if connection.run_on_commit:
        savepoints, last, _ = connection.run_on_commit[-1]
        if isinstance(last, News) and savepoints == set(connection.savepoint_ids):
            note(last)
            return
    news = News()
    note(news)
    transaction.on_commit(news, using=using, robust=True)


def _warn(error: Exception) -> None:
    # What an engine says of its failure may name a key.
    logger.warning("Open sockets were not told that a login may have changed: %s", type(error).__name__)


def _told(news: News) -> Iterator[tuple[str, NodeEvent]]:
    """Nodes, and what each is told."""
    for users in _some(news.users):
        yield from _of_sessions(Q(user__in=users), LookAgain)
    for groups in _some(news.groups):
        members = get_user_model()._base_manager.filter(groups__in=groups)
        yield from _of_sessions(Q(user__in=members), LookAgain)
    for users in _some(news.ended):
        marks = tuple(sorted(set().union(*(news.ended[user] for user in users))))
        yield from _of_sessions(Q(user__in=users), partial(Revoked, marks=marks))
    for names in _some(news.gone):
        gone = _gone({name: news.gone[name] for name in names if name})
        # A token cannot see by itself that its bearer is no longer welcome; and sessions of a user who was deleted
        # belong to nobody now.
        yield from _of_sessions(Q(user=None, principal__in=gone), partial(Revoked, marks=()))


def _some(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    return iter(lambda: list(islice(rest, _USERS)), [])


def _gone(users: Mapping[str, Any]) -> list[str]:
    """The names of those who may not log in any more."""
    found: Any = get_user_model()._base_manager.in_bulk(users.values())
    return [name for name, pk in users.items() if pk not in found or not found[pk].is_active]


def _of_sessions(wanted: Q, event: Event) -> Iterator[tuple[str, NodeEvent]]:
    after: str | None = ""
    while after is not None:
        found = _served(wanted, after)
        by_node: defaultdict[str, list[str]] = defaultdict(list)
        for session_id, node_id in found:
            by_node[node_id].append(session_id)
        yield from ((node_id, event(tuple(ids))) for node_id, ids in by_node.items())
        after = found[-1][0] if len(found) == PAGE else None


def _served(wanted: Q, after: str) -> list[tuple[str, str]]:
    active = Session.objects.using(record.USING).filter(wanted, state=SessionState.ACTIVE, id__gt=after)
    return list(active.order_by("id").values_list("id", "node_id")[:PAGE])
