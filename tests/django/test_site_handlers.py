"""The wire's methods of site sessions: what they take, what they answer, and to whom (protocol §5)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast
from unittest import mock
from uuid import uuid4

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.test import TestCase

from sessionstore_app import errors
from sessionstore_app.handlers import site
from sessionstore_app.handlers.caller import Caller
from sessionstore_app.protocol.jsonrpc import error_text
from sessionstore_app.protocol.sitemethods import SITE_METHODS
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.site import site_sessions
from tests.support.sites import age

EVERYTHING = {"view_sitesession", "change_sitesession"}
MEMBERS = ["updateCount", "sessionKey", "data", "created", "updated", "platform", "platformVersion"]


class Holder:
    """Whoever asks, as far as these methods look at it."""

    def __init__(self, *permissions: str) -> None:
        self.identity = Identity(principal="ops", permissions=frozenset(permissions))


async def call(method: str, params: dict[str, Any], *permissions: str) -> Any:
    """What a client with these permissions is answered; with all of them, if none are named."""
    read = msgspec.convert(params, SITE_METHODS[f"site.{method}"])
    handler: Callable[..., Any] = getattr(site, f"site_{method}")
    return json.loads(await handler(cast(Caller, Holder(*(permissions or EVERYTHING))), read))


class SiteMethods(TestCase):
    async def test_g2_g4_results_are_spelled_as_the_protocol_says(self) -> None:
        data = {"message": "hello", "moreData": {"example": "tadah", "é": [1.0, None]}}
        created = await call("create", {"data": data, "platform": "APISERVER", "platform_version": "1"})
        ((uuid, told),) = created.items()
        assert list(told) == MEMBERS
        assert told["updateCount"] == 0
        assert told["sessionKey"] == f"{uuid}_0"
        assert told["data"] == data
        assert (told["platform"], told["platformVersion"]) == ("APISERVER", "1")
        for member in ("created", "updated"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told[member])
        assert await call("load", {"session_keys": [f"{uuid}_0"]}) == created
        assert await call("load", {"session_keys": uuid}) == created

    async def test_g5_a_platform_need_not_be_named(self) -> None:
        (told,) = (await call("create", {"data": {}})).values()
        assert (told["data"], told["platform"], told["platformVersion"]) == ({}, "", "")

    async def test_g20_a_key_may_be_given(self) -> None:
        mine = str(uuid4())
        assert (await call("create", {"data": {}, "session_key": mine})).keys() == {mine}
        with pytest.raises(errors.VersionConflict):
            await call("create", {"data": {}, "session_key": mine})

    async def test_g21_updates_replace_merge_and_check(self) -> None:
        ((uuid, _),) = (await call("create", {"data": {"a": 1}})).items()
        merged = await call("update", {"session_key": f"{uuid}_0", "data": {"b": 2}, "mode": "merge", "check": True})
        assert (merged[uuid]["data"], merged[uuid]["sessionKey"]) == ({"a": 1, "b": 2}, f"{uuid}_1")
        replaced = await call("update", {"session_key": f"{uuid}_0", "data": {"c": 3}})
        assert (replaced[uuid]["data"], replaced[uuid]["updateCount"]) == ({"c": 3}, 2)
        with pytest.raises(errors.VersionConflict):
            await call("update", {"session_key": f"{uuid}_1", "data": {}, "check": True})

    async def test_g22_what_is_not_there_or_past_its_life_is_left_out(self) -> None:
        lives, gone = await site_sessions.acreate({}), await site_sessions.acreate({})
        await sync_to_async(age)(gone.key, 3_600)
        loaded = await call("load", {"session_keys": [gone.key, lives.uuid, str(uuid4())]})
        assert loaded.keys() == {lives.uuid}
        assert await call("load", {"session_keys": []}) == {}

    async def test_g23_a_deletion_tells_which_there_were(self) -> None:
        uuid = (await site_sessions.acreate({})).uuid
        assert await call("delete", {"session_keys": [str(uuid4()), f"{uuid}_0"]}) == {"deleted": 1, "keys": [uuid]}
        assert await call("delete", {"session_keys": uuid}) == {"deleted": 0, "keys": []}

    async def test_g24_statistics_tell_the_period(self) -> None:
        await site_sessions.acreate({})
        assert await call("stats", {}) == {"active": 1, "total": 1, "period_ms": 3_600_000}
        for period_ms in (0, 60_001, 2**53 - 1):
            told = await call("stats", {"period_ms": period_ms})
            assert told == {"active": int(period_ms > 0), "total": 1, "period_ms": period_ms}

    async def test_keys_of_one_request_have_a_limit(self) -> None:
        keys = [str(uuid4()) for _ in range(site.MOST_KEYS)]
        for method in ("load", "delete"):
            await call(method, {"session_keys": keys})
            with pytest.raises(errors.LimitExceeded) as refused:
                await call(method, {"session_keys": [*keys, str(uuid4())]})
            assert (refused.value.limit, refused.value.actual) == (site.MOST_KEYS, site.MOST_KEYS + 1)

    async def test_one_answer_has_a_limit_of_bytes_and_a_single_session_has_not(self) -> None:
        created = [await site_sessions.acreate({"a": "é" * 20}) for _ in range(3)]
        keys = [info.uuid for info in created]
        size = len(created[0].text.encode())
        for at_a_time in (1, 64):
            with mock.patch.multiple(site, MOST_BYTES=2 * size, _AT_A_TIME=at_a_time):
                assert list(await call("load", {"session_keys": [*keys[:2], keys[0]]})) == keys[:2]
                with pytest.raises(errors.LimitExceeded) as refused:
                    await call("load", {"session_keys": keys})
                assert (refused.value.limit, refused.value.actual) == (2 * size, 3 * size)
                assert "fewer" in refused.value.advice
        with mock.patch.object(site, "MOST_BYTES", 1):
            assert list(await call("load", {"session_keys": [keys[0], str(uuid4())]})) == keys[:1]

    async def test_g21_a_conflict_says_for_programs_where_the_session_is(self) -> None:
        first = await site_sessions.acreate({})
        second = await site_sessions.aupdate(first.key, {})
        at = {"sessionKey": second.key, "updateCount": 1}
        for method, params in (
            ("update", {"session_key": first.key, "data": {}, "check": True}),
            ("create", {"session_key": first.uuid, "data": {}}),
        ):
            with pytest.raises(errors.VersionConflict) as refused:
                await call(method, params)
            told = json.loads(error_text(7, refused.value))["error"]["data"]
            assert (told["reason"], told["current"]) == ("VERSION_CONFLICT", at)

    async def test_t6_each_method_needs_its_permission(self) -> None:
        uuid = (await site_sessions.acreate({})).uuid
        needed: dict[str, tuple[dict[str, Any], str]] = {
            "create": ({"data": {}}, "change_sitesession"),
            "load": ({"session_keys": uuid}, "view_sitesession"),
            "update": ({"session_key": uuid, "data": {}}, "change_sitesession"),
            "stats": ({}, "view_sitesession"),
            "delete": ({"session_keys": uuid}, "change_sitesession"),
        }
        assert {f"site.{method}" for method in needed} == SITE_METHODS.keys()
        for method, (params, permission) in needed.items():
            (other,) = EVERYTHING - {permission}
            with pytest.raises(errors.AccessDenied, match="not"):
                await call(method, params, other, "manage_room", "modify_session")
        assert (await site_sessions.astats()).total == 1
        for method, (params, permission) in needed.items():
            await call(method, params, permission)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("create", {}),
        ("create", {"data": []}),
        ("create", {"data": None}),
        ("create", {"data": {}, "platform": "x" * 257}),
        ("create", {"data": {}, "platformVersion": "1"}),
        ("load", {}),
        ("load", {"session_keys": [1]}),
        ("update", {"session_key": str(uuid4())}),
        ("update", {"session_key": str(uuid4()), "data": "text"}),
        ("update", {"session_key": str(uuid4()), "data": {}, "mode": "upsert"}),
        ("update", {"session_key": str(uuid4()), "data": {}, "check": "yes"}),
        ("delete", {"session_keys": None}),
        ("stats", {"period_ms": -1}),
        ("stats", {"period_ms": 0.5}),
    ],
)
def test_parameters_of_another_shape_are_refused(method: str, params: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, SITE_METHODS[f"site.{method}"])
