"""The search that says whether a history of one key is possible finds what is and what is not."""

from __future__ import annotations

import random

from sessionstore_app.testing.registers import Act, is_possible


def sets(begun: int, ended: int, value: str | None) -> Act:
    """A set from one moment to another; None deletes."""
    return Act(begun, ended, "set", value)


def gets(begun: int, ended: int, value: str | None) -> Act:
    """A get."""
    return Act(begun, ended, "get", value)


def test_one_after_the_other_a_get_finds_the_last_set() -> None:
    assert is_possible([])
    assert is_possible([gets(0, 1, None), sets(2, 3, "a"), gets(4, 5, "a"), sets(6, 7, None), gets(8, 9, None)])
    assert not is_possible([sets(0, 1, "a"), sets(2, 3, "b"), gets(4, 5, "a")])
    assert not is_possible([sets(0, 1, "a"), gets(2, 3, None)])
    assert not is_possible([gets(0, 1, "never")])


def test_a_get_during_a_set_may_find_either() -> None:
    for found in (None, "a"):
        assert is_possible([sets(0, 3, "a"), gets(1, 2, found), gets(4, 5, "a")])


def test_what_was_seen_is_not_unseen() -> None:
    assert not is_possible([sets(0, 9, "a"), gets(1, 2, "a"), gets(3, 4, None)])
    assert is_possible([sets(0, 9, "a"), gets(1, 4, "a"), gets(2, 5, None)])


def test_two_sets_at_once_happen_in_one_order_for_everybody() -> None:
    both = [sets(0, 5, "a"), sets(1, 6, "b")]
    assert is_possible([*both, gets(7, 8, "a"), gets(9, 10, "a")])
    assert is_possible([*both, gets(7, 8, "b")])
    assert not is_possible([*both, gets(7, 8, "a"), gets(9, 10, "b")])


def test_a_long_history_is_searched_within_reason() -> None:
    dice, value, history = random.Random(1), None, list[Act]()
    for moment in range(200):
        kind = dice.choice(("set", "get"))
        if kind == "set":
            value = str(moment)
        # Each overlaps the next two.
        history.append(Act(2 * moment, 2 * moment + 5, "set" if kind == "set" else "get", value))
    assert is_possible(history)
    assert not is_possible([*history, gets(1_000, 1_001, "never")])
