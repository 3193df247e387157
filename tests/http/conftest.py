"""A server on PostgreSQL, and callers for each test of the HTTP door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from sessionstore_app import mint_token
from sessionstore_app.services.policy import PERMISSIONS
from tests.support.http import Http
from tests.support.logins import log_in
from tests.support.postgres import temporary_postgres
from tests.support.server import Server, manage, running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The same on PostgreSQL."""
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url) as server:
            yield server


@pytest.fixture(params=["uvicorn", "daphne", "postgres"])
def each_server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn, and one on PostgreSQL."""
    return cast("Server", request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
def ops(server: Server) -> Http:
    """A caller who may do everything."""
    return Http(server.host, mint_token("ops", permissions=PERMISSIONS))


@pytest.fixture
def any_ops(any_server: Server) -> Http:
    """A caller of `any_server` who may do everything."""
    return Http(any_server.host, mint_token("ops", permissions=PERMISSIONS))


@pytest.fixture(scope="session")
def ann(uvicorn_server: Server) -> str:
    """The session cookie of a user of `server` who manages rooms and sees sessions."""
    return log_in(uvicorn_server, "ann", ["manage_room", "view_session"])
