"""A project without Django's admin is a project all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

SETTINGS = """
from project.settings import *
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("django.contrib.admin", "project")]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "sessionstore_app.urls"
SESSIONSTORE = {}
"""


def test_it_is_checked_and_its_templates_load_our_tags(tmp_path: Path) -> None:
    (tmp_path / "adminless.py").write_text(SETTINGS)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "adminless",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{settings.BASE_DIR}",
    }
    program = "\n".join(
        [
            "import django; django.setup()",
            "from django.core.management import call_command; call_command('check')",
            "from django.template import engines; engines['django'].from_string('{% load sessionstore %}')",
        ]
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
