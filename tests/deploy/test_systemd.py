"""The documented units: systemd takes them, and what they start is started, waited for and told to stop as they say."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessionstore_app import conf
from tests.support.server import CHECKOUT, database, free_port

UNITS = CHECKOUT / "docs" / "deploy"


class _Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _service(name: str) -> Mapping[str, str]:
    unit = _Unit(strict=True)
    unit.read_string((UNITS / name).read_text())
    return unit["Service"]


def _here(text: str) -> str:
    """As it stands, with our folders, our project and its name."""
    for theirs, ours in (
        ("/srv/mysite/.venv", sys.prefix),
        ("/srv/mysite", str(CHECKOUT)),
        ("mysite.asgi", "project.asgi"),
        ("Host: example.com", "Host: 127.0.0.1"),
    ):
        text = text.replace(theirs, ours)
    return text


@pytest.mark.parametrize("unit", ["mysite@.service", "mysite-expire.service", "mysite-expire.timer"])
def test_systemd_takes_the_unit(unit: str, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("SYSTEMD UNITS ARE NOT TESTED: no systemd-analyze on the path.")
    for file in UNITS.glob("*.[st]*"):
        (tmp_path / file.name.replace("@.", "@8001.")).write_text(_here(file.read_text()))
    checked = subprocess.run(
        [program, "verify", "--man=no", tmp_path / unit.replace("@.", "@8001.")],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@contextmanager
def _started(port: int, url: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"DATABASE_URL": url, "ALLOWED_HOSTS": "127.0.0.1"}
    command = shlex.split(_here(_service("mysite@.service")["ExecStart"]).replace("%i", str(port)))
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_started_means_that_it_answers_and_it_stops_when_told() -> None:
    service = _service("mysite@.service")
    with database() as url:
        port = free_port()
        with _started(port, url) as process:
            post = shlex.split(_here(service["ExecStartPost"]).replace("%i", str(port)))
            assert subprocess.run(post, timeout=60).returncode == 0
            process.send_signal(getattr(signal, service["KillSignal"]))
            assert process.wait(float(service["TimeoutStopSec"])) in (0, -signal.SIGTERM)


def test_it_has_the_time_to_drain() -> None:
    service = _service("mysite@.service")
    command = service["ExecStart"].split()
    graceful = float(command[command.index("--timeout-graceful-shutdown") + 1])
    assert float(service["TimeoutStopSec"]) > conf.Settings().drain_seconds + graceful


def test_what_is_idle_is_expired() -> None:
    with database() as url:
        command = shlex.split(_here(_service("mysite-expire.service")["ExecStart"]))
        done = subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"DATABASE_URL": url}, timeout=60)
        assert done.returncode == 0
