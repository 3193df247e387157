"""The record of rooms and sessions, and the tables of the database backend.

`Room`, `Session`, `SessionEvent`, `Membership`, `Lock`, `LockRequest` and `Node` are the truth about who is where and
holds what, in every configuration. `Space`, `Entry`, `AppliedOp` and `Fence` belong to the database backend alone,
which reads and writes them with plain statements. `SiteSession` is the durable store of site sessions.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessionstore_app import conf
from sessionstore_app.core.site import PLATFORM_LENGTH, format_key

ID_LENGTH = 64
NAME_LENGTH = 512


class Room(models.Model):
    """A named meeting place. `epoch` changes each time it is cleared; `roster` counts the changes of who is in it."""

    name = models.CharField(_("name"), max_length=NAME_LENGTH, unique=True)
    epoch = models.CharField(_("epoch"), max_length=ID_LENGTH)
    roster = models.BigIntegerField(_("roster version"), default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    emptied_at = models.DateTimeField(_("emptied at"), null=True, blank=True)
    store_mark = models.CharField(
        _("mark of its store"),
        max_length=ID_LENGTH,
        default="",
        # During a deploy the code before still makes rooms.
        db_default="",
        blank=True,
        help_text=_("A store that lost everything has another one."),
    )
    unmatched = models.JSONField(
        _("unmatched"),
        default=dict,
        blank=True,
        help_text=_("Removal rule → since when, in ms, no peer matches its filter."),
    )
    clears_at = models.DateTimeField(
        _("clears at"),
        null=True,
        blank=True,
        db_index=True,
        help_text=_("When the store is cleared if nobody joins before."),
    )
    creator = models.CharField(
        _("creator"),
        max_length=NAME_LENGTH,
        default="",
        db_default="",
        blank=True,
        help_text=_("Principal of who made it by being the first in it; empty: anonymous, or the server."),
    )
    creator_session_id = models.CharField(max_length=ID_LENGTH, default="", db_default="", blank=True, editable=False)

    class Meta:
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        permissions: ClassVar = [
            ("manage_room", "Can read, write and clear any room"),
            ("view_values", "Can see the values in rooms and private stores in the admin"),
        ]

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """A server process. Its lease says how long it counts as alive without word."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH)
    started_at = models.DateTimeField(_("started at"), auto_now_add=True)
    lease_until = models.DateTimeField(_("lease until"), db_index=True)
    writes_per_second = models.FloatField(
        _("writes a second"), default=0.0, db_default=0.0, help_text=_("Since it renewed its lease before.")
    )
    deliveries_per_second = models.FloatField(
        _("deliveries a second"), default=0.0, db_default=0.0, help_text=_("Changes, each times the peers told.")
    )

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")

    def __str__(self) -> str:
        return self.id


class SessionState(models.TextChoices):
    """States a session's row can have; what observers are told beside these are transitions."""

    ACTIVE = "ACTIVE", _("active")
    DISCONNECTED = "DISCONNECTED", _("disconnected")
    CLOSED = "CLOSED", _("closed")


