"""Locks: who holds them and who waits; released by force, once it is confirmed and only as it was shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE as CHANGED
from django.test import Client

from sessionstore_app import errors, locks
from sessionstore_app.models import Lock, LockRequest, Session
from sessionstore_app.services import bridge
from sessionstore_app.services import locks as service
from sessionstore_app.services.news import Events, LockNews
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, address, counted, said, text_of

LIST = "/admin/sessionstore_app/lock/"
VIEW = "view_lock"
CHANGE = "change_lock"


def person(name: str) -> str:
    return Session.objects.create(id=f"session-{name}", principal=name, node_id="n1").id


def wait(name: str, session_id: str) -> None:
    """Stand in line for a lock that is held."""
    lock = Lock.objects.get(name=name)
    LockRequest.objects.create(lock=lock, session_id=session_id)


@pytest.fixture
def ann(transactional_db: None) -> str:
    return person("ann")


@pytest.fixture
def bo(transactional_db: None) -> str:
    return person("bo")


def holder(name: str) -> str | None:
    found = locks.get(name)
    return None if found is None else found.session_id


def listed(client: Client, query: str = "") -> list[str]:
    response = client.get(LIST + query)
    assert response.status_code == 200
    return [lock.name for lock in response.context["cl"].result_list]


def fields_of(response: Any) -> dict[str, list[str]]:
    """What the form of a page that asks hands back."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.content.decode()):
        found.setdefault(name, []).append(value)
    return found


def asked(client: Client, name: str) -> tuple[str, dict[str, list[str]]]:
    """Where a lock is released, and what its page asks to be confirmed."""
    target = address("lock", "release", Lock.objects.get(name=name).pk)
    response = client.get(target)
    assert response.status_code == 200
    return target, fields_of(response)


# --- what is shown


def test_a_row_says_who_holds_it_since_when_and_how_many_wait(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, "view_session")
    sequence = locks.acquire("desk", ann, scope="connection")
    wait("desk", bo)
    response = client.get(LIST)
    text = text_of(response)
    for part in ("desk", ann, "ann", "connection", str(sequence)):
        assert part in text
    assert response.context["cl"].result_list[0].waiters == 1
    assert address("session", "change", "session-ann") in response.content.decode()


def test_held_ones_are_listed_unless_others_are_asked_for(staff: Staff, ann: str) -> None:
    client = staff(VIEW)
    for name in ("b", "a", "free"):
        locks.acquire(name, ann)
    locks.release("free")
    assert listed(client) == listed(client, "?held=yes") == listed(client, "?held=other") == ["a", "b"]
    assert listed(client, "?held=no") == ["free"]
    assert listed(client, "?held=all") == ["a", "b", "free"]


def test_locks_are_found_by_name_and_by_principal(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW)
    locks.acquire("slides", ann)
    locks.acquire("desk", bo)
    assert listed(client, "?q=lide") == ["slides"]
    assert listed(client, "?q=bo") == ["desk"]


def test_the_list_asks_as_much_for_many_as_for_few(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, CHANGE, "view_session")
    locks.acquire("lock-0", ann)
    client.get(LIST)
    with counted() as few:
        client.get(LIST)
    for position in range(1, 30):
        holds = person(f"p{position}")
        locks.acquire(f"lock-{position}", holds)
        wait(f"lock-{position}", bo)
    with counted() as many:
        assert len(listed(client)) == 30
    assert len(few) == len(many) <= 8


def test_its_page_tells_the_queue_in_order(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, "view_session")
    cy = person("cy")
    sequence = locks.acquire("desk", ann)
    wait("desk", cy)
    wait("desk", bo)
    response = client.get(address("lock", "change", Lock.objects.get().pk))
    text = text_of(response)
    assert str(sequence) in text
    assert text.index(ann) < text.index(cy) < text.index(bo)
    assert address("session", "change", cy) in response.content.decode()


def test_a_long_queue_is_named_in_part_with_a_fixed_number_of_questions(staff: Staff, ann: str) -> None:
    client = staff(VIEW, "view_session")
    locks.acquire("desk", ann)
    lock = Lock.objects.get()
    page = address("lock", "change", lock.pk)
    sessions = Session.objects.bulk_create(Session(id=f"w{position:03}") for position in range(130))
    LockRequest.objects.bulk_create(LockRequest(lock=lock, session=session) for session in sessions)
    with counted() as queries:
        text = text_of(client.get(page))
    assert "w099" in text
    assert "w100" not in text
    assert "And 30 more." in text
    assert len(queries) <= 8


