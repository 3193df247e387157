"""The contract of a backend (`sessionstore_app.backends.base`) as tests: one for each promise, named after it.

For a backend of your own, with pytest-asyncio in auto mode:

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def backend(self) -> Iterator[Backend]:
            backend = MyBackend({...})          # empty: what other tests left must be gone
            yield backend
            backend.close()

`OutageContract` is for backends that have a connection to lose.
"""

from __future__ import annotations

from sessionstore_app.testing.fencing import FencePromises
from sessionstore_app.testing.keeping import KeepingPromises
from sessionstore_app.testing.outage import Outage, OutageContract
from sessionstore_app.testing.races import RacePromises
from sessionstore_app.testing.readings import ReadPromises
from sessionstore_app.testing.sizes import SizePromises
from sessionstore_app.testing.writes import WritePromises

__all__ = ["BackendContract", "Outage", "OutageContract"]


class BackendContract(WritePromises, SizePromises, ReadPromises, KeepingPromises, FencePromises, RacePromises):
    """Every promise. Subclasses give a fixture `backend`: a new, empty one for each test."""
