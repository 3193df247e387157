"""Cells of lists that show what strangers wrote: escaped, and with a direction of its own, so that it turns nothing
else around.
"""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

# What a cell shows of a text that is longer.
CELL_LENGTH = 80


def bdi(text: str) -> SafeString:
    """A text of a stranger, shortened; whole in its title."""
    if len(text) <= CELL_LENGTH:
        return format_html("<bdi>{}</bdi>", text)
    return format_html('<bdi title="{}">{}…</bdi>', text, text[:CELL_LENGTH])
