"""Made by `manage.py sessionstore_room --types --python`: change the room types, and make it anew."""

from typing import NotRequired, TypeAlias, TypedDict


class Pin(TypedDict):
    """A message that was pinned."""

    id: str
    text: NotRequired[str]


class Stage(TypedDict, total=False):
    """Hosts, speakers and guests: the first in a room is its host.
    Rooms stage/*.
    pinned, where there is no value: [].
    hand/*: see StageHand.
    question/*: see StageQuestion.
    ballot/*: see StageBallot.
    title, where there is no value: 'untitled'.
    count, where there is no value: 10.
    """

    spotlight: str
    pinned: "list[Pin]"
    notes: str
    title: str
    motto: str
    audit: dict[str, int]
    count: int


# Keys hand/* of Stage.
StageHand: TypeAlias = dict[str, float]


# Keys question/* of Stage.
StageQuestion: TypeAlias = dict[str, str]


# Keys ballot/* of Stage.
StageBallot: TypeAlias = dict[str, bool]
