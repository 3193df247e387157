"""What can happen to sessions, rooms and locks: one small class a happening, each run on the locked rows of a batch.

Each says which sessions, rooms and locks it touches; the batch locks those, their rooms and memberships before any job
runs, so what a job sees stays true until all is written.
"""

from __future__ import annotations

from sessionstore_app.services.jobs.base import of_lock
from sessionstore_app.services.jobs.locks import Acquire, Asked, CancelWait, Release
from sessionstore_app.services.jobs.nodes import EndLease, Forget, LapseNodes, Rates, RenewLease
from sessionstore_app.services.jobs.rooms import (
    Clear,
    ClearDue,
    ForgetRoom,
    Join,
    Joined,
    Leave,
    MeetStore,
    NoteAbsence,
    Observe,
    RenewEpochs,
    Visit,
)
from sessionstore_app.services.jobs.sessions import (
    Close,
    Disconnect,
    GiveBack,
    Open,
    Reclaim,
    Reidentify,
    Resume,
    Resumed,
    ResumedRoom,
)
from sessionstore_app.services.jobs.steering import (
    UNSEEN,
    ChangeRoles,
    ObserveFor,
    Observing,
    SetProperties,
    Terminate,
)

__all__ = [
    "UNSEEN",
    "Acquire",
    "Asked",
    "CancelWait",
    "ChangeRoles",
    "Clear",
    "ClearDue",
    "Close",
    "Disconnect",
    "EndLease",
    "Forget",
    "ForgetRoom",
    "GiveBack",
    "Join",
    "Joined",
    "LapseNodes",
    "Leave",
    "MeetStore",
    "NoteAbsence",
    "Observe",
    "ObserveFor",
    "Observing",
    "Open",
    "Rates",
    "Reclaim",
    "Reidentify",
    "Release",
    "RenewEpochs",
    "RenewLease",
    "Resume",
    "Resumed",
    "ResumedRoom",
    "SetProperties",
    "Terminate",
    "Visit",
    "of_lock",
]
