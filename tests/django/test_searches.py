"""What a filter may cost whoever else is served (T17): it ends in time, and acts ask it no more than they must."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sessionstore_app import errors, sessions
from sessionstore_app.backends import waiting
from sessionstore_app.core.filters import Filter
from sessionstore_app.models import Session
from sessionstore_app.services import directory

pytestmark = pytest.mark.django_db(transaction=True)

# No database can answer it.
ASKED = '$SessionId matches "session-.*"'


@pytest.fixture
def ids() -> list[str]:
    """Open sessions, by id."""
    made = [Session(id=f"session-{number}", revision=1) for number in range(3)]
    return [session.id for session in Session.objects.bulk_create(made)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions that a filter was asked about."""
    found: list[str] = []
    matches = Filter.matches

    def noted(self: Filter, properties: Mapping[str, str]) -> bool:
        found.append(properties["$SessionId"])
        return matches(self, properties)

    monkeypatch.setattr(Filter, "matches", noted)
    return found


async def test_t17_who_asks_for_too_much_is_told_so_before_it_is_told_that_nobody_answers(
    ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert directory.FILTER_SECONDS < waiting.PATIENCE_SECONDS
    monkeypatch.setattr(directory, "FILTER_SECONDS", 0.0)
    for ask in (sessions.alist, sessions.acount):
        with pytest.raises(errors.LimitExceeded):
            await ask(ASKED)
    with pytest.raises(errors.LimitExceeded):
        await sessions.aterminate(filter=ASKED)
    assert (await sessions.acount("all")).total == len(ids)


async def test_t17_an_act_by_filter_asks_once_about_each_session(ids: list[str], asked: list[str]) -> None:
    """While the rows are locked nothing else is recorded."""
    assert await sessions.aset_properties({"k": "1"}, filter=ASKED) == len(ids)
    assert sorted(asked) == ids


async def test_p27_an_act_by_filter_asks_again_about_a_session_that_changed_meanwhile(
    ids: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = directory.find

    def find_and_change(*arguments: Any, **named: Any) -> list[directory.Found]:
        found = find(*arguments, **named)
        Session.objects.filter(id=ids[0]).update(revision=2)
        return found

    monkeypatch.setattr(directory, "find", find_and_change)
    assert await sessions.aset_properties({"k": "1"}, filter=ASKED) == len(ids)
    assert sorted(asked) == [ids[0], *ids]
