"""A session that is made to observe keys goes on doing so when it comes back, whatever it asked for meanwhile (D35)."""

from __future__ import annotations

from sessionstore_app.core.observer import Interest
from sessionstore_app.models import Membership
from sessionstore_app.services import jobs, memberships, record
from sessionstore_app.services.events import ObserveMore
from tests.services.processes import Process
from tests.support.wire import eventually

Pair = tuple[Process, Process]


async def test_d35_what_it_observes_by_itself_does_not_take_the_place_of_what_it_was_made_to(pair: Pair) -> None:
    """It asks between the record of that and the word of it."""
    client = await pair[0].client("standup")
    await memberships.unobserve(pair[0].hub, client.connection, "standup", ["*"])
    job = jobs.ObserveFor(seen={client.id: jobs.UNSEEN}, interest=Interest(), room="standup", patterns=["made"])
    await record.run(job)
    await memberships.observe(pair[0].hub, client.connection, "standup", ["own"])
    await pair[0].hub.tell_nodes([(pair[0].hub.node_id, ObserveMore((client.id,), "standup", ("made",)))])

    async def both() -> bool:
        return bool((await Membership.objects.aget(left_at=None)).observed == ["made", "own"])

    await eventually(both, "the record has both")
