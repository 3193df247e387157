"""The demo's two pages as the server renders them: names in addresses, and nothing inline."""

from html.parser import HTMLParser
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse

from project.rooms_demo import NAME_LENGTH, canonical_name

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(1)'>{{7*7}}"


class _Markup(HTMLParser):
    """Collects what a page's markup holds that a strict policy would refuse, and its attributes by id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.by_id: dict[str, dict[str, str | None]] = {}
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)
        if (identity := found.get("id")) is not None:
            assert identity not in self.by_id, f"two elements #{identity}"
            self.by_id[identity] = found


def _page(path: str) -> _Markup:
    response = Client().get(path)
    assert response.status_code == HTTPStatus.OK
    return _Markup(response.content.decode())


def _meeting(room: str) -> str:
    return reverse("meeting", kwargs={"room": room})


@pytest.mark.parametrize("path", ["/", "/?room=standup", "/meeting/standup/", "/roles/"])
def test_a_page_holds_no_inline_script_or_style(path: str) -> None:
    assert _page(path).inline == []


@pytest.mark.parametrize("path", ["/", "/meeting/standup/", "/roles/"])
def test_a_page_forbids_what_is_not_its_own(path: str) -> None:
    policy = Client().get(path).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("room", ["standup", "Büro 3", "会議室 🚀", "50% off?", "a&b=c#d", "x" * NAME_LENGTH])
def test_a_room_of_any_script_has_its_page(room: str) -> None:
    assert _page(_meeting(room)).by_id["meeting"]["data-room"] == room


def test_a_hostile_name_stays_text() -> None:
    for path in (_meeting(HOSTILE.replace("/", "-")), f"/?room={HOSTILE.replace('/', '-')}"):
        page = _page(path)
        assert page.inline == []
        assert page.tags.count("script") == 1


def test_the_door_offers_the_room_of_the_link() -> None:
    assert _page("/?room=standup").by_id["room"]["value"] == "standup"


@pytest.mark.parametrize("room", ["x" * (NAME_LENGTH + 1), "a\x00b", "a\x1bb", "%20"])
def test_a_name_that_no_meeting_can_have_is_not_found(room: str) -> None:
    path = "/meeting/%20/" if room == "%20" else _meeting(room)
    assert Client().get(path).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(("spelt", "meant"), [("Zoe\u0308", "Zoë"), (" standup ", "standup"), ("a  b", "a b")])
def test_another_spelling_leads_to_the_same_room(spelt: str, meant: str) -> None:
    response = Client().get(_meeting(spelt))
    assert response.status_code == HTTPStatus.FOUND
    assert response.headers["Location"] == _meeting(meant)


@pytest.mark.parametrize("name", ["standup", "a b", "Zoë", "", "x" * NAME_LENGTH])
def test_a_canonical_name_is_its_own(name: str) -> None:
    assert canonical_name(name) == name


@pytest.mark.parametrize("name", [".", "..", "a/b", "x" * (NAME_LENGTH + 1), "a\x07"])
def test_what_an_address_cannot_hold_is_no_name(name: str) -> None:
    assert canonical_name(name) == ""


@pytest.mark.parametrize("path", ["/", "/meeting/standup/", "/roles/"])
def test_pages_are_only_read(path: str) -> None:
    assert Client().post(path).status_code == HTTPStatus.METHOD_NOT_ALLOWED
