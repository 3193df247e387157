"""Every refusal says what, why and what to do."""

from __future__ import annotations

from sessionstore_app.core import errors
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import SessionStoreError


def test_an_errors_text_is_its_documentation() -> None:
    assert str(errors.NotJoined()) == "This session has not joined the room."
    assert errors.NotJoined.__doc__ == "This session has not joined the room."


def test_only_the_first_line_of_a_docstring_is_the_text() -> None:
    class Wordy(errors.NotOpen):
        """First line.

        And more.
        """

    assert str(Wordy()) == "First line."


def test_a_class_without_documentation_has_no_text() -> None:
    class Silent(errors.NotOpen):
        pass

    Silent.__doc__ = None
    assert str(Silent()) == ""


def test_a_message_of_its_own_comes_before_the_default() -> None:
    assert str(errors.InvalidParams("`cap` is at least 1.")) == "`cap` is at least 1."


def test_data_holds_reason_and_hint_alone_when_there_are_no_figures() -> None:
    assert errors.NotOpen().data == {"reason": "NOT_OPEN", "hint": "Send session.open first."}


def test_h14_data_holds_the_figures_that_help_to_act() -> None:
    refused = errors.ValueTooLarge(limit=1024, actual=1025, hint="Shorten it.")
    assert refused.data == {"reason": "VALUE_TOO_LARGE", "hint": "Shorten it.", "limit": 1024, "actual": 1025}


def test_p6_a_limit_of_zero_is_told() -> None:
    assert errors.TooManyKeys(limit=0, actual=1).data["limit"] == 0


def test_the_current_entry_is_kept_beside_the_data() -> None:
    entry = Entry(key="a", text="1", version=1)
    conflict = errors.VersionConflict(current=entry)
    assert conflict.current is entry
    assert "current" not in conflict.data


def test_unavailable_says_when_to_come_back() -> None:
    assert errors.Unavailable().data["retry_after_seconds"] == 1.0
    assert "retry_after_seconds" not in errors.Unavailable("Gone.", retry_after_seconds=None).data


def test_p33_only_what_may_pass_later_is_retryable() -> None:
    retryable = {cls.reason for cls in SessionStoreError.__subclasses__() if cls.retryable}
    assert retryable == {"UNAVAILABLE", "RATE_LIMITED", "LOCK_TIMEOUT"}


def test_a_wiped_space_is_an_internal_error_to_clients() -> None:
    assert errors.SpaceWiped().data["reason"] == "INTERNAL_ERROR"
    assert errors.wire_errors()["INTERNAL_ERROR"] == errors.InternalError.code


def test_an_invalid_filter_says_where_what_is_wrong() -> None:
    error = errors.InvalidFilter(errors=(errors.FilterError("Too long.", line=2, column=5),), limit=4, actual=5)
    assert str(error) == "Too long. (Line 2, column 5.)"
    assert error.data["reason"] == "INVALID_FILTER"
    assert error.data["errors"] == [{"message": "Too long.", "line": 2, "column": 5}]
    assert (error.data["limit"], error.data["actual"]) == (4, 5)
