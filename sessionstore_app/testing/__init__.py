"""For projects that test with us: the contract that every backend keeps, for theirs too.

Needs pytest and pytest-asyncio.
"""

import pytest

# Before they are imported: a broken promise should show both sides, as it does in a project's own tests.
_ASSERTING = ("acts", "fencing", "keeping", "outage", "races", "readings", "sizes", "writes")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _ASSERTING))
