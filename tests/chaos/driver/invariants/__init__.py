"""The promises, each a pure function over what was written down and how things stand at the end."""

from __future__ import annotations

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History
from tests.chaos.driver.invariants.bounds import (
    i8_limits_hold_at_any_instant,
    i15_nothing_is_left_open,
    i16_logs_are_clean,
)
from tests.chaos.driver.invariants.observers import (
    i2_versions_never_go_back,
    i6_all_see_the_same,
    i7_nothing_is_left_out,
)
from tests.chaos.driver.invariants.rights import i13_a_revoked_right_is_gone, i14_site_sessions_end_in_time
from tests.chaos.driver.invariants.sessions import (
    i9_each_session_opens_and_closes_once,
    i10_rooms_are_cleared_once,
    i11_no_ghosts,
)
from tests.chaos.driver.invariants.stores import i5_stores_without_versions_are_exact, i12_private_stores_are_private
from tests.chaos.driver.invariants.violation import Check, Violation
from tests.chaos.driver.invariants.writes import (
    i1_nothing_acknowledged_is_lost,
    i3_order_is_that_of_time,
    i4_guards_and_fences_are_exact,
)

CHECKS: tuple[Check, ...] = (
    i1_nothing_acknowledged_is_lost,
    i2_versions_never_go_back,
    i3_order_is_that_of_time,
    i4_guards_and_fences_are_exact,
    i5_stores_without_versions_are_exact,
    i6_all_see_the_same,
    i7_nothing_is_left_out,
    i8_limits_hold_at_any_instant,
    i9_each_session_opens_and_closes_once,
    i10_rooms_are_cleared_once,
    i11_no_ghosts,
    i12_private_stores_are_private,
    i13_a_revoked_right_is_gone,
    i14_site_sessions_end_in_time,
    i15_nothing_is_left_open,
    i16_logs_are_clean,
)


def check(history: History, final: Final) -> list[Violation]:
    """All violations of all promises."""
    return [violation for each in CHECKS for violation in each(history, final)]
