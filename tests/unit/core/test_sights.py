"""What somebody may read, held against the rules themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.definitions import Definition, define
from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.core.roomtypes import OPEN, Key, RoomType
from sessionstore_app.core.rules import EVERYONE, NOBODY, OWNER, SERVER, Rule, Standing
from sessionstore_app.core.sights import sight
from tests.unit.generated import MANY


def _defined(**attributes: Any) -> Definition:
    # No match: this is nobody's type but the test's.
    made, problems = define(type("T", (RoomType,), attributes))
    assert [problem for problem in problems if "names no room" not in problem.text] == []
    return made


KINDS = [
    _defined(
        extra=extra,
        all=Key(),
        host=Key(read="host"),
        own=Key(pattern="own/*", read=(OWNER, "host")),
        ours=Key(read=OWNER),
        none=Key(read=NOBODY),
        any=Key(read=(OWNER, EVERYONE)),
    )
    for extra in (OPEN, RoomType.extra)
]
KEYS = ["all", "host", "own/1", "own/2", "ours", "none", "any", "undeclared"]

definitions = st.sampled_from(KINDS)
sessions = st.sampled_from([None, SessionId("s"), SessionId("t")])
principals = st.sampled_from(["", "ann", "bob"])
standings = st.builds(
    Standing,
    session_id=sessions,
    principal=principals,
    roles=st.frozensets(st.sampled_from(["host", "guest"])),
    is_creator=st.booleans(),
    is_server=st.booleans(),
)
authors = st.none() | st.builds(Author, sessions, principals)
entries = st.builds(
    Entry, key=st.sampled_from(KEYS), text=st.sampled_from([None, "1"]), version=st.sampled_from([0, 7]), by=authors
)


def _may_read(definition: Definition, who: Standing, entry: Entry) -> bool:
    """By the key's rule alone."""
    found = definition.key(entry.key)
    if who.is_server:
        return True
    if found is None:
        return False
    if OWNER in found.read.grants and (not entry.version or who.owns(entry.by)):
        return True
    return found.read.allows(who)


@MANY
@given(definitions, standings, entries)
def test_t6_a_sight_shows_what_the_rules_let_somebody_read(definition: Definition, who: Standing, entry: Entry) -> None:
    seen = sight(definition, who)
    assert (seen is None or seen.shows_entry(entry)) is _may_read(definition, who, entry)


@MANY
@given(definitions, standings, entries, authors)
def test_t6_whom_a_sight_shows_a_key_at_all_it_shows_it_of_every_writer(
    definition: Definition, who: Standing, entry: Entry, other: Author | None
) -> None:
    """What is encoded once for all of a view must depend on the key alone."""
    seen = sight(definition, who)
    if seen is None:
        return
    if seen.shows(entry.key):
        assert seen.shows_entry(Entry(key=entry.key, text="1", version=1, by=other))
    if not seen.can_name(entry.key):
        assert not seen.shows_entry(Entry(key=entry.key, text="1", version=1, by=other))
    assert not (seen.shows(entry.key) and seen.shows_own(entry.key))


@MANY
@given(definitions, standings, standings, entries)
def test_equal_sights_show_the_same(definition: Definition, one: Standing, other: Standing, entry: Entry) -> None:
    mine, theirs = sight(definition, one), sight(definition, other)
    if mine == theirs:
        assert _may_read(definition, one, entry) is _may_read(definition, other, entry)
        assert hash(mine) == hash(theirs)


def test_peers_of_one_role_have_equal_sights() -> None:
    """So a change is encoded once for all of them."""
    made = _defined(all=Key(), host=Key(read="host"))
    crowd = [Standing(session_id=SessionId(str(n)), principal=f"p{n}", roles=frozenset({"guest"})) for n in range(9)]
    assert len({sight(made, who) for who in crowd}) == 1


def test_t6_sights_that_show_ones_own_are_nobody_elses() -> None:
    one, other = (Standing(session_id=SessionId(name), principal="") for name in "st")
    assert sight(KINDS[0], one) != sight(KINDS[0], other)


def test_t6_equal_sights_of_two_types_are_not_the_same() -> None:
    assert sight(KINDS[0], Standing()) != sight(KINDS[1], Standing())


@pytest.mark.parametrize("who", [SERVER, Standing(is_server=True, roles=frozenset({"guest"}))])
def test_the_server_sees_everything(who: Standing) -> None:
    assert sight(KINDS[0], who) is None


def test_where_everything_is_for_all_there_is_nothing_to_look_at() -> None:
    assert sight(_defined(all=Key(), any=Key(read=(OWNER, EVERYONE)), extra=OPEN), Standing()) is None


def test_t6_what_an_earlier_version_of_the_type_left_behind_is_nobodys_to_read() -> None:
    """It may have been for few, though every key that there is now is for all."""
    seen = sight(_defined(all=Key()), Standing())
    assert seen is not None
    assert seen.shows("all")
    assert not seen.can_name("left behind")
    assert not seen.shows_entry(Entry(key="left behind", text="1", version=1))
    assert sight(_defined(all=Key()), SERVER) is None


def test_a_sight_knows_the_rule_of_a_key() -> None:
    seen = sight(KINDS[1], Standing())
    assert seen is not None
    assert seen.rule("host") == Rule(frozenset({"host"}))
    assert seen.rule("undeclared") == Rule(frozenset())
    assert not seen.can_name("undeclared")
    assert not seen.can_name("host")
    assert seen.can_name("own/1")


def test_t6_who_wrote_nothing_owns_nothing() -> None:
    seen = sight(_defined(host=Key(read="host")), Standing(session_id=SessionId("s"), principal="ann"))
    assert seen is not None
    assert not seen.owns(Author(SessionId("s"), "ann"))
