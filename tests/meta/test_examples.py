"""The Python examples of the pages run as they stand, one after the other, as somebody would who reads along."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.meta.pages import FILTERS, GUIDE, PROTOCOL, PYTHON_API, ROOT, examples, page_id

# Those that leave nothing behind in the process, and need nothing that this project does not have.
RUN = [PYTHON_API, FILTERS, GUIDE, PROTOCOL, ROOT / "docs/operations.md"]


def _of_a_project() -> dict[str, Any]:
    """What examples take from the project that they stand in."""
    order = SimpleNamespace(objects=SimpleNamespace(create=lambda **_: SimpleNamespace(pk=1)))
    return {"__name__": "mysite", "BASE_DIR": Path("/srv"), "Order": order}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", RUN, ids=page_id)
def test_the_examples_of_a_page_run(page: Path) -> None:
    around = _of_a_project()
    shown = examples(page, "python")

    assert shown
    for example in shown:
        exec(compile(example.code, f"{page_id(page)}:{example.line}", "exec"), around)
