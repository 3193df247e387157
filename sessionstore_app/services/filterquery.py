"""A session filter as a condition of the database, as far as the database can tell.

`Filter.matches` is the reference: a translation may find more sessions, never fewer, and says so if it might. What no
database answers as the filter does (patterns, times) widens to everything, negated or not. Every condition is true
or false, never null. Only SQLite and PostgreSQL are asked; others have their own ways to compare text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q
from django.db.models.sql.compiler import SQLCompiler

from sessionstore_app.core import filters
from sessionstore_app.core.filters import Clause, Filter, Node, OneOf, RolesAre

_VENDORS: Final = frozenset({"sqlite", "postgresql"})
# Each reads a JSON column of each row anew; with more of them, asking the filter itself is quicker.
_MOST_CONDITIONS: Final = 16
# What other columns than `properties` hold as text, and what every session has.
_COLUMNS: Final = {"$SessionId": "id", "$Principal": "principal", "$ServerName": "node_id"}
_ALWAYS: Final = frozenset({*_COLUMNS, filters.ROLES, "$StartTime"})

_Sql: TypeAlias = "tuple[str, tuple[Any, ...]]"


@dataclass(frozen=True, slots=True)
class Translation:
    """A condition that all sessions meet that match (None: no condition), and whether no other session meets it."""

    q: Q | None
    is_exact: bool


_EVERYTHING: Final = Translation(None, is_exact=True)
_UNKNOWN: Final = Translation(None, is_exact=False)
_NOTHING: Final = Translation(Q(pk__in=()), is_exact=True)


def translate(filter: Filter, *, using: str = DEFAULT_DB_ALIAS) -> Translation:
    """See `Translation`. `using` is the database that will be asked for sessions."""
    if connections[using].vendor not in _VENDORS or _conditions(filter.root) > _MOST_CONDITIONS:
        return _UNKNOWN
    return _translated(filter.root, wanted=True)


def _conditions(node: Node) -> int:
    match node:
        case filters.Not():
            return _conditions(node.part)
        case filters.And() | filters.Or():
            return sum(map(_conditions, node.parts))
        case filters.RolesAre():
            return 2 * len(node.sets)
        case _:
            return 1


# --- what holds several


def _translated(node: Node, *, wanted: bool) -> Translation:
    """What meets the node, or what does not. `not` goes down to the leaves, where what is unknown stays unknown."""
    match node:
        case filters.Not():
            return _translated(node.part, wanted=not wanted)
        case filters.And() | filters.Or():
            parts = [_translated(part, wanted=wanted) for part in node.parts]
            return _joined(parts, Q.AND) if isinstance(node, filters.And) is wanted else _any_of(parts)
        case _:
            leaf = _leaf(node)
            return leaf if wanted else _negated(leaf)


def _any_of(parts: list[Translation]) -> Translation:
    if _EVERYTHING in parts:
        return _EVERYTHING
    if _UNKNOWN in parts:
        return _UNKNOWN
    return _joined(parts, Q.OR)


def _joined(parts: list[Translation], connector: str) -> Translation:
    known = [part.q for part in parts if part.q is not None]
    joined = Q(*known, _connector=connector) if len(known) > 1 else None
    return Translation(joined or next(iter(known), None), is_exact=all(part.is_exact for part in parts))


def _negated(leaf: Translation) -> Translation:
    if leaf.q is None:
        return _NOTHING if leaf.is_exact else _UNKNOWN
    return _EVERYTHING if leaf is _NOTHING else Translation(~leaf.q, is_exact=True)


# --- leaves: exact, or unknown


def _leaf(node: Clause) -> Translation:
    match node:
        case filters.All():
            return _EVERYTHING
        case filters.Has():
            return _has(node.key)
        case filters.OneOf():
            return _one_of(node)
        case filters.Matches():
            return _UNKNOWN
        case filters.HasRoles():
            return _exactly(_all_roles(sorted(node.roles)))
        case filters.HasAnyRole():
            return _exactly(_any_role(sorted(node.roles)))
        case filters.RolesAre():
            return _roles_are(node)
        case _:
            assert_never(node)


def _exactly(q: Q) -> Translation:
    return Translation(q, is_exact=True)


def _has(key: str) -> Translation:
    if key in _ALWAYS:
        return _EVERYTHING
    if key == "$ExpiryTime":
        return _exactly(Q(expires_at__isnull=False))
    return _exactly(
        _condition(
            "properties",
            sqlite=("EXISTS(SELECT 1 FROM json_each({}) WHERE key = %s)", (key,)),
            postgresql=("({} ? %s)", (key,)),
        )
    )


def _one_of(node: OneOf) -> Translation:
    values = sorted(node.values)
    if node.key in _COLUMNS:
        return _exactly(Q((f"{_COLUMNS[node.key]}__in", values)))
    if node.key in ("$StartTime", "$ExpiryTime"):
        return _UNKNOWN
    # Compared as JSON, so that a number is not taken for its text.
    return _exactly(
        _condition(
            "properties",
            sqlite=(
                "EXISTS(SELECT 1 FROM json_each({}) WHERE key = %s AND type = 'text'"
                " AND value IN (SELECT value FROM json_each(%s)))",
                (node.key, json.dumps(values)),
            ),
            postgresql=(
                "COALESCE(({} -> %s::text) = ANY(%s::text[]::jsonb[]), FALSE)",
                (node.key, [json.dumps(value) for value in values]),
            ),
        )
    )


def _roles_are(node: RolesAre) -> Translation:
    if not node.sets:
        return _NOTHING
    sets = sorted(map(sorted, node.sets))
    return _joined([_exactly(_all_roles(roles) & _no_other_role(roles)) for roles in sets], Q.OR)


def _all_roles(names: list[str]) -> Q:
    listed = json.dumps(names)
    return _condition(
        "roles",
        sqlite=(
            "((SELECT COUNT(DISTINCT value) FROM json_each({}) WHERE value IN (SELECT value FROM json_each(%s))) = %s)",
            (listed, len(names)),
        ),
        postgresql=("({} @> %s::jsonb)", (listed,)),
    )


def _any_role(names: list[str]) -> Q:
    return _condition(
        "roles",
        sqlite=(
            "EXISTS(SELECT 1 FROM json_each({}) WHERE value IN (SELECT value FROM json_each(%s)))",
            (json.dumps(names),),
        ),
        postgresql=("({} ?| %s::text[])", (names,)),
    )


def _no_other_role(names: list[str]) -> Q:
    listed = json.dumps(names)
    return _condition(
        "roles",
        sqlite=(
            "NOT EXISTS(SELECT 1 FROM json_each({}) WHERE value NOT IN (SELECT value FROM json_each(%s)))",
            (listed,),
        ),
        postgresql=("({} <@ %s::jsonb)", (listed,)),
    )


def _condition(column: str, *, sqlite: _Sql, postgresql: _Sql) -> Q:
    return Q(_Condition(column, sqlite=sqlite, postgresql=postgresql))


class _Condition(Func):
    """A condition on a JSON column of `Session`, in the words of either database; `{}` stands for the column.

    Keys are parameters: Django's own lookups take `0` for an index, and other keys for paths.
    """

    output_field = BooleanField()

    def __init__(self, column: str, *, sqlite: _Sql, postgresql: _Sql) -> None:
        super().__init__(F(column))
        self._sqlite = sqlite
        self._postgresql = postgresql

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_: Any, **__: Any) -> _Sql:
        raise NotSupportedError(f"Filters are not translated for {connection.display_name}.")

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> _Sql:
        return self._written(self._sqlite, compiler)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> _Sql:
        return self._written(self._postgresql, compiler)

    def _written(self, fragment: _Sql, compiler: SQLCompiler) -> _Sql:
        text, parameters = fragment
        column, own = compiler.compile(self.source_expressions[0])
        return text.replace("{}", column), (*own, *parameters)
