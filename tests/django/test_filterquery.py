"""Filters asked of a database: on SQLite and on PostgreSQL they find what the filter itself finds (P23, P24)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from django.db import NotSupportedError, connections
from pytest_django import DjangoDbBlocker

from sessionstore_app.core import filters as f
from sessionstore_app.models import Session
from sessionstore_app.services.filterquery import Translation, translate
from sessionstore_app.services.properties import milliseconds, properties_of
from tests.support.aliases import alias_for, migrate
from tests.support.postgres import temporary_postgres
from tests.unit.filtertexts import Unused, Writer, many

SEED = 20_240_601
SESSIONS = 10_000
FILTERS = 1_000
EPOCH = datetime(2024, 6, 1, tzinfo=UTC)

KEYS = ["Status", "status", "0", "-1", "a.b", "[1]", "a__b", "back\\slash", "%s", "{}", "key", "é", "日", "\U0001f600"]
FIXED = ["$Country", "$Language"]
VALUES = [
    "",
    "a",
    "A",
    "a ",
    "Active",
    "ACTIVE",
    "é",
    "É",
    "e\u0301",
    "ß",
    "\U0001f600",
    "'",
    '"',
    "\\",
    "1",
    "01",
    "%",
    "null",
]
ROLES = ["a", "A", "b", "é", 'q"q', "c,d", "\\"]
NAMES = ["", "fred", "Fred", "frédéric", "o'neil"]
NODES = ["n1", "N1", ""]
PATTERNS = ["a.*", "(?i)active", ".", "", '[^"]*']


# --- sessions and filters, all from one seed


def some_session(chance: random.Random, number: int) -> Session:
    return Session(
        id=f"{chance.choice('sS')}{number}",
        principal=chance.choice(NAMES),
        node_id=chance.choice(NODES),
        roles=chance.choices(ROLES, k=chance.randint(0, 4)),
        properties={key: chance.choice(VALUES) for key in chance.sample([*KEYS, *FIXED], chance.randint(0, 8))},
        opened_at=EPOCH + timedelta(milliseconds=chance.randrange(5_000)),
        expires_at=chance.choice([None, EPOCH + timedelta(seconds=chance.randrange(5))]),
    )


@cache
def properties_of_all() -> dict[str, dict[str, str]]:
    """What each session has, by its id."""
    return {session.id: properties_of(session) for session in sessions()}


def sessions() -> list[Session]:
    chance = random.Random(SEED)
    return [some_session(chance, number) for number in range(SESSIONS)]


def some_values(chance: random.Random, values: list[str]) -> frozenset[str]:
    return frozenset(chance.sample(values, chance.choice((1, 1, 1, 2, 3))))


def some_clause(chance: random.Random) -> f.Node:
    key = chance.choice([*KEYS, *FIXED, "missing"])
    roles = some_values(chance, ROLES)
    ids = [*properties_of_all()][:40]
    times = [milliseconds(EPOCH + timedelta(seconds=second)) for second in range(5)]
    clauses: list[tuple[int, f.Node]] = [
        (12, f.OneOf(key, some_values(chance, VALUES))),
        (6, f.Has(chance.choice([key, "$ExpiryTime", "$Principal", f.ROLES]))),
        (3, f.OneOf("$Principal", some_values(chance, NAMES))),
        (2, f.OneOf("$ServerName", some_values(chance, NODES))),
        (2, f.OneOf("$SessionId", some_values(chance, [*ids, "s", ""]))),
        (2, f.HasRoles(roles)),
        (2, f.HasAnyRole(roles)),
        (2, f.RolesAre(frozenset({roles, some_values(chance, ROLES), frozenset()}))),
        (2, f.Matches(key, chance.choice(PATTERNS), Unused())),
        (1, f.OneOf(chance.choice(("$StartTime", "$ExpiryTime")), some_values(chance, times))),
        (1, f.All()),
    ]
    return chance.choices([clause for _, clause in clauses], [weight for weight, _ in clauses])[0]


def some_node(chance: random.Random, depth: int) -> f.Node:
    kind = chance.random()
    if depth == 0 or kind < 0.35:
        return some_clause(chance)
    if kind < 0.55:
        return f.Not(some_node(chance, depth - 1))
    parts = tuple(some_node(chance, depth - 1) for _ in range(chance.choice((2, 2, 3))))
    return f.And(parts) if kind < 0.78 else f.Or(parts)


@dataclass(frozen=True, slots=True)
class Case:
    """A filter, and whom it matches: one byte a session."""

    filter: f.Filter
    matched: int


@cache
def cases() -> list[Case]:
    chance = random.Random(SEED)
    found = []
    for _ in range(FILTERS):
        read = f.parse(Writer(chance).text(some_node(chance, 3)))
        bits = bytes(read.matches(properties) for properties in properties_of_all().values())
        found.append(Case(read, int.from_bytes(bits, "big")))
    return found


# --- databases


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The alias of a database with all tables."""
    with django_db_blocker.unblock():
        if request.param == "postgres":
            with temporary_postgres() as url, alias_for("filtered", url) as alias:
                migrate(alias)
                yield alias
        else:
            file: Path = tmp_path_factory.mktemp("filters") / "filtered.sqlite3"
            with alias_for("filtered", f"sqlite:///{file}") as alias:
                migrate(alias)
                yield alias


