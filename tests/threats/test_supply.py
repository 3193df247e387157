"""T30: what we ask for is never older than where a known hole of its kind was closed, and neither is what is tested."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.meta.pages import ROOT

# Package → the first version without the hole, and what that was. What is older must not be installable.
CLOSED = {
    "django": ("5.2.13", "CVE-2026-3902: header names of ASGI requests"),
    "channels": ("3.0.3", "CVE-2020-35681: answers to another client"),
    "daphne": ("4.2.2", "CVE-2026-44545 and CVE-2026-44546: frames of any size, smuggled headers"),
    "twisted": ("24.7.0", "CVE-2024-41671: pipelined requests"),
    "uvicorn": ("0.11.7", "CVE-2020-7694 and CVE-2020-7695: forged log lines, split responses"),
    "h11": ("0.16.0", "CVE-2025-43859: smuggled requests"),
    "websockets": ("9.1", "CVE-2018-1000518 and CVE-2021-33880: compression bombs, timing of passwords"),
    "redis": ("4.5.5", "CVE-2023-28859: answers to another caller"),
}
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _required() -> Iterator[Requirement]:
    extras = [line for name, lines in _PROJECT["optional-dependencies"].items() if name != "dev" for line in lines]
    yield from map(Requirement, [*_PROJECT["dependencies"], *extras])


@pytest.mark.parametrize("package", CLOSED)
def test_t30_no_version_with_a_known_hole_can_be_installed_with_us(package: str) -> None:
    closed, _ = CLOSED[package]
    floors = [
        Version(each.version)
        for requirement in _required()
        if requirement.name == package
        for each in requirement.specifier
        if each.operator == ">="
    ]
    assert floors
    assert min(floors) >= Version(closed)
    assert Version(version(package)) >= Version(closed)


def test_t30_the_hole_of_another_series_is_left_out_too() -> None:
    """Django 6.0 had the hole until 6.0.3."""
    (django,) = [each for each in _required() if each.name == "django"]
    assert [patch for patch in range(5) if django.specifier.contains(f"6.0.{patch}")] == [4]


def test_t30_everything_that_is_asked_for_has_a_lower_bound() -> None:
    unbounded = [str(each) for each in _required() if not any(one.operator == ">=" for one in each.specifier)]
    assert unbounded == []
