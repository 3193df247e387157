"""Origins of pages that are not ours and would like to pass for one: what hostile pages and hand-made clients send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ALLOWED: Final = "https://app.example.org"


def foreign(host: str) -> Mapping[str, bytes]:
    """What each is → its Origin, for a server at `host`, a number and a port."""
    name, _, port = host.rpartition(":")
    texts = {
        "another site": "https://evil.example",
        "another site on our port": f"http://evil.example:{port}",
        "null": "null",
        "nothing": "",
        "a file": "file://",
        "a file of our name": f"file://{host}",
        "an extension": "chrome-extension://abcdefghijklmnop",
        "script": f"javascript://{host}",
        "our name and more": f"http://{host}.evil.example",
        "our name behind a dash": f"http://evil-{host}",
        "our name in a path": f"http://evil.example/http://{host}",
        "our name in a query": f"http://evil.example?http://{host}",
        "our name in a fragment": f"http://evil.example#http://{host}",
        "our name as user": f"http://{host}@evil.example",
        "a user at our name": f"http://evil.example@{host}",
        "a backslash": f"http://{host}\\.evil.example",
        "an encoded slash": f"http://{host}%2f.evil.example",
        "an encoded dot": f"http://127%2e0.0.1:{port}",
        "a slash": f"http://{host}/",
        "an empty fragment": f"http://{host}#",
        "an empty query": f"http://{host}?",
        "no port": f"http://{name}",
        "an empty port": f"http://{name}:",
        "the next port": f"http://{name}:{int(port) + 1}",
        "our port and a digit": f"http://{host}0",
        "two ports": f"http://{host}:{port}",
        "a port beyond all": f"http://{name}:{int(port) + 65_536}",
        "a port in other digits": f"http://{name}:" + "".join(chr(0x660 + int(digit)) for digit in port),
        "no scheme": host,
        "no scheme, with slashes": f"//{host}",
        "a socket's scheme": f"ws://{host}",
        "another scheme": f"ftp://{host}",
        "another name of this machine": f"http://localhost:{port}",
        "a short form of the number": f"http://127.1:{port}",
        "the number as one": f"http://2130706433:{port}",
        "the number as hexadecimal": f"http://0x7f000001:{port}",
        "the number in octal": f"http://0177.0.0.1:{port}",
        "the number within IPv6": f"http://[::ffff:127.0.0.1]:{port}",
        "IPv6 of this machine": f"http://[::1]:{port}",
        "a trailing dot": f"http://{name}.:{port}",
        "two, with a comma": f"http://{host}, https://evil.example",
        "two, with a space": f"http://{host} https://evil.example",
        "a tab within": f"http://127.0.\t0.1:{port}",
        "a letter behind": f"http://{host}\u00e9",
        "punycode": "https://xn--pp-example-zib.org",
        "an allowed one and more": f"{ALLOWED}.evil.example",
        "an allowed one with a port": f"{ALLOWED}:444",
        "an allowed one with a slash": f"{ALLOWED}/",
        "an allowed one without TLS": ALLOWED.replace("https", "http"),
        "an allowed one in capitals": ALLOWED.upper(),
        "a part of an allowed one": "https://example.org",
        "below an allowed one": ALLOWED.replace("app.", "sub.app."),
    }
    raw = {"a byte that is no UTF-8": f"http://{host}".encode() + b"\xff", "NUL": f"http://{host}\0.evil".encode()}
    return {**{what: text.encode() for what, text in texts.items()}, **raw}