def test_a_free_lock_has_no_holder_and_nothing_to_release(staff: Staff, ann: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    locks.release("desk")
    pk = Lock.objects.get().pk
    text = text_of(client.get(address("lock", "change", pk)))
    assert "free" in text
    assert "Release by force" not in text
    response = client.get(address("lock", "release", pk), follow=True)
    assert "there is nothing to release" in text_of(response)


def test_who_may_not_view_sessions_gets_no_links_to_them(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW)
    locks.acquire("desk", ann)
    wait("desk", bo)
    for target in (LIST, address("lock", "change", Lock.objects.get().pk)):
        assert "/sessionstore_app/session/" not in client.get(target).content.decode()


def test_hostile_names_are_text(staff: Staff) -> None:
    client = staff(VIEW, CHANGE, "view_session")
    # As long as a name may be, and with every sign that one may have.
    name = HOSTILE[:128]
    for session_id in ("s1", "s2"):
        Session.objects.create(id=session_id, principal=HOSTILE)
    locks.acquire(name, "s1")
    wait(name, "s2")
    pk = Lock.objects.get().pk
    target = address("lock", "release", pk)
    pages = [client.get(LIST), client.get(address("lock", "change", pk)), client.get(target)]
    pages.append(client.post(target, fields_of(pages[-1]), follow=True))
    assert holder(name) == "s2"
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()


# --- release by force


def test_a_lock_is_taken_away_once_it_is_confirmed_and_the_next_has_it(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, CHANGE)
    sequence = locks.acquire("desk", ann)
    wait("desk", bo)
    pk = Lock.objects.get().pk
    assert "Release by force" in text_of(client.get(address("lock", "change", pk)))
    page = client.get(address("lock", "release", pk))
    for part in ("desk", ann, str(sequence), bo):
        assert part in text_of(page)
    assert holder("desk") == ann
    done = client.post(address("lock", "release", pk), fields_of(page), follow=True)
    assert f"desk was released; {bo} has it now." in re.sub(r" (?=[.;])", "", text_of(done))
    assert holder("desk") == bo
    written = f"Released by force: session {ann} held it, sequence {sequence}."
    assert said() == [(str(pk), CHANGED, "desk", written)]


def test_the_old_holder_is_told_and_so_is_the_new(
    staff: Staff, ann: str, bo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = staff(VIEW, CHANGE)
    sequence = locks.acquire("desk", ann)
    wait("desk", bo)
    target, fields = asked(client, "desk")
    told: list[LockNews] = []

    async def hear(happened: Events) -> None:
        told.extend(happened.locks)

    monkeypatch.setattr(service, "tell", hear)
    client.post(target, fields)
    lost, granted = told
    assert (lost.session_id, lost.sequence, lost.is_lost) == (ann, sequence, True)
    assert (granted.session_id, granted.is_lost) == (bo, False)
    assert granted.sequence > sequence


def test_the_service_releases_a_hold_and_no_other(ann: str, bo: str) -> None:
    sequence = locks.acquire("desk", ann)
    wait("desk", bo)
    assert bridge.run(service.release("desk", sequence=sequence - 1)) is False
    assert bridge.run(service.release("desk", sequence=sequence)) is True
    found = locks.get("desk")
    assert found is not None
    assert found.session_id == bo
    # Its next holder's hold is another one.
    assert bridge.run(service.release("desk", sequence=sequence)) is False
    assert bridge.run(service.release("desk", only=ann, sequence=found.sequence)) is False
    assert bridge.run(service.release("desk", only=bo, sequence=found.sequence)) is True


def test_a_lock_that_went_on_meanwhile_is_left_as_it_is(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    target, fields = asked(client, "desk")
    locks.release("desk")
    locks.acquire("desk", bo)
    assert "desk was not released: it went on meanwhile" in re.sub(
        " +", " ", text_of(client.post(target, fields, follow=True))
    )
    assert holder("desk") == bo
    # The same session again is another hold all the same.
    locks.release("desk")
    locks.acquire("desk", ann)
    client.post(target, fields)
    assert holder("desk") == ann
    locks.release("desk")
    client.post(target, fields)
    assert said() == []


def test_it_goes_on_between_looking_and_releasing(
    staff: Staff, ann: str, bo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment at which a lock can change hands: the record decides."""
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    wait("desk", bo)
    target, fields = asked(client, "desk")
    release = service.release

    async def late(name: str, **options: Any) -> bool:
        assert await release(name, only=ann)
        return await release(name, **options)

    monkeypatch.setattr(service, "release", late)
    assert "was not released" in text_of(client.post(target, fields, follow=True))
    assert holder("desk") == bo
    assert said() == []


def test_a_selection_is_released_and_each_is_written_down(staff: Staff, ann: str, bo: str) -> None:
    client = staff(VIEW, CHANGE)
    for name in ("a", "b", "c", "free"):
        locks.acquire(name, ann)
    locks.release("free")
    wait("b", bo)
    chosen = {lock.name: str(lock.pk) for lock in Lock.objects.all()}
    picked = [chosen["a"], chosen["b"], chosen["free"]]
    page = client.post(f"{LIST}?held=all", {"action": "release_chosen", "_selected_action": picked, "index": 0})
    assert "Release 2 locks by force?" in text_of(page)
    # One of them goes on while it is read.
    locks.release("a")
    locks.acquire("a", bo)
    done = client.post(LIST, fields_of(page), follow=True)
    text = text_of(done)
    assert "a was not released" in re.sub(" +", " ", text)
    assert [holder(name) for name in "abc"] == [bo, bo, ann]
    assert [entry[:3] for entry in said()] == [(chosen["b"], CHANGED, "b")]


def test_all_that_is_found_can_be_released(staff: Staff, ann: str) -> None:
    client = staff(VIEW, CHANGE)
    for position in range(5):
        locks.acquire(f"desk-{position}", ann)
    locks.acquire("chair", ann)
    some = [str(Lock.objects.first().pk)]  # type: ignore[union-attr]  # just made
    page = client.post(
        f"{LIST}?q=desk", {"action": "release_chosen", "_selected_action": some, "index": 0, "select_across": 1}
    )
    assert "Release 5 locks by force?" in text_of(page)
    client.post(f"{LIST}?q=desk", fields_of(page))
    assert [lock.name for lock in locks.list()] == ["chair"]


def test_too_many_at_once_are_refused(staff: Staff, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessionstore_app.admin.lockacts.MOST", 1)
    client = staff(VIEW, CHANGE)
    locks.acquire("a", ann)
    locks.acquire("b", ann)
    chosen = [str(lock.pk) for lock in Lock.objects.all()]
    fields = {"action": "release_chosen", "_selected_action": chosen, "index": 0}
    assert "At most 1 locks" in text_of(client.post(LIST, fields, follow=True))


@pytest.mark.parametrize("hold", ["", "x", "1", "1:", ":1", "-1:5", "9" * 30 + ":1", "1:1:1", "٣:٣"])
def test_what_no_page_asked_releases_nothing(staff: Staff, ann: str, hold: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    lock = Lock.objects.get()
    target = address("lock", "release", lock.pk)
    client.post(target, {"hold": hold, "post": "yes"})
    client.post(target)
    client.post(LIST, {"action": "release_chosen", "_selected_action": [lock.pk], "post": "yes", "hold": hold})
    assert holder("desk") == ann
    assert said() == []


def test_a_page_releases_no_other_lock(staff: Staff, ann: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    locks.acquire("chair", ann)
    _target, fields = asked(client, "chair")
    client.post(address("lock", "release", Lock.objects.get(name="desk").pk), fields)
    assert [lock.name for lock in locks.list()] == ["chair", "desk"]


def test_a_lock_that_was_forgotten_meanwhile_is_said_to_be_gone(staff: Staff, ann: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    target, fields = asked(client, "desk")
    chosen = {**fields, "action": "release_chosen", "_selected_action": ["1"]}
    Lock.objects.all().delete()
    for response in (client.get(target, follow=True), client.post(target, fields, follow=True)):
        assert "There is no such lock any more" in text_of(response)
    assert "A lock is gone" in text_of(client.post(LIST, chosen, follow=True))


def test_a_record_out_of_reach_is_said_to_be(staff: Staff, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    target, fields = asked(client, "desk")

    async def away(*_: object, **__: object) -> bool:
        raise errors.Unavailable

    monkeypatch.setattr(service, "release", away)
    assert "cannot be reached" in text_of(client.post(target, fields, follow=True))
    monkeypatch.undo()
    assert holder("desk") == ann
    assert bridge.run(service.release("desk"))


# --- who may


@pytest.mark.parametrize("held", [(), (CHANGE,), ("view_session", "modify_session", "acquire_lock")])
def test_pages_need_the_permission_to_view(staff: Staff, ann: str, held: tuple[str, ...]) -> None:
    client = staff(*held)
    locks.acquire("desk", ann)
    pk = Lock.objects.get().pk
    for target in (LIST, address("lock", "change", pk), address("lock", "release", pk)):
        assert client.get(target).status_code == 403


@pytest.mark.parametrize("held", [(), (CHANGE,), (VIEW,), (VIEW, "delete_lock", "modify_session")])
def test_nobody_releases_without_both_permissions(staff: Staff, ann: str, held: tuple[str, ...]) -> None:
    client = staff(*held)
    locks.acquire("desk", ann)
    lock = Lock.objects.get()
    hold = f"{lock.pk}:{lock.sequence}"
    assert client.post(address("lock", "release", lock.pk), {"hold": hold, "post": "yes"}).status_code == 403
    for action in ("release_chosen", "delete_selected"):
        client.post(LIST, {"action": action, "_selected_action": [lock.pk], "post": "yes", "hold": hold})
    assert holder("desk") == ann
    assert said() == []


def test_who_only_views_is_offered_no_release(staff: Staff, ann: str) -> None:
    client = staff(VIEW)
    locks.acquire("desk", ann)
    assert "Release" not in text_of(client.get(LIST))
    assert "Release" not in text_of(client.get(address("lock", "change", Lock.objects.get().pk)))


def test_forms_of_other_sites_are_refused(staff: Staff, ann: str) -> None:
    client = staff(VIEW, CHANGE)
    locks.acquire("desk", ann)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    target, fields = asked(client, "desk")
    del fields["csrfmiddlewaretoken"]
    assert strict.post(target, fields).status_code == 403
    assert holder("desk") == ann
