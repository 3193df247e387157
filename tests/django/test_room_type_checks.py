"""`manage.py check` says what is wrong with room types, and until that is mended no room can be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sessionstore_app import Key, RoomType, rooms
from sessionstore_app.services import roomtypes
from sessionstore_app.services.roomtypes import declaring
from tests.support import kinds
from tests.support.server import CHECKOUT, START_SECONDS
from tests.support.typed import Backstage, Stage

if TYPE_CHECKING:
    from pytest_django import Settings


def kind(name: str = "Broken", **attributes: Any) -> type[RoomType]:
    """A room type of this name, which is there while a test declares it."""
    return kinds.kind(name, **{"match": "broken/*", **attributes})


def found(*declared: type[RoomType]) -> list[CheckMessage]:
    """What the check says of these types."""
    with declaring(*declared):
        return [message for message in run_checks(tags=["sessionstore"]) if message.id == "sessionstore.E003"]


BROKEN: list[tuple[list[type[RoomType]], str, str]] = [
    (
        [kind("One", match="a/*"), kind("Two", match="*/a")],
        "One (a/*) and Two (*/a) match the same names",
        "begin with",
    ),
    ([kind("One", match="lobby"), kind("Two", match="lobby")], "One (lobby) and Two (lobby)", "begin with"),
    ([kind(roles=["host"], join="hots")], "join: there is no role 'hots'.", "Did you mean 'host'?"),
    ([kind(k=Key(lambda: 1))], "k has a type that cannot be read from JSON", "msgspec"),
    ([kind(k=Key(int, default="x"))], "default that it could not hold", "own type"),
    ([kind(backend="nowhere")], "there is no backend 'nowhere' for rooms", "BACKENDS has default"),
    ([kind(backend="private")], "there is no backend 'private' for rooms", "BACKENDS has default"),
    ([kind(backend=[])], "backend is [].", "alias"),
    ([kind(limits=None)], "limits is no mapping.", "figure"),
    ([kind(k=Key(ttl=float("nan")))], "k has ttl=nan.", "seconds"),
]


@pytest.mark.parametrize(("broken", "text", "hint"), BROKEN, ids=[row[1][:30] for row in BROKEN])
def test_what_is_wrong_is_an_error_with_a_hint(broken: list[type[RoomType]], text: str, hint: str) -> None:
    messages = found(*broken)
    assert any(text in message.msg and hint in (message.hint or "") for message in messages), messages
    assert all(message.is_serious() for message in messages)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    messages = found(kind(join="", k=Key(ttl=0), backend="nowhere"), kind("Other"))
    assert len(messages) == 4


def test_types_that_are_right_are_no_error() -> None:
    assert found(Stage, Backstage) == []
    assert found() == []


def test_a_broken_type_stops_the_command() -> None:
    with declaring(kind(roles=["host"], join="hots")), pytest.raises(SystemCheckError, match="Did you mean 'host'"):
        call_command("check", tags=["sessionstore"])


@pytest.mark.django_db
def test_a_broken_type_closes_all_rooms_those_of_no_type_too() -> None:
    """Whose rules cannot be read must not be guessed; and a name might have been meant for it."""
    with declaring(Stage, kind(k=Key(int, default="x"))):
        for room in ("broken/1", "stage/1", "any other"):
            for act in (rooms.get, rooms.get_entry, rooms.delete):
                with pytest.raises(ImproperlyConfigured, match="Broken: k has a default"):
                    act(room, "k")
            with pytest.raises(ImproperlyConfigured, match="Give one of the key's own type"):
                rooms.set(room, "k", 1)
    assert rooms.get("broken/1", "k") is None


@pytest.mark.django_db
def test_types_of_a_test_are_there_while_it_lasts_and_may_be_nested() -> None:
    counted = kind("Counted", match="r/*", n=Key(int, default=3))
    other = kind("Other", match="r/*", n=Key(int, default=4))
    assert roomtypes.of("r/1") is None
    with declaring(counted):
        assert rooms.get("r/1", "n") == 3
        with declaring(other):
            assert rooms.get("r/1", "n") == 4
            with declaring():
                assert roomtypes.of("r/1") is None
        assert rooms.get("r/1", "n") == 3
        with pytest.raises(LookupError), declaring(other):
            raise LookupError
        assert rooms.get("r/1", "n") == 3
    assert roomtypes.of("r/1") is None


def test_a_backend_that_comes_with_the_settings_is_known_at_once(settings: Settings) -> None:
    memory = {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}
    elsewhere = kind(backend="elsewhere")
    with declaring(elsewhere):
        assert "there is no backend" in roomtypes.compiled()[1][0].text
        settings.SESSIONSTORE = {"BACKENDS": {"default": memory, "elsewhere": memory}}
        assert roomtypes.compiled()[1] == ()


# --- in a project of its own

DECLARATION = """
from sessionstore_app import Key, RoomType


class Gathering(RoomType):
    match = "gathering/*"
    roles = ("host",)
    topic = Key(str, write={role!r})
"""


def _check(folder: Path, role: str) -> tuple[int, str]:
    """Status and words of `check` in a project with an app whose `rooms.py` names this role."""
    app = folder / "gatherings"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "rooms.py").write_text(DECLARATION.format(role=role))
    settings = "from project.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'gatherings']\n"
    (folder / "gathered.py").write_text(settings)
    environment = {**os.environ, "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "gathered"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


def test_rooms_py_of_an_installed_app_is_found(tmp_path: Path) -> None:
    status, told = _check(tmp_path, "hots")
    assert status == 1
    assert "(sessionstore.E003) Gathering: topic, write: there is no role 'hots'." in told
    assert "HINT: Did you mean 'host'?" in told


def test_rooms_py_of_an_installed_app_may_be_right(tmp_path: Path) -> None:
    status, told = _check(tmp_path, "host")
    assert (status, "E003" in told) == (0, False)


def test_a_store_of_private_entries_is_no_backend_of_rooms(settings: Settings) -> None:
    memory = {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}
    quick = {"BACKEND": "sessionstore_app.backends.cache.CacheStore"}
    settings.SESSIONSTORE = {"BACKENDS": {"default": memory, "quick": quick}}
    (message,) = found(kind(backend="quick"))
    assert "there is no backend 'quick' for rooms" in message.msg
    assert message.hint == "BACKENDS has default."
