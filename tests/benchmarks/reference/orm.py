"""The store as most Django projects would write it: two models, and one ORM transaction for each set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from django.db import connection, models, transaction

KEYS = 100
STORE_BYTES = 65_536


class Room(models.Model):
    name = models.CharField(max_length=128, unique=True)
    version = models.BigIntegerField(default=0)
    entry_count = models.IntegerField(default=0)
    byte_count = models.IntegerField(default=0)

    class Meta:
        app_label = "benchmarks_reference"

    def __str__(self) -> str:
        return self.name


class Entry(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE)
    key = models.CharField(max_length=128)
    value = models.JSONField()
    size = models.IntegerField()
    version = models.BigIntegerField()
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "benchmarks_reference"
        constraints: ClassVar = [models.UniqueConstraint(fields=["room", "key"], name="one_entry_a_key")]

    def __str__(self) -> str:
        return self.key


def prepare(room_names: Iterable[str]) -> None:
    """Create what is missing: the tables, and an empty room for each name."""
    if Room._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Room)
            editor.create_model(Entry)
    Room.objects.bulk_create((Room(name=name) for name in room_names), ignore_conflicts=True)


def set_entry(room_name: str, key: str, value: object) -> int:
    """Set one entry within the room's limits and return its version: the same promise, one transaction each time."""
    size = len(key.encode()) + len(json.dumps(value).encode())
    with transaction.atomic():
        room = Room.objects.select_for_update().get(name=room_name)
        entry = Entry.objects.filter(room=room, key=key).first()
        room.version += 1
        room.entry_count += entry is None
        room.byte_count += size - (entry.size if entry else 0)
        if room.entry_count > KEYS or room.byte_count > STORE_BYTES:
            raise ValueError("The room is full")
        if entry is None:
            Entry.objects.create(room=room, key=key, value=value, size=size, version=room.version)
        else:
            entry.value, entry.size, entry.version = value, size, room.version
            entry.save(update_fields=["value", "size", "version", "set_at"])
        room.save(update_fields=["version", "entry_count", "byte_count"])
    return room.version
