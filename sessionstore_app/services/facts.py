"""What is known of a client when its session opens: its fixed properties, and which of those it proposes it may have.

A project that knows more (where an address is, say) brings it by `SESSIONSTORE["PROPERTY_RESOLVER"]`, the dotted path
of a subclass of `PropertyResolver`. Nothing a client says of itself here may decide what it is allowed to do.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import ua_parser
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from django.utils.translation.trans_real import parse_accept_lang_header

from sessionstore_app import conf
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.properties import SETTABLE, check_changes, is_allowed, is_fixed

logger = logging.getLogger("sessionstore_app")

# Characters of a User-Agent that are looked at, and of an `$Environment`.
USER_AGENT_LENGTH: Final = 512
ENVIRONMENT_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFacts:
    """What a client's handshake and its `session.open` say of it; empty or None where they say nothing."""

    client_ip: str = ""
    user_agent: str = ""
    accept_language: str = ""
    environment: str | None = None
    client_name: str | None = None
    client_version: str | None = None


class PropertyResolver:
    """The default: the language is the one that the client likes best, nothing is known of where it is.

    Methods are called in a thread that may use files and the ORM. One that raises is logged, and counts as one that
    does not know.
    """

    def country(self, client: ClientFacts) -> str:
        """Country code; empty if unknown."""
        return ""

    def language(self, client: ClientFacts) -> str:
        """Language code; empty if unknown."""
        return preferred_language(client.accept_language)

    def coordinates(self, client: ClientFacts) -> tuple[float, float] | None:
        """Latitude and longitude in degrees; None if unknown."""
        return None


@lru_cache(maxsize=1)
def current_resolver() -> PropertyResolver:
    """The project's resolver."""
    path = conf.current().property_resolver
    try:
        made = import_string(path)()
    except ImportError as error:
        raise ImproperlyConfigured(f"SESSIONSTORE['PROPERTY_RESOLVER']: {error}") from error
    if not isinstance(made, PropertyResolver):
        raise ImproperlyConfigured(f"SESSIONSTORE['PROPERTY_RESOLVER']: {path} is no PropertyResolver.")
    return made


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SESSIONSTORE":
        current_resolver.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.facts")


def fixed_properties(
    client: ClientFacts, *, transport: str = "WEBSOCKET", connector: str = "sessionstore"
) -> dict[str, str]:
    """The fixed properties that no column of a session's row holds (parity §2.3). For a thread that may use the ORM."""
    client_type, environment = _read_agent(client.user_agent[:USER_AGENT_LENGTH])
    found = {
        "$ClientType": _CLIENT_TYPES.get(client.client_name or "", client_type),
        "$Transport": transport,
        "$ClientIP": client.client_ip,
        "$Connector": connector,
        "$Environment": _printable(client.environment or "") or environment,
    }
    for question, default in _QUESTIONS:
        found |= _answer(question, client) or default
    return found


# --- what only a project can know

Question: TypeAlias = Callable[[PropertyResolver, ClientFacts], dict[str, str]]


def _country(resolver: PropertyResolver, client: ClientFacts) -> dict[str, str]:
    return {"$Country": resolver.country(client) or ""}


def _language(resolver: PropertyResolver, client: ClientFacts) -> dict[str, str]:
    return {"$Language": resolver.language(client) or ""}


def _coordinates(resolver: PropertyResolver, client: ClientFacts) -> dict[str, str]:
    latitude, longitude = resolver.coordinates(client) or (float("nan"), float("nan"))
    return {"$Latitude": repr(float(latitude)), "$Longitude": repr(float(longitude))}


_QUESTIONS: Final[tuple[tuple[Question, Mapping[str, str]], ...]] = (
    (_country, {"$Country": ""}),
    (_language, {"$Language": ""}),
    (_coordinates, {"$Latitude": "NaN", "$Longitude": "NaN"}),
)


def _answer(question: Question, client: ClientFacts) -> dict[str, str] | None:
    resolver = current_resolver()
    try:
        found = {key: SETTABLE[key](value) for key, value in question(resolver, client).items()}
        _check(found)
    except Exception as error:  # a project's code may raise anything, and a session opens nevertheless
        # Not its message: it may well name the address that was looked up.
        at = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("The property resolver failed: %s in %s:%s", type(error).__name__, at.filename, at.lineno)
        return None
    return found


def _check(properties: Mapping[str, str]) -> None:
    limits = conf.current()
    check_changes(properties, key_length=limits.key_length, value_bytes=limits.property_bytes)


