"""The HTTP door: the methods that need no socket, their documents, and whether this process is well.

It knows who asks and how calls travel in requests; what a call does is the handlers' business, as on a socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from sessionstore_app import __version__, conf, methodspage
from sessionstore_app.core.errors import (
    AccessDenied,
    InternalError,
    InvalidParams,
    ParseError,
    SessionStoreError,
    Unavailable,
    WrongTransport,
)
from sessionstore_app.handlers import HANDLERS
from sessionstore_app.handshake import TOKEN_NAMES
from sessionstore_app.httpcaller import HttpCaller
from sessionstore_app.protocol import gate, jsonrpc
from sessionstore_app.protocol import methods as wire
from sessionstore_app.protocol.catalog import CATALOG
from sessionstore_app.protocol.jsonrpc import Batch, Call, Refused, Request
from sessionstore_app.protocol.openrpc import document
from sessionstore_app.services import directory, hub, identity, record, tokens
from sessionstore_app.services.policy import ANONYMOUS, Identity

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

logger = logging.getLogger("sessionstore_app")

_JSON: Final = "application/json"
# Where the socket is, unless the project has put it elsewhere.
_SOCKET_PATH: Final = "/ws/sessionstore/"
# Pages from which a cookie counts, as far as browsers say it.
_OWN_SITE: Final = frozenset({"same-origin", "same-site", "none"})

# What is told to one caller is nobody else's, and never a page.
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_under_way: set[asyncio.Task[Any]] = set()


class _Forbidden(Exception):
    """The request may come from another site's page."""


def outside_transactions(view: View) -> View:
    """Whatever ATOMIC_REQUESTS says of any database: each call commits what it did, before it is answered."""
    for alias in django_settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


# --- calls


@outside_transactions
@csrf_exempt
@require_POST
async def rpc(request: HttpRequest) -> HttpResponse:
    """One JSON-RPC 2.0 call, or a batch of them. Cookies count only with CSRF protection: see `_identify`."""
    if not _is_json(request):
        return _plain(415, "The body is JSON in UTF-8: Content-Type is application/json.")
    try:
        body = _body(request)
    except UnreadablePostError:
        return _plain(400, "The body could not be read.")
    if body is None:
        return _plain(413, f"The body is larger than {conf.current().http_body_bytes} bytes (HTTP_BODY_BYTES).")
    if not TOKEN_NAMES.isdisjoint(request.GET):
        logger.warning("A token in an address was ignored, and may now be in logs; it belongs into Authorization.")
    caller = await _let_in(request)
    if isinstance(caller, HttpResponse):
        return caller
    return _answer(await _to_its_end(_run(caller, _parse(body))))


