"""The SDK's own tests, which run under node with a socket and a clock driven by hand, and its files as served."""

import re
import shutil
from pathlib import Path

from tests.support.node import (
    CHECKOUT,
    TSC,
    HashedNames,
    assert_tested,
    assert_typed,
    needs_node,
    needs_types,
)

HERE = Path(__file__).parent
SDK = CHECKOUT / "sessionstore_app" / "static" / "sessionstore_app" / "sdk"


@needs_node
def test_the_sdk_does_what_it_promises() -> None:
    tests = [path for path in HERE.glob("*.test.mjs") if TSC.exists() or path.name != "types.test.mjs"]
    assert_tested(*tests, folder=HERE)


@needs_types
def test_the_sdk_is_typed() -> None:
    assert_typed(HERE / "tsconfig.json")


def test_modules_with_hashed_names_find_each_other(tmp_path: Path) -> None:
    names = [path.name for path in SDK.glob("*.js")]
    for name in names:
        shutil.copy(SDK / name, tmp_path)
    storage = HashedNames(location=str(tmp_path), base_url="/static/")
    served = {name: str(hashed) for name, hashed, _ in storage.post_process({name: (storage, name) for name in names})}
    assert served.keys() == set(names)
    for hashed in served.values():
        text = (tmp_path / hashed).read_text()
        imported = re.findall(r'(?:from |import\()"\./([^"]+)"(?:;|\))', text)
        assert set(imported) <= set(served.values()), hashed
    assert f'import("./{served["sessions.js"]}")' in (tmp_path / served["parts.js"]).read_text()
