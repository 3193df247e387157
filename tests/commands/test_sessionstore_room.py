"""`manage.py sessionstore_room`: what it shows, what it changes, and how it says no."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import SystemCheckError

from sessionstore_app import rooms
from sessionstore_app.management import roomtext
from sessionstore_app.models import Membership, Room, Session
from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.server import CHECKOUT, Server, begin, manage, running

ABSENT, CONFLICT = 3, 4


def shown(*arguments: str) -> str:
    """What it prints for people."""
    out = StringIO()
    call_command("sessionstore_room", *arguments, stdout=out)
    return out.getvalue()


def told(*arguments: str) -> Any:
    """What it prints for programs."""
    return json.loads(shown(*arguments, "--json"))


def refused(*arguments: str) -> tuple[int, str]:
    """The code it would exit with, and why."""
    with pytest.raises(CommandError) as error:
        shown(*arguments)
    return error.value.returncode, str(error.value)


def _seat(room: str, principal: str, roles: list[str]) -> Session:
    """A session in a room, as the record has it."""
    session = Session.objects.create(id=f"id-{principal}", principal=principal)
    joined_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    Membership.objects.create(room=Room.objects.get(name=room), session=session, roles=roles, joined_at=joined_at)
    return session


# --- looking


@pytest.mark.django_db
def test_list_tells_peers_keys_bytes_version_and_age() -> None:
    rooms.set("b", "topic", "Retro")
    rooms.set("b", "gone", 1)
    rooms.delete("b", "gone")
    rooms.set("a", "é", [1, 2])
    _seat("b", "ann", [])
    left = _seat("b", "bob", [])
    Membership.objects.filter(session=left).update(left_at=datetime.now(UTC))
    first, second = told("list")
    assert (first["room"], first["peers"], first["keys"], first["bytes"], first["version"]) == ("a", 0, 1, 7, 1)
    assert (second["room"], second["peers"], second["keys"], second["bytes"], second["version"]) == ("b", 1, 1, 12, 3)
    assert 0 <= second["age_seconds"] < 60
    assert second["epoch"] == Room.objects.get(name="b").epoch
    head, *rows = shown("list").splitlines()
    assert head.split() == ["ROOM", "PEERS", "KEYS", "BYTES", "VERSION", "AGE"]
    assert [row.split()[:5] for row in rows] == [["a", "0", "1", "7", "1"], ["b", "1", "1", "12", "3"]]


@pytest.mark.django_db
def test_list_takes_a_pattern() -> None:
    for room in ("lesson/1", "lesson/2", "lobby"):
        rooms.set(room, "k", 1)
    assert [room["room"] for room in told("list", "lesson/*")] == ["lesson/1", "lesson/2"]
    assert [room["room"] for room in told("list", "lobby")] == ["lobby"]
    assert told("list", "nobody/*") == []
    assert shown("list", "nobody/*") == "There are no rooms.\n"
    assert refused("list", "a*b")[0] == 1


@pytest.mark.django_db
def test_show_tells_who_is_there_and_what_it_holds() -> None:
    rooms.write("r", [{"key": "b", "value": {"n": 1}}, {"key": "a", "value": "x" * 200}])
    for number in range(102):
        _seat("r", f"p{number:03}", ["guest"])
    room = told("show", "r")
    assert (room["room"], room["keys"], room["version"]) == ("r", 2, 1)
    assert [peer["principal"] for peer in room["peers"]] == [f"p{number:03}" for number in range(102)]
    assert room["peers"][0] == {
        "session_id": "id-p000",
        "principal": "p000",
        "roles": ["guest"],
        "properties": {"$Roles": ""},
        "state": "ACTIVE",
        "joined_at": "2026-01-02T03:04:05.000Z",
    }
    assert [(entry["key"], entry["by"]) for entry in room["entries"]] == [("a", None), ("b", None)]
    text = shown("show", "r")
    assert "p101" in text
    assert '{"n":1}' in text
    assert "x" * 60 not in text


@pytest.mark.django_db
def test_get_prints_the_value_alone() -> None:
    """As JSON, which a script can read either way."""
    rooms.set("r", "k", {"a": [1, "é", None]})
    assert shown("get", "r", "k") == '{"a":[1,"é",null]}\n'
    entry = told("get", "r", "k")
    assert (entry["key"], entry["value"], entry["version"], entry["by"]) == ("k", {"a": [1, "é", None]}, 1, None)


@pytest.mark.django_db
def test_t23_nothing_that_a_terminal_would_obey_is_printed() -> None:
    """Names and values come from anybody."""
    hostile = "a\u202eb\u009b31m\u2028\U000e0001"
    rooms.set(f"r{hostile[:2]}", f"k{hostile[:2]}", hostile)
    text = shown("list") + shown("show", f"r{hostile[:2]}") + shown("get", f"r{hostile[:2]}", f"k{hostile[:2]}")
    text += json.dumps(told("list"))
    assert [character for character in text if not character.isprintable() and character != "\n"] == []
    assert json.loads(shown("get", f"r{hostile[:2]}", f"k{hostile[:2]}")) == hostile


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (200_000, "2 d")],
)
def test_an_age_is_told_in_the_largest_unit_that_fits(seconds: int, said: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert roomtext.age(now - timedelta(seconds=seconds), now) == said


# --- changing


@pytest.mark.django_db
def test_set_and_delete_write_as_the_server() -> None:
    entry = told("set", "r", "k", '{"a": [1, 2.5, true, null, "é"]}')
    assert (entry["version"], entry["by"], entry["value"]) == (1, None, {"a": [1, 2.5, True, None, "é"]})
    assert rooms.get("r", "k") == {"a": [1, 2.5, True, None, "é"]}
    assert shown("set", "r", "k", '"text"') == 'k = "text"  (version 2, by the server)\n'
    assert told("delete", "r", "k")["value"] is None
    assert shown("delete", "r", "k") == "k was deleted  (version 4, by the server)\n"
    assert rooms.get("r", "k") is None
    told("set", "r", "k", "-7")
    told("set", "r", "k", "null")
    assert not rooms.get_entry("r", "k").exists


@pytest.mark.django_db
def test_guards_hold_and_a_conflict_has_a_code_of_its_own() -> None:
    assert told("set", "r", "k", "1", "--if-version", "0")["version"] == 1
    code, why = refused("set", "r", "k", "2", "--if-version", "0")
    assert code == CONFLICT
    assert "version 1" in why
    assert refused("delete", "r", "k", "--if-version", "9")[0] == CONFLICT
    assert told("delete", "r", "k", "--if-version", "1")["version"] == 2


@pytest.mark.django_db
def test_an_entry_may_be_given_a_time_to_live() -> None:
    with time_machine.travel(0, tick=False) as clock:
        told("set", "r", "k", "1", "--ttl", "10")
        assert told("get", "r", "k")["value"] == 1
        clock.shift(10)
        assert refused("get", "r", "k")[0] == ABSENT
    assert refused("set", "r", "k", "1", "--ttl", "0")[0] == 1


@pytest.mark.django_db
def test_clear_empties_a_room() -> None:
    rooms.set("r", "k", 1)
    before = Room.objects.get(name="r").epoch
    after = told("clear", "r")
    assert after == {"room": "r", "epoch": Room.objects.get(name="r").epoch}
    assert after["epoch"] != before
    assert rooms.snapshot("r") == {}
    assert "new epoch" in shown("clear", "r")


# --- saying no


@pytest.mark.django_db
def test_what_is_not_there_has_a_code_of_its_own_and_is_not_made() -> None:
    for arguments in (["show", "r"], ["get", "r", "k"], ["delete", "r", "k"], ["clear", "r"]):
        assert refused(*arguments) == (ABSENT, "There is no room r.")
    assert not Room.objects.exists()
    rooms.set("r", "other", 1)
    assert refused("get", "r", "k") == (ABSENT, "The key k has no value.")


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["text", "", "{", "NaN", "1e400", "9007199254740992", '{"a":1,"a":2}', "'x'"])
def test_what_is_not_strict_json_is_refused_with_a_hint(value: str) -> None:
    code, why = refused("set", "r", "k", value)
    assert code == 1
    assert "not JSON" in why
    assert "quotes" in why
    assert not Room.objects.exists()


@pytest.mark.django_db
def test_limits_and_bad_names_are_refused_in_words() -> None:
    assert "1024" in refused("set", "r", "k", json.dumps("x" * 2_000))[1]
    assert refused("set", "r", "a*b", "1")[0] == 1
    assert refused("set", "r\n", "k", "1")[0] == 1
    assert refused("show", "")[0] == 1
    assert refused("watch", "r", "--every", "0")[0] == 1


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["list"], ["show", "r"]])
def test_a_project_without_time_zones_is_told_so(arguments: list[str], settings: Any) -> None:
    """As it is at the shell: system checks come first."""
    rooms.set("r", "k", 1)
    settings.USE_TZ = False
    with pytest.raises(SystemCheckError, match=r"sessionstore\.E002"):
        call_command("sessionstore_room", *arguments, skip_checks=False)


@pytest.mark.django_db
def test_usage_is_told_for_what_cannot_be_meant() -> None:
    for arguments in ([], ["explode"], ["set", "r", "k"], ["get", "r"], ["set", "r", "k", "1", "--if-version", "x"]):
        with pytest.raises(CommandError, match="Error"):
            shown(*arguments)


@pytest.mark.django_db
def test_entries_in_a_servers_memory_are_out_of_reach(settings: Any) -> None:
    backend = {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "BACKENDS": {"default": backend}}
    code, why = refused("list")
    assert code == 1
    assert "MemoryBackend" in why


def test_the_documentation_names_every_act_and_option() -> None:
    page = (CHECKOUT / "docs/reference/commands.md").read_text()
    parser = load_command_class("sessionstore_app", "sessionstore_room").create_parser("manage.py", "sessionstore_room")
    (acts,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    assert set(acts.choices) == {"list", "show", "get", "set", "delete", "clear", "watch"}
    for act, of_act in acts.choices.items():
        assert f"| `{act} " in page
        options = {option for action in of_act._actions for option in action.option_strings} - {"-h", "--help"}
        assert [option for option in options if f"| `{option}" not in page] == []


# --- beside a running server


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    settings = {"NODE_RENEW_SECONDS": 0.5}
    if request.param == "sqlite":
        with running(settings=settings) as started:
            yield started
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(settings=settings, database_url=url) as started:
            yield started


def _start(server: Server, *arguments: str) -> subprocess.Popen[str]:
    return begin("sessionstore_room", *arguments, database_url=server.database_url)


def _run(server: Server, *arguments: str) -> tuple[int, str, str]:
    process = _start(server, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@contextmanager
def _watching(server: Server, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A watcher that has begun."""
    process = _start(server, "watch", *arguments, "--every", "0.05")
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Watching")
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


