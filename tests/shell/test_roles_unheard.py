"""What becomes of roles that were changed by a process of which the channel layer brings no word."""

from __future__ import annotations

from sessionstore_app import mint_token
from tests.support.server import database, manage, running
from tests.support.wire import Wire, eventually

SETTINGS = {"POLICY": "tests.support.policies.RolePolicy", "NODE_RENEW_SECONDS": 0.2, "ALLOW_ANONYMOUS": True}


async def test_p47_rights_that_were_taken_unheard_are_gone_with_the_next_renewal() -> None:
    with database() as url, running(settings=SETTINGS, database_url=url) as server:
        watcher = await Wire.connect(server.address)
        await watcher.open(token=mint_token("ann", roles=["watcher"]))
        await watcher.call("session.list")
        act = f"sessions.change_roles(remove=['watcher'], session_id={watcher.id!r})"
        manage("shell", "-c", f"from sessionstore_app import sessions; {act}", database_url=url)

        async def is_refused() -> bool:
            return "error" in await watcher.ask("session.list")

        await eventually(is_refused, "the roles are those of the record")
