"""A process that starts while the database is away: sockets are put off, and its log holds no traceback (I16)."""

from __future__ import annotations

from tests.support.server import free_port, running
from tests.support.wire import Wire, refused_handshake


def _nobodys() -> str:
    """A database that nobody serves."""
    return f"postgresql://nobody@127.0.0.1:{free_port()}/none"


async def test_a_handshake_is_answered_503() -> None:
    with running(database_url=_nobodys()) as server:
        assert await refused_handshake(server.address) == 503


async def test_where_the_server_knows_one_status_only_the_socket_is_closed_and_may_come_again() -> None:
    with running(kind="daphne", database_url=_nobodys()) as server:
        wire = await Wire.connect(server.address)
        await wire.expect_closed(4001)
