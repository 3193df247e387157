"""What a measurement hands on: rows for a table, bars for the picture, and whether each target was met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


class FailedError(Exception):
    """A measurement came to no figure; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One promise and what came of it."""

    promise: str
    found: str
    met: bool

    def line(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.promise}: {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the picture, named in a group of bars that share a unit."""

    group: str
    label: str
    value: float
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Everything one scenario found. `name` is what chooses it on the command line and marks it in the docs."""

    name: str
    table: Table
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    bars: tuple[Bar, ...] = ()

    def markdown(self) -> str:
        return "\n\n".join([self.table.markdown(), *self.notes])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def at_most(promise: str, value: float, reference: float, target: float) -> Verdict:
    """`value` has to stay within the reference divided by `target`."""
    ratio = reference / value
    return Verdict(promise=f"{promise} at most 1/{target:g}", found=f"1/{ratio:.1f}", met=ratio >= target)


def at_least(promise: str, value: float, reference: float, target: float) -> Verdict:
    ratio = value / reference
    return Verdict(promise=f"{promise} at least {target:g} times", found=f"{ratio:.1f} times", met=ratio >= target)


def within(promise: str, value: float, limit: float, unit: str) -> Verdict:
    return Verdict(promise=f"{promise} at most {limit:g} {unit}", found=f"{value:.1f} {unit}", met=value <= limit)
