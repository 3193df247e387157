"""What each role may do in a room, as a table: read from the room type's declaration, so that it cannot be out of date.

Knows how to say it to people; who may what, `sessionstore_app` alone decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.keyrules import KeyRule
from sessionstore_app.core.rules import Rule

# What keys, acts and permissions are to the people of a meeting. What has no words here is called by its name.
WORDS = {
    "spotlight": "Who is on the stage",
    "pinned": "Pinned messages",
    "hand/*": "Raised hands",
    "person/*": "Names and colours",
    "notes": "Notes of the hosts",
    "removed/*": "Who was removed",
    "join": "Come in",
    "broadcast": "Write in the chat",
    "see_peers": "See who is there",
    "clear": "Empty the room",
    "view_session": "Find people by a filter",
    "modify_session": "Mute, make speakers, remove",
    "send_to_session": "Write to one person alone",
    "register_handler": "Watch who comes and goes",
}
_ACTS = ("join", "see_peers", "broadcast", "clear")
_PERMISSIONS = ("view_session", "register_handler", "modify_session", "send_to_session")
_SHOWN = {
    "write": "reads, writes",
    "own": "reads, writes own",
    "read": "reads",
    "yes": "yes",
    "some": "if so",
    "no": "–",
}
_GROUPS = frozenset({"everyone", "the owner"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one role may do with one thing: write, own, read, yes, some or no."""

    role: str
    may: str

    @property
    def words(self) -> str:
        """For people."""
        return _SHOWN[self.may]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key, act or permission, for each role."""

    name: str
    note: str
    cells: tuple[Cell, ...]
    is_key: bool = False

    @property
    def words(self) -> str:
        """What it is, for people."""
        return WORDS.get(self.name, self.name.replace("_", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsTable:
    """Everything that a room type grants."""

    roles: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.roles) + 1


def rights_table(definition: Definition) -> RightsTable:
    """The table of a room type."""
    roles = tuple(definition.roles)
    sections = (
        Section(title="What the room holds", rows=tuple(_key_row(each, roles) for each in definition.keys)),
        Section(title="In the room", rows=tuple(_act_row(act, definition.rules[act], roles) for act in _ACTS)),
        Section(title="To the people in it", rows=tuple(_permission_rows(definition))),
    )
    return RightsTable(roles=roles, sections=sections)


def _key_row(key: KeyRule, roles: tuple[str, ...]) -> Row:
    cells = tuple(Cell(role=role, may=_may_with(key, role)) for role in roles)
    return Row(name=key.pattern, note=", ".join(_limits(key)), cells=cells, is_key=True)


def _may_with(key: KeyRule, role: str) -> str:
    if not _means(key.read, role):
        return "own" if key.read.names_owner and key.write.names_owner else "no"
    if _means(key.write, role):
        return "write"
    return "own" if key.write.names_owner else "read"


def _means(rule: Rule, role: str) -> bool:
    return rule.is_open or role in rule.roles


def _limits(key: KeyRule) -> Iterator[str]:
    if key.cap is not None:
        yield f"{key.cap} at the most"
    if key.names_session:
        yield "until that person leaves"
    if key.dies_with_session:
        yield "until its writer leaves"
    if key.ttl_ms is not None:
        yield f"for {key.ttl_ms / 60_000:g} minutes"
    if not key.write.grants:
        yield "written by the server"


def _act_row(act: str, rule: Rule, roles: tuple[str, ...]) -> Row:
    conditions = [each for each in rule.described() if each not in _GROUPS and not each.startswith("role ")]
    otherwise = "some" if conditions else "no"
    cells = tuple(Cell(role=role, may="yes" if _means(rule, role) else otherwise) for role in roles)
    return Row(name=act, note=f"only {' or '.join(conditions)}" if conditions else "", cells=cells)


def _permission_rows(definition: Definition) -> Iterator[Row]:
    for permission in _PERMISSIONS:
        cells = (
            Cell(role=role, may="yes" if permission in granted else "no") for role, granted in definition.roles.items()
        )
        yield Row(name=permission, note="", cells=tuple(cells))
