"""With CI=true a skipped test fails the run: what is skipped there for want of PostgreSQL or Chromium is never tested.

Used as a plugin: `pytest_plugins = ["tests.support.skips"]`.
"""

from __future__ import annotations

import os

import pytest

_SKIPPED = pytest.StashKey[list[str]]()
_config: list[pytest.Config] = []


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SKIPPED] = []
    _config[:] = [config]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # An expected failure is reported as skipped too, but it did run.
    if report.skipped and not hasattr(report, "wasxfail"):
        _note(report.nodeid, report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _note(report.nodeid, report.longrepr)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _forbidden(session.config) and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    forbidden = _forbidden(config)
    if forbidden:
        terminalreporter.section("skipped, which CI=true forbids", red=True, bold=True)
        for line in forbidden:
            terminalreporter.write_line(line)


def _note(nodeid: str, longrepr: object) -> None:
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    _config[0].stash[_SKIPPED].append(f"{nodeid}: {reason}")


def _forbidden(config: pytest.Config) -> list[str]:
    return config.stash[_SKIPPED] if os.environ.get("CI", "").lower() in {"true", "1"} else []
