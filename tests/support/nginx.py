"""The documented nginx in front of servers of a test: the same file, with other ports and folders."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.server import CHECKOUT, Server, free_port

EXAMPLE = CHECKOUT / "docs" / "deploy" / "nginx.conf"
_START_SECONDS = 20
_AROUND = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    types {{ text/html html; text/css css; text/javascript js; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/mysite.conf;
}}
"""


class Nginx:
    """One that runs."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder

    @property
    def host(self) -> str:
        """Host and port, as an address names them."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """Where the socket is."""
        return f"ws://{self.host}/ws/sessionstore/"

    @property
    def log(self) -> str:
        """All requests so far."""
        return (self._folder / "access.log").read_text(errors="replace")

    @property
    def errors(self) -> str:
        """All that went wrong so far."""
        return (self._folder / "error.log").read_text(errors="replace")


def find_nginx() -> str | None:
    """The program, where Debian puts it too."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextmanager
def documented_nginx(servers: Sequence[Server], statics: Path | None = None) -> Iterator[Nginx]:
    """Run it in front of these servers, two of them. Skips the test where nginx is not installed."""
    program = find_nginx()
    if program is None:
        pytest.skip("NGINX IS NOT TESTED: no nginx on the path.")
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-")), free_port()
    try:
        (folder / "mysite.conf").write_text(_adapted(EXAMPLE.read_text(), port, servers, folder, statics))
        # Started as root it would serve as somebody who may not look into our folders.
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))
        with subprocess.Popen([program, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]) as process:
            try:
                _wait_until_it_listens(process, port, folder)
                yield Nginx(port, folder)
            finally:
                process.terminate()
                process.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _adapted(example: str, port: int, servers: Sequence[Server], folder: Path, statics: Path | None) -> str:
    changed = [
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("server_name example.com;", "server_name 127.0.0.1;"),
        ("/var/log/nginx/mysite.log", f"{folder}/access.log"),
        ("/srv/mysite/static/", f"{statics or folder}/"),
        *((f"127.0.0.1:{8001 + place}", f"127.0.0.1:{server.port}") for place, server in enumerate(servers)),
    ]
    for old, new in changed:
        assert example.count(old) == 1, f"the example has {example.count(old)} times {old!r}"
        example = example.replace(old, new)
    assert len(re.findall(r"^ +server 127", example, re.MULTILINE)) == len(servers)
    return example


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, (folder / "error.log").read_text()
        assert time.monotonic() < deadline, "nginx does not listen"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
