"""The SDK's own tests, which run under node with a socket and a clock driven by hand, and its files as served."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sessionstore_app" / "static" / "sessionstore_app" / "sdk"
TSC = HERE / "node_modules" / ".bin" / "tsc"
SECONDS = 120


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the SDK goes untested")
def test_the_sdk_does_what_it_promises() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs") if TSC.exists() or path.name != "types.test.mjs")
    run = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=SECONDS, cwd=HERE)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript is not installed (make sdk): the SDK's types go unchecked")
def test_the_sdk_is_typed() -> None:
    run = subprocess.run([str(TSC), "--project", "."], capture_output=True, text=True, timeout=SECONDS, cwd=HERE)
    assert run.returncode == 0, run.stdout + run.stderr


class HashedNames(ManifestStaticFilesStorage):
    """As a project would configure it."""

    support_js_module_import_aggregation = True


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