class Session(models.Model):
    """One live client. `generation` grows with each resume and fences older sockets of the same session."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH)
    principal = models.CharField(_("principal"), max_length=NAME_LENGTH, blank=True, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    state = models.CharField(_("state"), max_length=16, choices=SessionState, default=SessionState.ACTIVE)
    roles = models.JSONField(_("roles"), default=list, blank=True)
    # Its user's groups as they were last looked at; null where no Django login opened it. What is gone from them since
    # then is taken from `roles`, which may hold others.
    granted = models.JSONField(null=True, editable=False)
    permissions = models.JSONField(
        _("permissions"),
        default=list,
        # During a deploy the code before still opens sessions.
        db_default=[],
        blank=True,
        help_text=_("What its login or token permits."),
    )
    properties = models.JSONField(
        _("properties"),
        default=dict,
        blank=True,
        help_text=_("User properties, and the fixed ones that no other column holds."),
    )
    revision = models.PositiveBigIntegerField(_("revision"), default=0)
    node_id = models.CharField(_("node"), max_length=ID_LENGTH, blank=True)
    generation = models.PositiveIntegerField(_("generation"), default=1)
    resume_hash = models.CharField(max_length=64, blank=True, editable=False)
    opened_at = models.DateTimeField(_("opened at"), default=timezone.now)
    expires_at = models.DateTimeField(
        _("expires at"), null=True, blank=True, db_index=True, help_text=_("When its credential ends; empty: never.")
    )
    lapses_at = models.DateTimeField(_("lapses at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, db_index=True)
    close_reason = models.CharField(
        _("close reason"),
        max_length=40,
        blank=True,
        help_text=_("Why it ended; while disconnected, the reason it will have if it does not return."),
    )

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        permissions: ClassVar = [
            ("modify_session", "Can change properties and roles of sessions, and close them"),
            ("register_handler", "Can listen to session events"),
            ("send_to_session", "Can send messages to sessions"),
            ("acquire_lock", "Can acquire locks"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "lapses_at"], name="sessionstore_lapse"),
            models.Index(fields=["node_id", "state"], name="sessionstore_node"),
        ]

    def __str__(self) -> str:
        return self.id


class SessionEvent(models.Model):
    """What happened to a session, once a change: the log that heals listeners and tells a session's history.

    `properties` are all after it, fixed and user ones; `previous` holds the old values of those that it changed, null
    for one that is new; `rooms` are those it was in after it, and `previous_rooms` before it.
    """

    session = models.ForeignKey(Session, verbose_name=_("session"), on_delete=models.CASCADE, related_name="events")
    revision = models.PositiveBigIntegerField(_("revision"))
    type = models.CharField(_("type"), max_length=16)
    state = models.CharField(_("state"), max_length=16)
    properties = models.JSONField(_("properties"), default=dict)
    previous = models.JSONField(_("previous values"), default=dict)
    rooms = models.JSONField(_("rooms"), default=list)
    previous_rooms = models.JSONField(_("previous rooms"), default=list)
    close_reason = models.CharField(_("close reason"), max_length=40, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("session event")
        verbose_name_plural = _("session events")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "revision"], name="sessionstore_one_event_a_revision")
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.state} ({self.revision})"


class LockScope(models.TextChoices):
    """What a lock is lost with."""

    SESSION = "session", _("session")
    CONNECTION = "connection", _("connection")


class Lock(models.Model):
    """A named lock. `sequence` grows with each acquisition; a free one has no session."""

    name = models.CharField(_("name"), max_length=NAME_LENGTH, unique=True)
    session = models.ForeignKey(
        Session, verbose_name=_("holder"), null=True, blank=True, on_delete=models.SET_NULL, related_name="locks"
    )
    scope = models.CharField(_("scope"), max_length=16, choices=LockScope, default=LockScope.SESSION)
    sequence = models.BigIntegerField(_("sequence"), default=0)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("lock")
        verbose_name_plural = _("locks")

    def __str__(self) -> str:
        return self.name


class LockRequest(models.Model):
    """A session that waits for a lock; who came first is served first."""

    lock = models.ForeignKey(Lock, verbose_name=_("lock"), on_delete=models.CASCADE, related_name="requests")
    session = models.ForeignKey(
        Session, verbose_name=_("session"), on_delete=models.CASCADE, related_name="lock_requests"
    )
    scope = models.CharField(_("scope"), max_length=16, choices=LockScope, default=LockScope.SESSION)
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)

    class Meta:
        verbose_name = _("lock request")
        verbose_name_plural = _("lock requests")
        constraints: ClassVar = [models.UniqueConstraint(fields=["lock", "session"], name="sessionstore_waits_once")]

    def __str__(self) -> str:
        return f"{self.session_id} for {self.lock_id}"


class Membership(models.Model):
    """A session in a room, from joining to leaving. `observed` are the patterns that a resume brings back."""

    room = models.ForeignKey(Room, verbose_name=_("room"), on_delete=models.CASCADE, related_name="memberships")
    session = models.ForeignKey(
        Session, verbose_name=_("session"), on_delete=models.CASCADE, related_name="memberships"
    )
    roles = models.JSONField(_("roles"), default=list, blank=True)
    observed = models.JSONField(_("observed"), default=list, blank=True)
    is_creator = models.BooleanField(_("is the room's creator"), default=False, db_default=False)
    joined_at = models.DateTimeField(_("joined at"))
    left_at = models.DateTimeField(_("left at"), null=True, blank=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["room", "session"],
                condition=models.Q(left_at__isnull=True),
                name="sessionstore_joined_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.session_id} in {self.room_id}"


class Space(models.Model):
    """Database backend: one space's tally. A wiped one stays for a while as a mark that refuses late writes."""

    name = models.CharField(max_length=NAME_LENGTH + ID_LENGTH + 16, unique=True)
    version = models.BigIntegerField(default=0)
    keys = models.IntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    tombstones = models.IntegerField(default=0)
    floor = models.BigIntegerField(default=0)
    wiped_at_ms = models.BigIntegerField(null=True, db_index=True)

    def __str__(self) -> str:
        return self.name


