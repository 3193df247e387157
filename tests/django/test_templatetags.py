"""`{% site_session %}`: the state of a form, or nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.template import Context, Template
from django.test import TestCase

from sessionstore_app.services.site import site_sessions
from tests.support.sites import age

FORM = (
    '{% load sessionstore %}{% site_session key as saved %}<input value="{{ saved.name }}">{% if saved %}on{% endif %}'
)


def render(**context: Any) -> str:
    return Template(FORM).render(Context(context))


class SiteSessionTag(TestCase):
    def test_it_gives_the_data_of_a_session_escaped_as_all_else(self) -> None:
        key = site_sessions.create({"name": '<b>"Ada"</b>'}).key
        for named in (key, key[:36], UUID(key[:36])):
            assert render(key=named) == '<input value="&lt;b&gt;&quot;Ada&quot;&lt;/b&gt;">on'

    def test_g26_a_session_that_is_not_there_or_past_its_life_gives_nothing(self) -> None:
        key = site_sessions.create({"name": "Ada"}).key
        age(key, 3_600)
        for named in (key, str(uuid4())):
            assert render(key=named) == '<input value="">'

    def test_what_is_no_key_gives_nothing_either(self) -> None:
        assert render() == '<input value="">'
        for named in ("", None, 7, "'; DROP TABLE", "../../x"):
            assert render(key=named) == '<input value="">'


@pytest.mark.django_db
def test_an_empty_object_is_as_good_as_none_in_a_condition() -> None:
    assert render(key=site_sessions.create({}).key) == '<input value="">'
