"""What is said to Redis and what comes of the replies, whoever carries it: a thread that waits, or an event loop.

Each conversation is a generator. It yields what is to be sent, is sent the replies, and returns those that count.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.exceptions import NoScriptError, ResponseError

Command: TypeAlias = tuple[Any, ...]
Reply: TypeAlias = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """Texts by hash, as commands name them. `once` is the hash of what must not be done twice; all others may be."""

    texts: Mapping[str, str]
    once: str

    def spelt_out(self, command: Command) -> Command:
        """The same command where the server has forgotten its scripts; it knows this one again afterwards."""
        return ("EVAL", self.texts[command[1]], *command[2:]) if command[0] == "EVALSHA" else command

    def may_be_repeated(self, command: Command) -> bool:
        """True for what is the same done twice."""
        return command[0] != "EVALSHA" or bool(command[1] != self.once)


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that are sent at once, and answered each. More than one are a transaction, between which nothing of
    others is done: a script that another process loads must not let the second of two writes go first. One that is
    refused as a whole, as by a server that is full, raises ResponseError into the conversation: nothing was done.
    """

    commands: Sequence[Command]


def is_refused_whole(error: Exception) -> bool:
    """Was a transaction refused because one of its commands was? Not if there was none at all, as for a user who may
    not use MULTI: then each may have been done.
    """
    text = str(error).lower()
    return isinstance(error, ResponseError) and not any(sign in text for sign in ("without multi", "'exec'", "'multi'"))


Groups: TypeAlias = Sequence[Sequence[Command]]
Exchange: TypeAlias = Generator[Batch, list[Reply], list[list[Reply]]]


def together(groups: Groups, scripts: Scripts) -> Exchange:
    """All commands at once; returns the replies to each group, exceptions among them. After one that failed, the rest
    of its group may not have been done.
    """
    commands = [command for group in groups for command in group]
    try:
        replies = yield Batch(commands)
    except ResponseError:
        return (yield from each_in_turn(groups, scripts))
    if any(isinstance(reply, NoScriptError) for reply in replies):
        # What was done once stays done; what is read is read again, behind what is only done now.
        due = [
            place
            for place, reply in enumerate(replies)
            if isinstance(reply, NoScriptError) or scripts.may_be_repeated(commands[place])
        ]
        again = yield Batch([scripts.spelt_out(commands[place]) for place in due])
        for place, reply in zip(due, again, strict=True):
            replies[place] = reply
    told: list[list[Reply]] = []
    first = 0
    for group in groups:
        told.append(replies[first : first + len(group)])
        first += len(group)
    return told


def each_in_turn(groups: Groups, scripts: Scripts) -> Exchange:
    """Groups one by one, and their commands: what fails ends its own group."""
    told: list[list[Reply]] = []
    for group in groups:
        told += [(yield from _in_turn(group, scripts))]
    return told


def _in_turn(group: Sequence[Command], scripts: Scripts) -> Generator[Batch, list[Reply], list[Reply]]:
    """Commands one by one; after one that failed, no further is done."""
    replies: list[Reply] = []
    for command in group:
        (reply,) = yield Batch([command])
        if isinstance(reply, NoScriptError):
            (reply,) = yield Batch([scripts.spelt_out(command)])
        if isinstance(reply, Exception):
            return replies + [reply] * (len(group) - len(replies))
        replies.append(reply)
    return replies
