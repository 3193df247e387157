"""Redis over TLS, alone, behind Sentinel and as a Cluster: entries, layer and cache go there, and to no impostor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.cache.backends.redis import RedisCache

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.testing.acts import contents, setting, write
from sessionstore_app.testing.contract import BackendContract
from tests.support.redis import WAYS, RedisServer, Tls, backend_of, temporary_redis
from tests.support.scenes import assert_shared, two_servers

pytestmark = pytest.mark.redis
# What operations.md promises of a Redis that is out of reach, and what a busy machine adds.
PROMISED_SECONDS = 2.0 + 0.5
HERE = "127.0.0.1"


def certificate(folder: Path, authority: trustme.CA, name: str) -> Path:
    """A certificate with its key, for a host or a client."""
    file = folder / f"{name}.pem"
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


def authority_in(folder: Path) -> tuple[trustme.CA, Path]:
    """Somebody who signs, and the certificate by which he is known."""
    authority, file = trustme.CA(), folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return authority, file


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    authority, ca = authority_in(folder)
    return Tls(ca=ca, certificate=certificate(folder, authority, HERE))


@pytest.fixture(scope="module")
def tls_redis(tls: Tls) -> Iterator[RedisServer]:
    """A server that speaks nothing but TLS."""
    with temporary_redis(tls=tls) as server:
        yield server


@pytest.fixture
def tls_server(tls_redis: RedisServer) -> RedisServer:
    """The same, emptied."""
    with tls_redis.client() as client:
        client.flushall()
    return tls_redis


def address(server: RedisServer, scheme: str = "rediss") -> str:
    """Without what it takes to get there."""
    return f"{scheme}://{HERE}:{server.port}/0"


@pytest.mark.usefixtures("patient")
class TestOverTls(BackendContract):
    @pytest.fixture(params=WAYS)
    async def backend(
        self, tls_server: RedisServer, tls: Tls, request: pytest.FixtureRequest
    ) -> AsyncIterator[Backend]:
        options = {"url": address(tls_server), "ssl_ca_certs": str(tls.ca)}
        async with backend_of(options, request.param) as made:
            yield made


async def assert_kept(options: dict[str, Any]) -> None:
    """What is written is read back, on either way."""
    for version, way in enumerate(WAYS, 1):
        async with backend_of(options, way) as backend:
            assert (await write(backend, setting("a", version))).version == version
            assert await contents(backend) == {"a": version}


async def assert_refused(options: dict[str, Any]) -> None:
    """Neither read nor write gets through, and whoever asks is told so in the promised time, however often."""
    for way in WAYS:
        async with backend_of(options, way) as backend:
            for ask in (lambda: write(backend, setting("a", 1)), lambda: contents(backend)) * 2:
                asked_at = time.monotonic()
                with pytest.raises(Unavailable):
                    await ask()
                assert time.monotonic() - asked_at < PROMISED_SECONDS


async def test_t25_a_certificate_that_another_signed_is_refused(tls_server: RedisServer, tmp_path: Path) -> None:
    _, other = authority_in(tmp_path)
    await assert_refused({"url": address(tls_server), "ssl_ca_certs": str(other)})
    # Nor is it one that the system knows.
    await assert_refused({"url": address(tls_server)})
    with tls_server.client() as client:
        assert client.keys("*") == []


async def test_t25_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    authority, ca = authority_in(tmp_path)
    tls = Tls(ca=ca, certificate=certificate(tmp_path, authority, "localhost"), host="localhost")
    with temporary_redis(tls=tls) as server:
        await assert_kept({"url": f"rediss://localhost:{server.port}/0", "ssl_ca_certs": str(ca)})
        await assert_refused({"url": address(server), "ssl_ca_certs": str(ca)})


async def test_who_speaks_tls_and_who_does_not_never_meet(
    tls_server: RedisServer, tls: Tls, redis_server: RedisServer
) -> None:
    await assert_refused({"url": address(tls_server, "redis")})
    await assert_refused({"url": address(redis_server), "ssl_ca_certs": str(tls.ca)})


async def test_t25_a_server_that_asks_for_certificates_lets_nobody_in_without(tmp_path: Path) -> None:
    authority, ca = authority_in(tmp_path)
    own = certificate(tmp_path, authority, "mysite")
    tls = Tls(ca=ca, certificate=certificate(tmp_path, authority, HERE), client=own)
    stranger = certificate(tmp_path, trustme.CA(), "stranger")
    with temporary_redis(tls=tls) as server:
        trusting = {"url": address(server), "ssl_ca_certs": str(ca)}
        await assert_refused(trusting)
        await assert_refused({**trusting, "ssl_certfile": str(stranger), "ssl_keyfile": str(stranger)})
        await assert_kept({**trusting, "ssl_certfile": str(own), "ssl_keyfile": str(own)})


@pytest.fixture
def watching(tls_server: RedisServer, tmp_path: Path) -> str:
    """The configuration file of a sentinel that watches the server."""
    file = tmp_path / "sentinel.conf"
    file.write_text(f"sentinel monitor main {HERE} {tls_server.port} 1\n")
    return str(file)


async def test_sentinels_are_asked_over_tls_too(watching: str, tls: Tls, tmp_path: Path) -> None:
    _, other = authority_in(tmp_path)
    with temporary_redis(watching, "--tls-replication", "yes", as_sentinel=True, tls=tls) as sentinel:
        watched = {"sentinels": [[HERE, sentinel.port]], "service": "main", "ssl": True}
        await assert_kept({**watched, "ssl_ca_certs": str(tls.ca)})
        await assert_refused({**watched, "ssl_ca_certs": str(other)})


async def test_sentinels_are_asked_without_tls_where_options_of_their_own_say_so(watching: str, tls: Tls) -> None:
    # Port 0: it has what it takes to ask over TLS, and is not to be asked so itself.
    with temporary_redis(watching, *tls.arguments(0), "--tls-replication", "yes", as_sentinel=True) as sentinel:
        watched = {"sentinels": [[HERE, sentinel.port]], "service": "main", "sentinel_kwargs": {"ssl": False}}
        await assert_kept({**watched, "ssl": True, "ssl_ca_certs": str(tls.ca)})


async def test_a_cluster_is_reached_over_tls(tls: Tls, tmp_path: Path) -> None:
    cluster = ("--cluster-enabled", "yes", "--tls-cluster", "yes")
    with temporary_redis(*cluster, tls=tls) as server, server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            pass
        await assert_kept({"url": address(server), "cluster": True, "ssl_ca_certs": str(tls.ca)})
        _, other = authority_in(tmp_path)
        await assert_refused({"url": address(server), "cluster": True, "ssl_ca_certs": str(other)})


async def test_two_servers_share_entries_layer_and_cache_over_tls(tls_server: RedisServer, room: str) -> None:
    with two_servers(tls_server.url) as servers:
        await assert_shared(servers, tls_server, room)


async def test_t25_neither_layer_nor_cache_accepts_a_certificate_that_another_signed(
    tls_server: RedisServer, tmp_path: Path
) -> None:
    _, other = authority_in(tmp_path)
    url = f"{address(tls_server)}?ssl_ca_certs={other}"
    layer = RedisPubSubChannelLayer(hosts=[url])
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        await layer.group_send("everybody", {"type": "said"})
    await layer.flush()
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        await asyncio.to_thread(RedisCache(url, {}).set, "a", 1)
