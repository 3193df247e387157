"""Finds and starts a Chromium that does nothing but what a test asks of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

# A busy machine may need this long for what usually takes a tenth of a second.
LIMIT_MS = 15_000
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No background traffic, so that the only requests are the pages' own.
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser. Skips the test where there is none."""
    with sync_playwright() as playwright:
        path = _find(playwright)
        if path is None:
            pytest.skip(f"CHROMIUM IS NOT TESTED: none of {', '.join(_NAMES)} on the path, none of Playwright's own.")
        expect.set_options(timeout=LIMIT_MS)
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def _find(playwright: Playwright) -> str | None:
    on_path = (shutil.which(name) for name in _NAMES)
    own = playwright.chromium.executable_path
    return next((path for path in on_path if path), own if os.path.exists(own) else None)