def _is_json(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8")
    coding = request.headers.get("Content-Encoding", "identity")
    return request.content_type == _JSON and charset.lower() == "utf-8" and coding.lower() == "identity"


def _body(request: HttpRequest) -> bytes | None:
    """The body; None where it is too long, whatever length was declared."""
    limit = conf.current().http_body_bytes
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        declared = 0
    if declared > limit:
        return None
    body: bytes = request.read(limit + 1)
    return body if len(body) <= limit else None


async def _let_in(request: HttpRequest) -> HttpCaller | HttpResponse:
    """Who calls; or the answer, where that is nobody or cannot be known."""
    try:
        return HttpCaller(await _identify(request))
    except _Forbidden as error:
        return _plain(403, str(error))
    except AccessDenied as error:
        return _answer(jsonrpc.error_text(None, error), 401, {"WWW-Authenticate": "Bearer"})
    except Unavailable as error:
        return _answer(jsonrpc.error_text(None, error), 503, {"Retry-After": "1"})
    except Exception:  # a session engine, a user model or middleware of the project
        logger.exception("Who calls over HTTP could not be found out.")
        return _answer(jsonrpc.error_text(None, InternalError()), 500)


async def _identify(request: HttpRequest) -> Identity:
    """Who asks: by a token, then cookies do not count; or by the Django session, then the page must be our own.

    Raises AccessDenied for nobody, _Forbidden where CSRF protection fails, Unavailable.
    """
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = tokens.read_token(credential.strip())
    else:
        key = identity.session_key(request.META.get("HTTP_COOKIE", ""))
        found = ANONYMOUS if key is None else await record.ask(partial(identity.by_session_key, key))
        refusal = "" if found.is_anonymous else await _csrf_refusal(request)
        if refusal:
            raise _Forbidden(refusal)
    if found.is_anonymous:
        raise AccessDenied("Somebody must vouch for you.", hint="Send `Authorization: Bearer <token>`, or log in.")
    return found


async def _csrf_refusal(request: HttpRequest) -> str:
    """Why the page that sent the request is not to be trusted with its user's cookie; empty if it is."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in _OWN_SITE:
        return "The request comes from another site's page."
    # In a thread: where CSRF_USE_SESSIONS is on, it reads the session.
    if await sync_to_async(_csrf_failed)(request):
        return "CSRF protection failed: send the CSRF token as X-CSRFToken, from a page of this host."
    return ""


def _csrf_failed(request: HttpRequest) -> bool:
    middleware = CsrfViewMiddleware(_nothing)
    middleware.process_request(request)
    return middleware.process_view(request, _nothing, (), {}) is not None


def _nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _parse(body: bytes) -> Call | Batch:
    try:
        return jsonrpc.read(gate.parse(body.decode(), conf.current().json_depth))
    except UnicodeDecodeError:
        return Refused(None, ParseError("The body is not UTF-8."))
    except ParseError as error:
        return Refused(None, error)


async def _to_its_end(running: Coroutine[Any, Any, T]) -> T:
    """Django cancels the view of a caller that hangs up; what was begun is finished, and told, all the same."""
    task = asyncio.create_task(running)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)


async def _run(caller: HttpCaller, calls: Call | Batch) -> str | None:
    if not isinstance(calls, Batch):
        return await _reply(caller, calls)
    # In turn: the calls of one request take effect in their order.
    replies = [await _reply(caller, call) for call in calls.calls]
    answered = [reply for reply in replies if reply is not None]
    return f"[{','.join(answered)}]" if answered else None


async def _reply(caller: HttpCaller, call: Call) -> str | None:
    """Handle one call; None for a notification. The only place here that turns errors of calls into replies."""
    try:
        if isinstance(call, Refused):
            raise call.error
        result = await _handle(caller, call)
    except SessionStoreError as error:
        return None if call.is_notification else jsonrpc.error_text(call.id, error)
    except Exception:
        logger.exception("A call over HTTP failed.")
        return None if call.is_notification else jsonrpc.error_text(call.id, InternalError())
    return None if call.is_notification else jsonrpc.result_text(call.id, result)


async def _handle(caller: HttpCaller, request: Request) -> str:
    row = CATALOG.get(request.method)
    if row is not None and not row.is_http:
        raise WrongTransport
    params = wire.read_params(request.method, request.params)
    if getattr(params, "op", None) is not None:
        # Taken and not heeded, a repeat that somebody relies on would be done twice.
        raise InvalidParams("`op` counts the writes of a session.", hint="Guard a write over HTTP by if_version.")
    if request.method.startswith("room."):
        await caller.come_to(params.room)
    result: Any = await HANDLERS[request.method](caller, params)
    return str(result)


def _plain(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=_PRIVATE)


def _answer(text: str | None, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    if text is None:
        return HttpResponse(status=204, headers=_PRIVATE)
    return HttpResponse(text, status=status, content_type=_JSON, headers={**_PRIVATE, **(headers or {})})


# --- documents; exempt as well, because reading changes nothing: who posts to them is told 405


def _document(request: HttpRequest) -> dict[str, Any]:
    match = request.resolver_match
    address = reverse("sessionstore_app:rpc", current_app=match.namespace if match else None)
    scheme = "wss" if request.is_secure() else "ws"
    return document(
        version=__version__,
        http_address=request.build_absolute_uri(address),
        socket_address=f"{scheme}://{request.get_host()}{_SOCKET_PATH}",
    )


@outside_transactions
@csrf_exempt
@require_safe
def openrpc(request: HttpRequest) -> HttpResponse:
    """The OpenRPC document."""
    return JsonResponse(_document(request), json_dumps_params={"ensure_ascii": False})


@outside_transactions
@csrf_exempt
@require_safe
def methods(request: HttpRequest) -> HttpResponse:
    """The same for people."""
    return render(request, "sessionstore_app/methods.html", {"page": methodspage.page(_document(request))})


@outside_transactions
@csrf_exempt
@require_safe
async def health(request: HttpRequest) -> HttpResponse:
    """200 where the database answers and the process was not told to stop, else 503; and how many sockets it serves."""
    running = hub.running()
    told: dict[str, Any] = {
        "status": "draining" if running is not None and running.is_draining else "ok",
        "database": "ok",
        "node": None if running is None else running.node_id,
        "sockets": 0 if running is None else len(running.connections),
    }
    try:
        await record.ask(lambda: directory.open_sessions().exists())
    except SessionStoreError:
        told |= {"status": "degraded", "database": "away"}
    return JsonResponse(told, status=200 if told["status"] == "ok" else 503, headers=_PRIVATE)


@outside_transactions
@csrf_exempt
@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, for Prometheus; 404 where the extra `metrics` is not installed."""
    try:
        from sessionstore_app import metrics as ours  # prometheus-client may not be there
    except ImportError:
        hint = "Install django-sessionstore-app[metrics]."
        return HttpResponse(hint, status=404, content_type="text/plain; charset=utf-8", headers=_PRIVATE)
    return HttpResponse(await ours.exposition(), content_type=ours.CONTENT_TYPE, headers=_PRIVATE)
