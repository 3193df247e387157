"""`manage.py expire_sessions`: what is past its time goes, once, whoever runs it and however often."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from sessionstore_app import rooms
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.management.commands.expire_sessions import Command
from sessionstore_app.models import Entry, Lock, Membership, Room, Session, SessionEvent, SiteSession, Space
from sessionstore_app.services import private, reaping, siterows
from sessionstore_app.services.site import site_sessions
from tests.support.postgres import temporary_postgres
from tests.support.server import begin, database, manage
from tests.support.sites import at_once

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=60)


def expire(*arguments: str) -> dict[str, Any]:
    """What a run says, as JSON."""
    out = StringIO()
    call_command("expire_sessions", "--json", *arguments, stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def idle_sites(number: int) -> None:
    """Site sessions that nobody has updated for two hours."""
    for count in range(number):
        site_sessions.create({"n": count})
    SiteSession.objects.update(updated_at=timezone.now() - timedelta(hours=2))


def written_long_ago() -> None:
    """Nobody has written any entry for longer than an hour."""
    Entry.objects.update(at_ms=int((timezone.now() - timedelta(minutes=61)).timestamp() * 1_000))


def test_g11_g25_idle_site_sessions_go_and_fresh_ones_stay() -> None:
    idle_sites(3)
    kept = site_sessions.create({"fresh": True})
    assert expire()["site_sessions"] == 3
    assert [str(pk) for pk in SiteSession.objects.values_list("pk", flat=True)] == [kept.uuid]
    assert expire()["site_sessions"] == 0


def test_g25_a_dry_run_counts_and_removes_nothing() -> None:
    idle_sites(2)
    Session.objects.create(id="away", state="DISCONNECTED", lapses_at=LONG_AGO)
    Room.objects.create(name="old", epoch="e", emptied_at=LONG_AGO)
    told = expire("--dry-run")
    assert (told["site_sessions"], told["sessions"], told["rooms"], told["dry_run"]) == (2, 1, 1, True)
    assert SiteSession.objects.count() == 2
    assert Session.objects.get(id="away").state == "DISCONNECTED"
    assert Room.objects.filter(name="old").exists()
    told = expire()
    assert (told["site_sessions"], told["sessions"], told["rooms"], told["dry_run"]) == (2, 1, 1, False)


def test_g25_the_lifetime_may_be_another() -> None:
    idle_sites(1)
    assert expire("--lifetime", "86400")["site_sessions"] == 0
    assert expire("--lifetime", "60")["site_sessions"] == 1


@pytest.mark.parametrize("arguments", [("--lifetime", "-1"), ("--batch-size", "0"), ("--every", "-1")])
def test_wrong_numbers_are_refused_and_nothing_is_lost(arguments: tuple[str, str]) -> None:
    idle_sites(1)
    with pytest.raises(CommandError):
        expire(*arguments)
    assert SiteSession.objects.count() == 1


def test_a_session_that_lapsed_is_closed_and_gives_its_locks_back() -> None:
    session = Session.objects.create(id="away", state="DISCONNECTED", lapses_at=LONG_AGO, close_reason="IO_EXCEPTION")
    Lock.objects.create(name="slides", session=session, sequence=5)
    assert expire()["sessions"] == 1
    session.refresh_from_db()
    assert (session.state, session.close_reason) == ("CLOSED", "IO_EXCEPTION")
    assert Lock.objects.get(name="slides").session is None
    assert SessionEvent.objects.get(session=session).state == "CLOSED"


def test_a_session_of_a_dead_process_waits_to_be_resumed_first() -> None:
    """Twice is needed: it is lost now, and lapses later."""
    Session.objects.create(id="lost", state="ACTIVE", node_id="dead")
    assert expire("--dry-run")["sessions"] == 0
    assert expire()["sessions"] == 0
    assert Session.objects.get(id="lost").state == "DISCONNECTED"
    Session.objects.update(lapses_at=LONG_AGO)
    assert expire()["sessions"] == 1
    assert Session.objects.get(id="lost").state == "CLOSED"


def test_a_session_of_a_dead_process_that_nobody_may_resume_ends_at_once(settings: Settings) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "RECONNECT_SECONDS": 0}
    Session.objects.create(id="lost", state="ACTIVE", node_id="dead")
    assert expire("--dry-run")["sessions"] == 1
    assert expire()["sessions"] == 1


def test_old_history_goes_with_all_that_hangs_on_it() -> None:
    old = Session.objects.create(id="old", state="CLOSED", closed_at=LONG_AGO)
    Session.objects.create(id="new", state="CLOSED", closed_at=timezone.now())
    room = Room.objects.create(name="r", epoch="e")
    Membership.objects.create(room=room, session=old, joined_at=LONG_AGO, left_at=LONG_AGO)
    SessionEvent.objects.create(session=old, revision=1, type="STATE", state="ACTIVE", at=LONG_AGO)
    assert expire()["history"] == 1
    assert [*Session.objects.values_list("id", flat=True)] == ["new"]
    assert not Membership.objects.exists()
    assert not SessionEvent.objects.exists()


def test_rooms_that_nobody_came_back_to_go_and_others_stay() -> None:
    waiting = Session.objects.create(id="here", state="ACTIVE", node_id="n")
    used = Room.objects.create(name="used", epoch="u")
    Membership.objects.create(room=used, session=waiting, joined_at=LONG_AGO)
    Room.objects.create(name="long empty", epoch="a", emptied_at=LONG_AGO)
    Room.objects.create(name="never joined", epoch="b")
    Room.objects.create(name="just left", epoch="c", emptied_at=timezone.now())
    Room.objects.exclude(name="just left").update(created_at=LONG_AGO)
    assert expire()["rooms"] == 2
    assert {*Room.objects.values_list("name", flat=True)} == {"used", "just left"}


def test_a_room_that_was_forgotten_begins_anew() -> None:
    rooms.set("lobby", "topic", "retro")
    Room.objects.update(created_at=LONG_AGO, emptied_at=LONG_AGO, clears_at=None)
    assert expire()["rooms"] == 1
    assert rooms.get("lobby", "topic") is None
    rooms.set("lobby", "topic", "plan")
    assert rooms.snapshot("lobby") == {"topic": "plan"}


def test_a_store_that_no_room_has_any_more_is_wiped() -> None:
    """A process died between clearing a room and wiping what it held."""
    rooms.set("lobby", "topic", "retro")
    Room.objects.update(epoch="another")
    written_long_ago()
    assert expire("--dry-run")["old_stores"] == 1
    assert expire()["old_stores"] == 1
    assert Space.objects.get().wiped_at_ms is not None
    assert expire()["old_stores"] == 0


@pytest.mark.parametrize("another", [{"epoch": "another"}, {"name": "another room"}])
def test_a_store_whose_room_may_be_committed_yet_is_left_alone(another: dict[str, str]) -> None:
    """Entries in another database are there before the room, or its new epoch, that a request has still to commit."""
    rooms.set("lobby", "topic", "retro")
    before = Room.objects.values("name", "epoch").get()
    Room.objects.update(**another)
    assert (expire("--dry-run")["old_stores"], expire()["old_stores"]) == (0, 0)
    Room.objects.update(**before)
    rooms.set("lobby", "lead", "Ada")
    assert rooms.snapshot("lobby") == {"topic": "retro", "lead": "Ada"}


def test_a_store_of_which_only_deletions_are_left_is_young_as_well() -> None:
    rooms.set("lobby", "topic", "retro")
    rooms.delete("lobby", "topic")
    Room.objects.update(epoch="another")
    assert expire()["old_stores"] == 0
    written_long_ago()
    assert expire()["old_stores"] == 1


def test_the_counts_are_told_in_words_too() -> None:
    idle_sites(2)
    out = StringIO()
    call_command("expire_sessions", stdout=out)
    assert "2 removed." in out.getvalue()
    assert "site sessions past their life" in out.getvalue()
    quiet = StringIO()
    call_command("expire_sessions", verbosity=0, stdout=quiet)
    assert quiet.getvalue() == ""


class Terminal(StringIO):
    """Where somebody looks on."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_shows_how_far_it_is() -> None:
    idle_sites(4)
    out = Terminal()
    call_command("expire_sessions", "--batch-size", "1", stdout=out)
    shown = out.getvalue().split("\r\033[K")
    assert shown[1:5] == [
        f"[{'#' * 6 * done:-<24}] {25 * done:3}%  site sessions past their life: {done}" for done in range(1, 5)
    ]
    assert shown[-1].startswith("4 removed.")
    scripted = Terminal()
    call_command("expire_sessions", "--json", stdout=scripted)
    assert json.loads(scripted.getvalue())["site_sessions"] == 0


