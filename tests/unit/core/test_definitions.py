"""Room types made ready for use, and everything that can be wrong with one."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sessionstore_app.core import roomtypes
from sessionstore_app.core.definitions import Definition, Problem, define, overlaps
from sessionstore_app.core.entries import Author, Change, SessionId
from sessionstore_app.core.errors import InvalidKey, InvalidValue, ValueTooLarge
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append
from sessionstore_app.core.roomtypes import OPEN, SESSION, Key, RoomType
from sessionstore_app.core.rules import (
    CREATOR,
    EVERYONE,
    NOBODY,
    OWNER,
    Standing,
    matching,
    permission,
)

ANN = Author(SessionId("ann-1"), "ann")
LIMITS = StoreLimits(value_bytes=10, keys=5, store_bytes=100)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(roomtypes.declared)
    yield
    roomtypes.declared.clear()
    roomtypes.declared.update(before)


def kind(*bases: type[RoomType], **attributes: Any) -> type[RoomType]:
    """A room type of the name T."""
    return type("T", bases or (RoomType,), {"match": "t/*", **attributes})


def defined(**attributes: Any) -> Definition:
    """Its definition, with which nothing is wrong."""
    made, problems = define(kind(**attributes))
    assert problems == []
    return made


def problems(**attributes: Any) -> list[Problem]:
    """What is wrong with it."""
    return define(kind(**attributes))[1]


# --- what is wrong

PEERS = "modify_session, register_handler, send_to_session, view_session"
WHO = "Name roles, OWNER, CREATOR, EVERYONE, permission(…) or matching(…)."
SECONDS = "It is a number of seconds above 0."
COUNT = "It is an integer above 0."
APART = "Give each key a pattern of its own."
UNDERSTOOD = "Name one msgspec understands."
NO_OWNER = "OWNER is for keys; use CREATOR or a role."
OWN = "Give one of the key's own type."
KEY = "A key is non-empty text without `*` and control characters, and not a name browsers reserve."
STARS = "Use `hand/*`, `*/vote` or `*`."
CALLED = 'Call the attribute otherwise, and give the key\'s name: Key(…, pattern="{}").'


class Plain:
    """A class that no JSON is."""


WRONG: list[tuple[dict[str, Any], str, str]] = [
    # The room's name.
    ({"match": "a*b"}, "match='a*b' names no room: A pattern has one star, at its start or its end.", STARS),
    (
        {"match": "a\tb"},
        "match='a\\tb' names no room: A room's name is non-empty text without control characters.",
        "…",
    ),
    ({"match": "r" * 129}, "match='rrr…", "…"),
    ({"match": 5}, "match=5 is no text.", "It is a name, or a pattern such as meeting/*."),
    # Roles.
    ({"roles": "host"}, "roles is 'host'.", "Give a list of roles, or map each to what it may do to peers."),
    ({"roles": None}, "roles is None.", "Give a list of roles, or map each to what it may do to peers."),
    (
        {"roles": {"host": ["view_session", "manage_room"]}},
        "The role host is given 'manage_room'.",
        f"A role may do to peers: {PEERS}.",
    ),
    ({"roles": {"host": "kick"}}, "The role host is given 'kick'.", f"A role may do to peers: {PEERS}."),
    # Rules.
    ({"roles": ["host"], "join": "hots"}, "join: there is no role 'hots'.", "Did you mean 'host'?"),
    (
        {"roles": ["host", "guest"], "k": Key(read="zzz")},
        "k, read: there is no role 'zzz'.",
        "The type's roles are host, guest.",
    ),
    (
        {"roles": ["host"], "properties": {"name": "hosts"}},
        "properties, name: there is no role 'hosts'.",
        "Did you mean 'host'?",
    ),
    (
        {"clear": permission("clear_room")},
        "clear: there is no permission 'clear_room'.",
        "Name one of those the protocol lists.",
    ),
    (
        {"properties": {"name": matching("a is 'x'")}},
        "properties, name: this depends on more than roles.",
        "Name roles or permissions.",
    ),
    (
        {"properties": {"name": ["host", CREATOR]}},
        "properties, name: this depends on more than roles.",
        "Name roles or permissions.",
    ),
    ({"join": OWNER}, "join names OWNER, and nobody wrote it.", NO_OWNER),
    ({"see_peers": ["x", OWNER]}, "see_peers names OWNER, and nobody wrote it.", NO_OWNER),
    (
        {"join": None},
        "join: None says of nobody that it may; name roles, EVERYONE, OWNER, CREATOR or a permission.",
        WHO,
    ),
    ({"k": Key(write=[["host"]])}, "k, write: ['host'] is no role, and nobody that a rule can mean.", WHO),  # type: ignore[list-item]
    ({"k": Key(read="")}, "k, read: '' is no role, and nobody that a rule can mean.", WHO),
    ({"properties": {"name": 5}}, "properties, name: 5 says of nobody that it may…", WHO),
    # Properties, limits and the rest.
    ({"properties": "name"}, "properties is 'name'.", "Give a list of properties, or map each to who sees it."),
    ({"properties": 5}, "properties is 5.", "Give a list of properties, or map each to who sees it."),
    ({"limits": {"kyes": 5}}, "There is no limit 'kyes' of a room.", "There are keys, store_bytes, value_bytes."),
    ({"limits": {"keys": "5"}}, "The limit keys is '5'.", COUNT),
    ({"limits": {"value_bytes": 0}}, "The limit value_bytes is 0.", COUNT),
    ({"limits": ["keys"]}, "limits is no mapping.", 'Name each with its figure, as in {"keys": 50}.'),
    ({"grace_seconds": -1}, "grace_seconds is -1.", "It is a number of seconds, 0 or more, or None."),
    ({"grace_seconds": "10"}, "grace_seconds is '10'.", "It is a number of seconds, 0 or more, or None."),
    ({"grace_seconds": float("nan")}, "grace_seconds is nan.", "It is a number of seconds, 0 or more, or None."),
    ({"extra": "open"}, "extra is 'open'.", "It is REFUSED or OPEN."),
    ({"backend": None}, "backend is None.", "It is an alias of BACKENDS."),
    (
        {"__init__": lambda self, needed: None},
        "It cannot be made: …",
        "A room type is made without arguments, once a process.",
    ),
    # Keys and their names.
    ({"k": Key(pattern="a*b")}, "k: 'a*b' names nothing: A pattern has one star, at its start or its end.", STARS),
    ({"constructor": Key()}, "constructor: 'constructor' names nothing: That cannot be a key.", KEY),
    ({"k": Key(pattern=5)}, "k: the pattern 5 is no text.", "It is a key, or one such as hand/*."),  # type: ignore[arg-type]
    ({"on_change": Key()}, "on_change is an option of room types, not a key.", CALLED.format("on_change")),
    ({"a": Key(pattern="x*"), "b": Key(pattern="*y")}, "a (x*) and b (*y) name the same keys.", APART),
    ({"a": Key(), "b": Key(pattern="a")}, "a (a) and b (a) name the same keys.", APART),
    # Types and defaults.
    ({"k": Key(5)}, "k has a type that cannot be read from JSON: Type '5' is not supported…", UNDERSTOOD),
    ({"k": Key(dict | msgspec.Struct)}, "k has a type that cannot be read from JSON: …", UNDERSTOOD),
    ({"k": Key(list["Missing"])}, "k has a type that cannot be read from JSON: …", UNDERSTOOD),  # type: ignore[name-defined]  # noqa: F821
    ({"k": Key(Plain)}, "k has the type <class '…", "Make it a msgspec.Struct or a dataclass."),
    ({"k": Key(int, default="x")}, "k has a default that it could not hold: k: Expected `int`, got `str`.", OWN),
    ({"k": Key(default=object())}, "k has a default that it could not hold: …", OWN),
    ({"k": Key(default=float("inf"))}, "k has a default that it could not hold: …", OWN),
    ({"k": Key(default=2**53)}, "k has a default that it could not hold: …", OWN),
    ({"k": Key(list[int], cap=1, default=[1, 2])}, "k has a default that it could not hold: …", OWN),
    ({"k": Key(value_bytes=2, default="abc")}, "k has a default that it could not hold: …", OWN),
    # Options of keys.
    (
        {"k": Key(str, names_session=True, lifetime=SESSION)},
        "k goes with two sessions.",
        "Say names_session or lifetime=SESSION, not both.",
    ),
    ({"k": Key(int, names_session=True)}, "k names a session, and is no text.", "Give it the type str."),
    ({"k": Key(lifetime="session")}, "k has lifetime='session'.", "It is ROOM or SESSION."),  # type: ignore[arg-type]
    ({"k": Key(str, cap=3)}, "k has a cap or unique items, but is no list.", "Give it a type such as list[Item]."),
    (
        {"k": Key(dict, unique="id")},
        "k has a cap or unique items, but is no list.",
        "Give it a type such as list[Item].",
    ),
    ({"k": Key(unique=5)}, "k has unique=5.", "It is the name of a member of its items."),  # type: ignore[arg-type]
    ({"k": Key(ttl=0)}, "k has ttl=0.", SECONDS),
    ({"k": Key(ttl="5")}, "k has ttl='5'.", SECONDS),  # type: ignore[arg-type]
    ({"k": Key(ttl=float("nan"))}, "k has ttl=nan.", SECONDS),
    ({"k": Key(ttl=float("inf"))}, "k has ttl=inf.", SECONDS),
    ({"k": Key(cap=2.5)}, "k has cap=2.5.", COUNT),  # type: ignore[arg-type]
    ({"k": Key(cap=True)}, "k has cap=True.", COUNT),
    ({"k": Key(value_bytes=-1)}, "k has value_bytes=-1.", COUNT),
    ({"k": Key(without="all", for_seconds="1")}, "k has for_seconds='1'.", SECONDS),  # type: ignore[arg-type]
    ({"k": Key(without="all", for_seconds=None)}, "k has for_seconds=None.", SECONDS),  # type: ignore[arg-type]
    ({"k": Key(without="role is")}, "k, without: Expected…", "…"),
]


def _says(text: str, pattern: str) -> bool:
    """An ellipsis at the end stands for what msgspec or Python says."""
    return text.startswith(pattern[:-1]) if pattern.endswith("…") else text == pattern


@pytest.mark.parametrize(("attributes", "text", "hint"), WRONG, ids=[row[1][:60] for row in WRONG])
def test_what_is_wrong_is_said_with_what_would_mend_it(attributes: dict[str, Any], text: str, hint: str) -> None:
    found = problems(**attributes)
    assert any(_says(problem.text, f"T: {text}") and _says(problem.hint, hint) for problem in found), found
    assert len(set(found)) == len(found), "something is said twice"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems(match="a*b", join="hots", roles=["host"], limits={"x": 1}, k=Key(int, default="x", ttl=0))
    assert len(found) == 5


def test_what_a_right_type_declares_is_no_problem() -> None:
    assert (
        problems(
            roles={"host": "view_session", "guest": (), "extra": None},
            grace_seconds=0,
            limits={"keys": 1, "value_bytes": 1, "store_bytes": 1},
            properties=["name"],
            a=Key(list[int], cap=1, default=()),
            b=Key(msgspec.Raw, cap=1),
            c=Key(object, unique="id"),
            d=Key(str | None, names_session=True),
            e=Key(names_session=True),
            f=Key(ttl=0.5, without="role is 'host'", for_seconds=1),
            g=Key(datetime.datetime, default=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)),
            h=Key(dict[int, str], default={1: "a"}),
            i=Key(read=(OWNER, CREATOR, "host"), write=[matching("all"), permission("view_session")]),
        )
        == []
    )


def test_room_types_that_match_the_same_names_are_a_problem() -> None:
    one, other, apart = (define(kind(match=match))[0] for match in ("t/*", "*/lobby", "lobby"))
    (problem,) = overlaps([one, other])
    assert problem.text == "The room types T (t/*) and T (*/lobby) match the same names."
    assert problem.hint == "Let each name begin with what is its own type's alone, as in meeting/* and lesson/*."
    assert list(overlaps([one, apart])) == []
    assert len(list(overlaps([one, apart, other, one]))) == 3


# --- keys that are inherited


def test_a_type_inherits_keys_and_may_change_or_drop_them() -> None:
    base = type("Base", (RoomType,), {"a": Key(int), "b": Key(int), "c": Key(int)})
    made = define(kind(base, b=Key(str), c=None))[0]
    assert [each.name for each in made.keys] == ["a", "b"]
    made.shape(Change(key="b", text='"x"'), None)
    with pytest.raises(InvalidKey):
        made.shape(Change(key="c", text="1"), None)
    assert [each.position for each in made.keys] == [0, 1]


# --- finding the rule of a key


def test_a_key_is_found_by_its_name_or_its_pattern() -> None:
    made = defined(topic=Key(), hand=Key(pattern="hand/*"), vote=Key(pattern="vote/*"))
    found = {key: rule.name for key in ("topic", "hand/1", "hand/", "vote/x") if (rule := made.key(key)) is not None}
    assert found == {"topic": "topic", "hand/1": "hand", "hand/": "hand", "vote/x": "vote"}
    for key in ("hand", "topic/", "vote", "T", ""):
        assert made.key(key) is None


def test_what_is_not_declared_is_refused_unless_the_type_is_open() -> None:
    closed, opened = defined(topic=Key(int)), defined(topic=Key(int), extra=OPEN)
    with pytest.raises(InvalidKey) as refused:
        closed.shape(Change(key="topik", text="1"), None)
    assert str(refused.value) == "T has no key topik."
    assert refused.value.advice == "Did you mean topic? Or let the type say extra = OPEN."
    assert opened.shape(Change(key="topik", text="1"), None) == Change(key="topik", text="1")
    rule = opened.key("topik")
    assert rule is not None
    assert rule.position == 1
    assert rule.read.is_open
    assert rule.write.is_open


def test_what_an_earlier_type_left_behind_can_be_taken_away() -> None:
    gone = Change(key="old", if_version=3)
    assert defined(topic=Key()).shape(gone, None) == gone
    with pytest.raises(InvalidKey):
        defined(topic=Key()).shape(Change(key="old", operation=Append(1)), None)


def test_a_refusal_of_a_key_is_short_and_names_what_there_is() -> None:
    refused = defined(a=Key(), b=Key(pattern="b/*")).no_such_key("z" * 1_000)
    assert str(refused) == f"T has no key {'z' * 64}."
    assert refused.advice.startswith("There are a, b/*.")
    assert defined().no_such_key("x").advice.startswith("There are none.")


# --- limits


def test_a_type_may_allow_other_sizes_than_the_settings() -> None:
    made = defined(limits={"keys": 2, "value_bytes": 20}, big=Key(value_bytes=50), small=Key(value_bytes=3), k=Key())
    assert made.store_limits(LIMITS, ()) == StoreLimits(value_bytes=20, keys=2, store_bytes=100)
    big, small, plain = (Change(key=key, text="1") for key in ("big", "small", "k"))
    assert made.store_limits(LIMITS, [plain, big]).value_bytes == 50
    assert made.store_limits(LIMITS, [small]).value_bytes == 20
    assert made.store_limits(LIMITS, [Change(key="nowhere")]).value_bytes == 20
    assert defined(k=Key()).store_limits(LIMITS, [plain]) == LIMITS


def test_t10_a_key_that_may_be_large_lets_no_other_key_be_so() -> None:
    made = defined(big=Key(value_bytes=50), k=Key(), small=Key(value_bytes=3))
    assert made.shape(Change(key="big", text='"xxxxxxxxxxxxxxx"'), None, 10).text is not None
    for key in ("k", "small"):
        with pytest.raises(ValueTooLarge):
            made.shape(Change(key=key, text='"xxxxxxxxxxxxxxx"'), None, 10)
    appended = made.shape(Change(key="k", operation=Append("xxxxxxxxxxxx")), None, 10).operation
    assert appended is not None
    with pytest.raises(ValueTooLarge):
        appended.apply([])


# --- defaults, roles and properties


def test_a_default_is_json_whatever_it_was_written_as() -> None:
    made = defined(
        a=Key(list[int], default=(1, 2)),
        b=Key(dict[int, str], default={1: "a"}),
        c=Key(bool, default=False),
        d=Key(datetime.date, default=datetime.date(2026, 1, 2)),
        e=Key(),
    )
    assert [each.default for each in made.keys] == [[1, 2], {"1": "a"}, False, "2026-01-02", None]


def test_a_default_that_was_handed_in_is_not_the_declarations_own() -> None:
    mine: list[int] = [1]
    made = defined(a=Key(list[int], default=mine))
    mine.append(2)
    assert made.keys[0].default == [1]


def test_roles_do_to_peers_what_they_are_given() -> None:
    made = defined(roles={"host": ("view_session", "modify_session"), "helper": "view_session", "guest": ()})
    assert made.permissions(["guest", "unknown"]) == frozenset()
    assert made.permissions(["helper"]) == {"view_session"}
    assert made.permissions(["host", "helper"]) == {"view_session", "modify_session"}


def test_t7_properties_are_seen_by_those_the_type_names() -> None:
    host, guest = Standing(roles=frozenset({"host"})), Standing()
    made = defined(properties={"name": EVERYONE, "mail": "host"})
    assert made.public_properties == ("name",)
    assert [made.shows_property(key, host) for key in ("name", "mail", "other")] == [True, True, False]
    assert [made.shows_property(key, guest) for key in ("name", "mail", "other")] == [True, False, False]
    listed, unsaid = defined(properties=["name"]), defined()
    assert listed.public_properties == ("name",)
    assert unsaid.public_properties is None
    assert not unsaid.shows_property("name", host)


def test_every_rule_is_looked_at_for_what_it_depends_on() -> None:
    made = defined(
        join=matching("a is 'x'"),
        see_peers=matching("b is 'x'"),
        k=Key(read=matching("c is 'x'"), write=matching("d is 'x'")),
    )
    assert frozenset().union(*(rule.properties for _, rule in made.every_rule)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("read", "by_all"),
    [(EVERYONE, True), (["host", EVERYONE], True), ("host", False), (NOBODY, False), ((OWNER, "host"), False)],
)
def test_a_type_is_read_by_all_where_every_key_is(read: Any, by_all: bool) -> None:
    assert defined(a=Key(), b=Key(read=read)).is_read_by_all is by_all


def test_rules_of_removal_come_of_the_keys_that_ask_for_it() -> None:
    made = defined(hand=Key(pattern="hand/*", without="role is 'host'", for_seconds=0.5), topic=Key())
    (removal,) = made.removals
    assert removal.for_ms == 500
    assert removal.rooms.matches("t/1")
    assert removal.keys.matches("hand/1")
    assert not removal.keys.matches("topic")


def test_a_change_is_shaped_by_its_own_key() -> None:
    made = defined(n=Key(int, ttl=2), hand=Key(pattern="hand/*", lifetime=SESSION))
    assert made.shape(Change(key="n", text="1"), ANN).ttl_ms == 2_000
    assert made.shape(Change(key="hand/1", text="1"), ANN).owner == "ann-1"
    with pytest.raises(InvalidValue):
        made.shape(Change(key="n", text='"x"'), ANN)


def test_a_definition_has_one_rule_for_each_act() -> None:
    made = defined(join="a", broadcast=NOBODY, clear=CREATOR)
    assert set(made.rules) == {"join", "broadcast", "clear", "see_peers"}
    assert made.rules["broadcast"].grants == frozenset()
    assert (made.name, made.match, made.backend, made.grace_seconds) == ("T", "t/*", "default", None)
    assert isinstance(made.hooks, RoomType)