@pytest.fixture
def empty(database: str) -> str:
    """The alias, without sessions."""
    Session.objects.using(database).all().delete()
    return database


def translated(text: str, alias: str) -> Translation:
    return translate(f.parse(text), using=alias)


def found(translation: Translation, alias: str) -> set[str]:
    rows = Session.objects.using(alias)
    return set((rows.all() if translation.q is None else rows.filter(translation.q)).values_list("id", flat=True))


def test_p23_a_database_finds_what_the_filter_matches(empty: str) -> None:
    Session.objects.using(empty).bulk_create(sessions(), batch_size=500)
    stored = {session.id: properties_of(session) for session in Session.objects.using(empty)}
    assert stored == properties_of_all()
    place = {session_id: number for number, session_id in enumerate(properties_of_all())}
    answered = 0
    for case in cases():
        translation = translate(case.filter, using=empty)
        bits = bytearray(SESSIONS)
        for session_id in found(translation, empty):
            bits[place[session_id]] = 1
        matched = int.from_bytes(bits, "big")
        # In memory, the filter drops what an inexact condition found beside those that match.
        assert case.matched & ~matched == 0, f"lost by {case.filter.text!r}"
        assert case.matched == matched or not translation.is_exact, f"too many by {case.filter.text!r}"
        answered += translation.is_exact and translation.q is not None
    assert answered >= FILTERS / 2


def test_the_cases_are_worth_it() -> None:
    counts = [case.matched.bit_count() for case in cases()]
    assert sum(0 < count < SESSIONS for count in counts) > FILTERS * 0.7


# --- what is left to the filter


LOST = 'Status is "a"'


@pytest.mark.parametrize(
    "text",
    [
        'k matches "a.*"',
        'not k matches "a.*"',
        '$StartTime is "1"',
        'not $ExpiryTime in ["1", "2"]',
        f'k matches "a" or {LOST}',
        f'not (k matches "a" and {LOST})',
        many('k is "a"', 17),
    ],
)
def test_what_a_database_cannot_tell_is_everything(text: str, empty: str) -> None:
    assert translated(text, empty) == Translation(None, is_exact=False)


@pytest.mark.parametrize("text", [f'k matches "a" and {LOST}', f'not (not {LOST} or $ExpiryTime is "1")'])
def test_what_a_database_can_tell_narrows(text: str, empty: str) -> None:
    known = translated(LOST, empty)
    assert translated(text, empty) == Translation(known.q, is_exact=False)


ALWAYS = ["all", "has $SessionId", 'k matches "a" or all', 'not (k matches "a" and not all)', "$Roles ne '('"]


@pytest.mark.parametrize("text", ALWAYS)
def test_what_is_always_true_is_no_condition(text: str, empty: str) -> None:
    assert translated(text, empty) == Translation(None, is_exact=True)


@pytest.mark.parametrize("text", ["not all", "not has $Roles", "$Roles is '('", "all and not all"])
def test_what_is_never_true_finds_nobody(text: str, empty: str) -> None:
    Session.objects.using(empty).create(id="s")
    assert translated(text, empty).is_exact
    assert not found(translated(text, empty), empty)


def test_p24_a_missing_property_is_no_null(empty: str) -> None:
    Session.objects.using(empty).create(id="with", properties={"k": "v"}, expires_at=EPOCH)
    Session.objects.using(empty).create(id="without")
    for text in ('k ne "v"', 'not k is "v"', "not has k", 'not (k is "v" and all)', "not has $ExpiryTime"):
        assert found(translated(text, empty), empty) == {"without"}
    for text in ('k ne "w"', "all"):
        assert found(translated(text, empty), empty) == {"with", "without"}


def test_p23_a_number_is_not_its_text(empty: str) -> None:
    Session.objects.using(empty).create(id="s", properties={"n": 1, "t": True, "o": {"a": "b"}, "z": None})
    for text in ('n is "1"', 't is "1"', 't is "true"', """o is '{"a":"b"}'""", """o is '{"a": "b"}'""", 'z is "null"'):
        assert not found(translated(text, empty), empty), text
    assert found(translated("has n and has z", empty), empty) == {"s"}


@pytest.mark.parametrize("key", KEYS)
def test_p23_any_key_is_only_itself(key: str, empty: str) -> None:
    others = {other: "x" for other in [*KEYS, "a", "b", "1", "back", "\\"] if other != key}
    Session.objects.using(empty).create(id="this", properties={key: "x"})
    Session.objects.using(empty).create(id="others", properties=others)
    for text in (f'{key} is "x"', f"has {key}", f'{key} in ["y", "x"]'):
        translation = translated(text, empty)
        assert translation.is_exact
        assert found(translation, empty) == {"this"}


def test_long_lists_are_asked_at_once(empty: str) -> None:
    Session.objects.using(empty).create(id="s", properties={"k": "700"})
    for key, value in (("$SessionId", "s"), ("k", "700")):
        values = " ".join(map(f.quote, [*map(str, range(100, 600)), value]))
        assert found(translated(f"{key} in [{values}]", empty), empty) == {"s"}


def test_p23_another_database_is_not_asked(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = translated(LOST, empty)
    assert known.q is not None
    monkeypatch.setattr(connections[empty], "vendor", "mysql")
    assert translated("all", empty) == Translation(None, is_exact=False)
    with pytest.raises(NotSupportedError):
        list(Session.objects.using(empty).filter(known.q))
