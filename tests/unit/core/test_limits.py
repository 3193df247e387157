"""The documented bounds of a room's store."""

from __future__ import annotations

from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits


def test_h10_one_value_is_one_kibibyte() -> None:
    assert StoreLimits().value_bytes == 1_024


def test_h11_a_store_holds_a_hundred_keys() -> None:
    assert StoreLimits().keys == 100


def test_h12_a_store_holds_sixty_four_kibibytes() -> None:
    assert StoreLimits().store_bytes == 65_536


def test_every_key_of_a_full_store_may_be_deleted_and_remembered() -> None:
    assert StoreLimits().keys <= TOMBSTONES_KEPT