# --- told to stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_says_what_it_has_done_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Between two portions, with an exit code that cron reports; afterwards signals do what they did before."""
    idle_sites(5)
    sweep, before = siterows.sweep, signal.getsignal(number)

    async def told_to_stop_meanwhile(job: siterows.Expire) -> int:
        signal.raise_signal(number)
        return await sweep(job)

    monkeypatch.setattr(siterows, "sweep", told_to_stop_meanwhile)
    out = StringIO()
    with pytest.raises(CommandError, match="Stopped before the end"):
        call_command("expire_sessions", "--json", "--batch-size", "2", stdout=out)
    assert json.loads(out.getvalue())["site_sessions"] == 2
    assert SiteSession.objects.count() == 3
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    assert expire()["site_sessions"] == 3


def test_told_to_stop_it_tells_all_of_the_last_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    Session.objects.create(id="away", state="DISCONNECTED", lapses_at=LONG_AGO)
    Room.objects.create(name="left", epoch="e", emptied_at=LONG_AGO, clears_at=LONG_AGO)
    end_lapsed = reaping.end_lapsed

    async def told_to_stop_meanwhile() -> reaping.Reaped:
        signal.raise_signal(signal.SIGTERM)
        return await end_lapsed()

    monkeypatch.setattr(reaping, "end_lapsed", told_to_stop_meanwhile)
    out = StringIO()
    with pytest.raises(CommandError, match="Stopped before the end"):
        call_command("expire_sessions", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["sessions"], told["rooms_cleared"]) == (1, 1)


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_told_to_stop_when_all_is_done_it_has_not_stopped_before_the_end(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    idle_sites(1)
    tell = Command._tell

    def told_to_stop_before(*given: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        tell(*given)

    monkeypatch.setattr(Command, "_tell", told_to_stop_before)
    assert expire(*arguments)["site_sessions"] == 1


def test_what_was_done_is_told_though_the_rest_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    idle_sites(2)

    async def fail() -> None:
        raise Unavailable

    monkeypatch.setattr(private, "sweep", fail)
    out = StringIO()
    with pytest.raises(CommandError, match="The database is away"):
        call_command("expire_sessions", "--json", stdout=out)
    assert json.loads(out.getvalue())["site_sessions"] == 2
    assert not SiteSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_off_the_main_thread_it_runs_as_well() -> None:
    """As from a scheduler's thread."""
    assert at_once(1, lambda _: expire()["site_sessions"]) == [0]


# --- as a process


def _run(url: str, *arguments: str) -> subprocess.Popen[str]:
    return begin("expire_sessions", *arguments, database_url=url)


def test_without_a_database_it_says_so_and_fails() -> None:
    process = _run("postgresql://nobody@127.0.0.1:1/nothing")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The database is away" in errors
    assert "Traceback" not in errors


def test_a_database_without_tables_is_a_clear_line_too(tmp_path: Path) -> None:
    process = _run(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def filled(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with 3,000 idle site sessions."""
    if request.param == "sqlite":
        with database() as url:
            _fill(url)
            yield url
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        _fill(url)
        yield url


def _fill(url: str) -> None:
    code = (
        "from datetime import timedelta\nfrom uuid import uuid4\nfrom django.utils import timezone\n"
        "from sessionstore_app.models import SiteSession\n"
        "old = timezone.now() - timedelta(hours=2)\n"
        "from sessionstore_app.services.site import site_sessions\n"
        "made = site_sessions.create({})\nrow = SiteSession.objects.get()\n"
        "rows = []\n"
        "for _ in range(2999):\n    row.pk = uuid4()\n    rows.append(SiteSession(**{f.attname: getattr(row, f.attname)"
        " for f in SiteSession._meta.concrete_fields}))\n"
        "SiteSession.objects.bulk_create(rows)\nSiteSession.objects.update(updated_at=old)\n"
    )
    manage("shell", "--command", code, database_url=url)


def test_g14_p13_two_at_once_remove_each_row_once(filled: str) -> None:
    processes = [_run(filled, "--json", "--batch-size", "50") for _ in range(2)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(each["site_sessions"] for each in told) == 3_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_g11_every_goes_on_until_it_is_told_to_stop(filled: str, number: signal.Signals) -> None:
    process = _run(filled, "--json", "--every", "0.2")
    try:
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline())["site_sessions"] for _ in range(3)]
        assert told == [3_000, 0, 0]
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_interrupted_by_force_it_leaves_nothing_half_done(filled: str) -> None:
    first = _run(filled, "--batch-size", "2")
    try:
        _wait_for_the_first_portion(filled)
    finally:
        first.kill()
        first.communicate()
    left = _left(filled)
    assert 0 < left < 3_000
    second = _run(filled, "--json")
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert json.loads(out)["site_sessions"] == left
    assert json.loads(_run(filled, "--json", "--dry-run").communicate(timeout=60)[0])["site_sessions"] == 0


def _wait_for_the_first_portion(url: str) -> None:
    give_up_at = time.monotonic() + 60
    while _left(url) == 3_000:
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def _left(url: str) -> int:
    """How many site sessions there are, seen from outside."""
    statement = "SELECT count(*) FROM sessionstore_app_sitesession"
    if url.startswith("postgresql"):
        with psycopg.connect(url) as postgres:
            return int(postgres.execute(statement).fetchall()[0][0])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as file:
        return int(file.execute(statement).fetchall()[0][0])