class Entry(models.Model):
    """Database backend: one key of a space; `text` is the value as compact JSON, null for a deleted key."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="entries", db_index=False)
    key = models.CharField(max_length=NAME_LENGTH)
    text = models.TextField(null=True)  # noqa: DJ001  # null is a deleted key, the empty string is no JSON
    version = models.BigIntegerField()
    by_session = models.CharField(max_length=ID_LENGTH, null=True)  # noqa: DJ001  # null: no session wrote it
    by_principal = models.CharField(max_length=NAME_LENGTH, null=True)  # noqa: DJ001  # null: the server wrote it
    at_ms = models.BigIntegerField()
    expires_at_ms = models.BigIntegerField(null=True)
    owner = models.CharField(max_length=ID_LENGTH, null=True)  # noqa: DJ001  # null: lives as long as the room

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["space", "key"], name="sessionstore_entry_key")]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at_ms"], name="sessionstore_expiry", condition=models.Q(expires_at_ms__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.key


class AppliedOp(models.Model):
    """Database backend: the last `op` of a session in a space, so that a repeated write is not applied again."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="ops", db_index=False)
    session_id = models.CharField(max_length=ID_LENGTH)
    op = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["space", "session_id"], name="sessionstore_op_session")
        ]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.op}"


class Fence(models.Model):
    """Database backend: the highest sequence of a lock under which a space was written; lower ones come too late."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="fences", db_index=False)
    lock = models.CharField(max_length=NAME_LENGTH)
    sequence = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["space", "lock"], name="sessionstore_fence_lock")]

    def __str__(self) -> str:
        return f"{self.lock}: {self.sequence}"


class SiteSessionManager(models.Manager["SiteSession"]):
    """Site sessions where `SITE_SESSION_DATABASE` says they are, unless another database is named."""

    def get_queryset(self) -> models.QuerySet[SiteSession]:
        """See `Manager.get_queryset`."""
        rows = super().get_queryset()
        return rows if self._db else rows.using(conf.current().site_session_database)


class SiteSession(models.Model):
    """Durable data under a UUID, with a count of its updates; it ends when it was not updated for its lifetime.

    `data` is compact JSON text: a JSON column would reorder its members and respell its numbers. Times are those of
    the database's clock.
    """

    id = models.UUIDField(_("key"), primary_key=True, default=uuid.uuid4, editable=False)
    update_count = models.PositiveBigIntegerField(_("update count"), default=0)
    data = models.TextField(_("data"))
    created_at = models.DateTimeField(_("created at"))
    updated_at = models.DateTimeField(_("updated at"), db_index=True)
    platform = models.CharField(_("platform"), max_length=PLATFORM_LENGTH, blank=True)
    platform_version = models.CharField(_("platform version"), max_length=PLATFORM_LENGTH, blank=True)

    objects = SiteSessionManager()

    class Meta:
        verbose_name = _("site session")
        verbose_name_plural = _("site sessions")

    def __str__(self) -> str:
        return format_key(str(self.id), self.update_count)
