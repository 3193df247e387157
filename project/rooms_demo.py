"""Which names a meeting of the demo project may have.

Knows how a name is spelt in an address and in the room store; knows nothing of requests or of who is in the room.
"""

import unicodedata

NAME_LENGTH = 100


def canonical_name(text: str) -> str:
    """The one spelling under which everybody who means the same meeting meets; empty if no meeting can have the name.

    A link that travelled through a file name or a chat program may come back with its accents split
    (NFD) or with another blank; without this, such a guest would wait alone in a room of nearly the same name.
    """
    # A byte-order mark is a blank to browsers, and none to Python.
    name = " ".join(unicodedata.normalize("NFC", text).replace("\ufeff", " ").split())
    if len(name) > NAME_LENGTH or not name.strip("."):
        return ""
    if "/" in name or any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return ""
    return name
