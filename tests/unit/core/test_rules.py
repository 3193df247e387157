"""Rules of room types: whom a grant means, and how a rule is written down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Author, SessionId
from sessionstore_app.core.errors import InvalidFilter
from sessionstore_app.core.rules import (
    CREATOR,
    EVERYONE,
    NOBODY,
    OWNER,
    SERVER,
    Matching,
    Permission,
    Rule,
    Standing,
    matching,
    permission,
    rule,
)
from tests.unit.generated import MANY

NOT_AN_AUTHOR = Standing(session_id=SessionId("s"), principal="ann", roles=frozenset({"guest"}))
FRENCH = matching("language is 'fr'")
VIEWS = permission("view_session")

grants = st.sampled_from(["host", "guest", EVERYONE, OWNER, CREATOR, FRENCH, VIEWS])
standings = st.builds(
    Standing,
    session_id=st.sampled_from([None, SessionId("s"), SessionId("t")]),
    principal=st.sampled_from(["", "ann", "bob"]),
    roles=st.frozensets(st.sampled_from(["host", "guest"])),
    permissions=st.frozensets(st.sampled_from(["view_session", "manage_room"])),
    properties=st.dictionaries(st.just("language"), st.sampled_from(["en", "fr"])),
    is_creator=st.booleans(),
    is_server=st.booleans(),
)


def _means(grant: Any, who: Standing) -> bool:
    """Said once more, as a person would read it."""
    return {
        "host": "host" in who.roles,
        "guest": "guest" in who.roles,
        EVERYONE: True,
        OWNER: False,
        CREATOR: who.is_creator,
        FRENCH: who.properties.get("language") == "fr",
        VIEWS: "view_session" in who.permissions,
    }[grant]


@MANY
@given(st.frozensets(grants), standings)
def test_a_rule_lets_whom_one_of_its_grants_means(chosen: frozenset[Any], who: Standing) -> None:
    expected = who.is_server or any(_means(grant, who) for grant in chosen)
    assert rule(chosen).allows(who) is expected


@pytest.mark.parametrize(
    ("grant", "meant"),
    [
        ("host", Standing(roles=frozenset({"host"}))),
        (EVERYONE, Standing()),
        (CREATOR, Standing(is_creator=True)),
        (FRENCH, Standing(properties={"language": "fr"})),
        (VIEWS, Standing(permissions=frozenset({"view_session"}))),
    ],
)
def test_each_grant_means_somebody_and_not_everybody(grant: Any, meant: Standing) -> None:
    assert rule(grant).allows(meant)
    assert rule(grant).allows(Standing()) is (grant is EVERYONE)
    assert not rule(OWNER).allows(meant)


@MANY
@given(standings)
def test_nobody_lets_the_server_alone(who: Standing) -> None:
    assert rule(NOBODY).allows(who) is who.is_server
    assert rule(()).allows(SERVER)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("host", {"host"}),
        (["host", "guest"], {"host", "guest"}),
        ({"host"}, {"host"}),
        (("host", OWNER), {"host", OWNER}),
        (EVERYONE, {EVERYONE}),
        (VIEWS, {Permission("view_session")}),
        ([FRENCH], {FRENCH}),
        (NOBODY, set()),
    ],
)
def test_a_rule_is_one_grant_or_several(written: Any, means: set[Any]) -> None:
    assert rule(written) == Rule(frozenset(means))


@pytest.mark.parametrize(
    "written",
    [None, 5, True, object(), {"host": EVERYONE}, [5], ["host", None], [["host"]], "", ["host", ""], iter(["host"])],
)
def test_what_means_nobody_is_no_rule(written: Any) -> None:
    """Fails when it is declared: a rule that lets nobody looks like one that works."""
    with pytest.raises(TypeError, match=r"may|no role"):
        rule(written)


def test_a_filter_that_cannot_be_read_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidFilter):
        matching("language is")


@pytest.mark.parametrize(
    ("mine", "by", "owns"),
    [
        (("s", ""), ("s", ""), True),
        (("s", "ann"), ("t", "ann"), True),
        (("s", "ann"), (None, "ann"), True),
        ((None, "ann"), ("t", "ann"), True),
        (("s", "ann"), ("t", "bob"), False),
        # Two who are nobody in particular are not one, and neither are two without a session.
        (("s", ""), ("t", ""), False),
        ((None, ""), (None, ""), False),
        (("s", "ann"), ("t", ""), False),
        (("s", "ann"), ("s", ""), True),
    ],
)
def test_t6_an_owner_is_the_session_that_wrote_or_its_principal(
    mine: tuple[Any, str], by: tuple[Any, str], owns: bool
) -> None:
    assert Standing(session_id=mine[0], principal=mine[1]).owns(Author(*by)) is owns


def test_t6_what_the_server_wrote_is_nobodys() -> None:
    assert not NOT_AN_AUTHOR.owns(None)


def test_a_rule_tells_what_it_depends_on() -> None:
    made = rule(["host", OWNER, FRENCH, VIEWS])
    assert made.roles == {"host"}
    assert made.properties == {"language"}
    assert made.names_owner
    assert not made.is_open
    assert rule([OWNER, EVERYONE]).is_open
    assert not rule([OWNER, EVERYONE]).names_owner
    assert rule(NOBODY).properties == frozenset()


def test_a_rule_is_described_in_words() -> None:
    assert rule(["host", OWNER, CREATOR, FRENCH, VIEWS]).described() == [
        "permission view_session",
        "role host",
        "sessions where language is 'fr'",
        "the creator of the room",
        "the owner",
    ]
    assert rule(EVERYONE).described() == ["everyone"]
    assert rule(NOBODY).described() == []


def test_grants_are_shown_by_the_names_that_people_write() -> None:
    assert repr([EVERYONE, OWNER, CREATOR]) == "[EVERYONE, OWNER, CREATOR]"
    assert isinstance(FRENCH, Matching)
