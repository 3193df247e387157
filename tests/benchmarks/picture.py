"""A bar picture as SVG, drawn without any library; it follows the reader's light or dark colour scheme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from tests.benchmarks.figures import Bar

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 760, 220, 80
BAR_HEIGHT, BAR_GAP, HEAD_HEIGHT, GROUP_GAP = 16, 6, 26, 14
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2430; }
    .group { font-weight: 600; }
    .ours { fill: #2f6fde; }
    .other { fill: #a3aab8; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6e9f0; }
      .ours { fill: #6ea3ff; }
      .other { fill: #6b7384; }
    }
"""
COMPARED_WITH = ("reference", "one ORM transaction a set", "bare ASGI echo")


def svg(bars: Sequence[Bar]) -> str:
    """Bars are to scale within their group; groups have units of their own."""
    parts: list[str] = []
    top = GROUP_GAP
    for name, members in groupby(bars, key=lambda bar: bar.group):
        group = list(members)
        parts.append(f'<text class="group" x="12" y="{top + 13}">{escape(name)}</text>')
        top += HEAD_HEIGHT
        longest = max(bar.value for bar in group)
        for bar in group:
            parts += drawn(bar, longest, top)
            top += BAR_HEIGHT + BAR_GAP
        top += GROUP_GAP
    body = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" '
        f'aria-label="The figures of the tables as bars">\n  <style>{STYLE}  </style>\n  {body}\n</svg>\n'
    )


def drawn(bar: Bar, longest: float, top: int) -> list[str]:
    width = max(1.0, bar.value / longest * (WIDTH - LABEL_WIDTH - VALUE_WIDTH))
    kind = "other" if bar.label in COMPARED_WITH else "ours"
    return [
        f'<text x="{LABEL_WIDTH - 8}" y="{top + 13}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"/>',
        f'<text x="{LABEL_WIDTH + width + 8:.1f}" y="{top + 13}">{escape(bar.shown)}</text>',
    ]
