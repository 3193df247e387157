"""What a process says that it does in a second."""

from __future__ import annotations

from sessionstore_app.services.jobs import Rates
from sessionstore_app.services.line import Counters
from sessionstore_app.services.presence import Gauge


def test_rates_are_of_the_time_since_they_were_read() -> None:
    gauge, counters = Gauge(), Counters(writes=10, deliveries=100)
    # Nothing is known of the time before.
    assert gauge.read(counters, 100.0) is None
    counters.writes, counters.deliveries = 20, 400
    assert gauge.read(counters, 105.0) == Rates(writes=2.0, deliveries=60.0)
    assert gauge.read(counters, 110.0) == Rates(writes=0.0, deliveries=0.0)
    assert gauge.read(counters, 110.0) is None