async def test_a_process_beside_the_server_changes_what_peers_see(guests: Guests) -> None:
    """On one database and without a shared layer: they hear it when their process compares versions."""
    peer = await guests.join("beside")
    code, out, err = _run(guests.server, "set", "beside", "topic", '"Retro"', "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["value"] == "Retro"
    assert (await peer.expect_change("topic", "Retro"))["by"] is None
    await peer.call("room.set", room="beside", key="mine", value=2)
    assert _run(guests.server, "get", "beside", "mine") == (0, "2\n", "")
    (room,) = json.loads(_run(guests.server, "list", "beside", "--json")[1])
    assert (room["peers"], room["keys"], room["version"]) == (1, 2, 2)
    assert _run(guests.server, "clear", "beside")[0] == 0
    await peer.expect("room.cleared", reason="CLEARED")


async def test_a_process_exits_with_the_code_of_what_went_wrong(server: Server) -> None:
    """The reason is on its standard error, and nothing is on its output."""
    assert _run(server, "set", "codes", "k", "1")[0] == 0
    for code, arguments in {
        1: ["set", "codes", "k", "text"],
        2: ["set", "codes"],
        ABSENT: ["get", "codes", "never"],
        CONFLICT: ["set", "codes", "k", "2", "--if-version", "0"],
    }.items():
        exited, out, err = _run(server, *arguments)
        assert (exited, out) == (code, "")
        assert "rror" in err
        assert "Traceback" not in err


async def test_watch_prints_what_happens_until_it_is_told_to_stop(guests: Guests) -> None:
    """Each change a line, as it happens, though nobody tells the process; Ctrl-C ends it well."""
    peer = await guests.join("watched")
    await peer.call("room.set", room="watched", key="before", value=0)
    with _watching(guests.server, "watched", "--json") as process:
        assert process.stdout is not None
        await peer.call("room.set", room="watched", key="k", value={"a": 1})
        entry = json.loads(process.stdout.readline())
        assert (entry["event"], entry["key"], entry["value"]) == ("changed", "k", {"a": 1})
        assert entry["by"]["session_id"] == peer.id
        await peer.call("room.delete", room="watched", key="k")
        assert json.loads(process.stdout.readline())["value"] is None
        assert _run(guests.server, "clear", "watched")[0] == 0
        assert json.loads(process.stdout.readline())["event"] == "cleared"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


async def test_watch_prints_for_people_too_and_takes_its_reader_going_away(guests: Guests) -> None:
    peer = await guests.join("read")
    with _watching(guests.server, "read") as process:
        assert process.stdout is not None
        await peer.call("room.set", room="read", key="k", value="é")
        assert process.stdout.readline() == 'k = "é"  (version 1, by somebody anonymous)\n'
        process.stdout.close()
        await peer.call("room.set", room="read", key="k", value=2)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.stdout = None
