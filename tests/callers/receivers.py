"""Receivers that call the Python API: of a signal of Django's, and of one of ours."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db.models.signals import post_save
from django.dispatch import receiver

from sessionstore_app.signals import peer_joined
from tests.callers import calls
from tests.callers.calls import STARTS


@receiver(post_save, sender=Group)
def group_saved(instance: Group, **_: Any) -> None:
    """The group's name says how many rounds, and for whom."""
    rounds, caller = instance.name.split(" ")
    calls.make(int(rounds), caller)


@receiver(peer_joined)
def somebody_joined(room: str, **_: Any) -> None:
    """So does the name of the room."""
    if room.startswith(STARTS):
        rounds, caller = room.removeprefix(STARTS).split(" ")
        calls.make(int(rounds), caller)
