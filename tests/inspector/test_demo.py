"""The demo's meeting has an inspector where the server is in debug mode, and no trace of it anywhere else."""

import pytest
from django.test import Client, override_settings


@pytest.mark.parametrize("is_debugging", [False, True])
def test_only_a_page_in_debug_mode_has_a_place_for_it(is_debugging: bool) -> None:
    with override_settings(DEBUG=is_debugging):
        page = Client().get("/meeting/standup/").content.decode()
    assert ("<session-store-inspector" in page) is is_debugging
    assert ("inspect" in page) is is_debugging
