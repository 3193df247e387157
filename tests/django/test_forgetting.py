"""What is past its time goes as fast as it can come (T15)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessionstore_app.models import Lock
from sessionstore_app.services import reaping

pytestmark = pytest.mark.django_db(transaction=True)


async def test_t15_names_of_locks_are_forgotten_faster_than_a_session_makes_new_ones() -> None:
    """One that acquires and releases as fast as it may makes ten a second; this is done once a minute."""
    long_ago = timezone.now() - timedelta(hours=2)
    await Lock.objects.abulk_create(Lock(name=f"lock {number}", changed_at=long_ago) for number in range(1_000))
    await reaping.forget_history()
    assert await Lock.objects.acount() == 0
