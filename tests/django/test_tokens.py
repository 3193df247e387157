"""What tokens are not made for, in code and at the shell: times that no clock tells."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from sessionstore_app import mint_token
from sessionstore_app.services import tokens

NO_TIMES = [0, -1, 1e12, 1e300, float("inf"), float("-inf"), float("nan")]


@pytest.mark.parametrize("seconds", NO_TIMES)
def test_a_token_ends_at_some_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="expires_in is a number of seconds above 0"):
        mint_token("ann", expires_in=seconds)


@pytest.mark.parametrize("seconds", NO_TIMES)
def test_the_command_says_so_too(seconds: float) -> None:
    with pytest.raises(CommandError, match="expires_in is a number of seconds above 0"):
        call_command("sessionstore_token", "--principal", "ann", f"--expires-in={seconds}", stdout=StringIO())


def test_a_token_may_last_for_ages() -> None:
    """To the second; and a second more is too long."""
    end = datetime(9999, 1, 1, tzinfo=UTC)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ages = (end - now).total_seconds()
    with time_machine.travel(now, tick=False):
        assert tokens.read_token(mint_token("ann", expires_in=ages - 1)).expires_at == end.replace(
            year=9998, month=12, day=31, hour=23, minute=59, second=59
        )
        with pytest.raises(ValueError, match="9999"):
            mint_token("ann", expires_in=ages)