def preferred_language(accept_language: str) -> str:
    """The primary tag of the language that an Accept-Language header likes best, the first of equals; empty if none.

    `de-CH,de;q=0.9` prefers `de`.
    """
    for tag, quality in parse_accept_lang_header(accept_language):
        primary = tag.partition("-")[0].lower()
        # Neither the star nor private ones (`x-…`); a quality of 0 means "not this one".
        if quality > 0 and re.fullmatch("[a-z]{2,3}", primary):
            return primary
    return ""


# --- the User-Agent

# Names by which our own clients open sessions.
_CLIENT_TYPES: Final[Mapping[str, str]] = {
    "sessionstore-js": "JAVASCRIPT_BROWSER",
    "sessionstore-python": "PYTHON",
}
# What programs that are no browsers begin with → client type, and what their environments begin with.
_PROGRAMS: Final = (
    (re.compile(r"(?:python|aiohttp)\b", re.IGNORECASE), "PYTHON", "PYTHON"),
    (re.compile(r"(?:node(?:\.js)?|undici)\b", re.IGNORECASE), "JAVASCRIPT_BROWSER", "NODE"),
    (re.compile(r"(?:java|okhttp|apache-httpclient|jetty)\b", re.IGNORECASE), "JAVA", "JAVA"),
    (re.compile(r"(?:\.net|dotnet)\b", re.IGNORECASE), "DOTNET", "DOTNET"),
    (re.compile(r"(?:libcurl|libwebsockets)\b", re.IGNORECASE), "C", "C"),
)
_PRODUCT = re.compile(r"([^\s/]+)(?:/(\d+(?:\.\d+)?))?")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNKNOWN: Final = ("OTHER", "UNKNOWN")


@lru_cache(maxsize=1_024)
def _read_agent(user_agent: str) -> tuple[str, str]:
    """`$ClientType` and `$Environment` as far as a User-Agent tells."""
    if user_agent.startswith(("Mozilla/", "Opera/")):
        return _browser(user_agent)
    for pattern, client_type, prefix in _PROGRAMS:
        product = _PRODUCT.match(user_agent) if pattern.match(user_agent) else None
        if product is not None:
            return client_type, _environment(prefix, *product.groups())
    return _app(user_agent) if user_agent else _UNKNOWN


def _browser(user_agent: str) -> tuple[str, str]:
    found = _parsed(user_agent, ua_parser.Domain.USER_AGENT)
    if found is None or found.user_agent is None:
        return _UNKNOWN
    return "JAVASCRIPT_BROWSER", _environment("BROWSER", found.user_agent.family, found.user_agent.major)


def _app(user_agent: str) -> tuple[str, str]:
    """Apps of phones are known by their system."""
    found = _parsed(user_agent, ua_parser.Domain.OS | ua_parser.Domain.DEVICE)
    if found is None or found.os is None or found.os.family not in ("Android", "iOS"):
        return _UNKNOWN
    version = ".".join(part for part in (found.os.major, found.os.minor) if part)
    if found.os.family == "iOS":
        return "IOS", _environment("Apple_iOS", version)
    return "ANDROID", _environment("ANDROID", found.device.model if found.device else None, version)


def _parsed(user_agent: str, domains: ua_parser.Domain) -> ua_parser.PartialResult | None:
    try:
        return _parser()(user_agent, domains)
    except Exception:  # the parser raises for some texts, and a stranger's text must not keep its session from opening
        return None


def _environment(*parts: str | None) -> str:
    """Parts that are not known are left out."""
    return _printable("_".join(part for part in parts if part))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text[:ENVIRONMENT_LENGTH]).strip()


@lru_cache(maxsize=1)
def _parser() -> ua_parser.Resolver:
    # Without the package's own cache, which would keep much more of each than we use. It takes a tenth of a second to
    # make, so only who needs it does.
    return ua_parser.BestAvailableResolver(ua_parser.load_lazy_builtins())


# --- what a client proposes


def accepted_proposals(proposed: Mapping[str, Json] | None) -> dict[str, str]:
    """Of the user properties that a client proposes, those that it may have (parity D23). The others are dropped."""
    settings = conf.current()
    accepted: dict[str, str] = {}
    for key, value in (proposed or {}).items():
        if len(accepted) >= settings.property_count:
            break
        if isinstance(value, str) and _is_accepted(key, value, settings):
            accepted[key] = value
    return accepted


def _is_accepted(key: str, value: str, settings: conf.Settings) -> bool:
    try:
        _check({key: value})
    except SessionStoreError:
        return False
    if is_fixed(key):
        return False
    allowed = settings.proposed_properties.get(key)
    return key in settings.self_properties or (allowed is not None and is_allowed(value, allowed))
