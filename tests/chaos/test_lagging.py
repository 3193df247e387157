"""Who lags behind the others, and for how long."""

from __future__ import annotations

from tests.chaos.driver.final import Lag, RoomView
from tests.chaos.driver.history import Told
from tests.chaos.driver.lagging import Lagging

ROOM = "hall"


def _view(version: int, epoch: str = "e1", patterns: tuple[str, ...] = ("*",)) -> RoomView:
    return RoomView(epoch=epoch, version=version, values={"k": (version, version)}, patterns=patterns)


def _longest(*looks: tuple[float, dict[str, RoomView]], told: tuple[Told, ...] = ()) -> Lag | None:
    lagging = Lagging()
    for at, views in looks:
        lagging.look(at, {ROOM: views}, told)
    return lagging.longest


def test_nobody_lags_where_all_see_the_same() -> None:
    assert _longest((0, {"ann": _view(1), "bo": _view(1)}), (5, {"ann": _view(2), "bo": _view(2)})) is None


def test_who_sees_less_than_the_best_informed_lags_from_look_to_look() -> None:
    behind = {"ann": _view(1), "bo": _view(2)}
    assert _longest((0, behind), (1, behind), (2.5, behind)) == Lag(2.5, ROOM, "ann")


def test_who_has_caught_up_begins_anew() -> None:
    behind, equal = {"ann": _view(1), "bo": _view(2)}, {"ann": _view(2), "bo": _view(2)}
    assert _longest((0, behind), (1, behind), (2, equal), (3, behind), (3.5, behind)) == Lag(1, ROOM, "ann")


def test_two_who_lag_in_turn_do_not_make_one_long_lag() -> None:
    ann, bo = {"ann": _view(1), "bo": _view(2)}, {"ann": _view(2), "bo": _view(1)}
    assert _longest((0, ann), (1.5, ann), (2, bo), (3, bo)) == Lag(1.5, ROOM, "ann")


def test_to_be_away_neither_counts_nor_helps() -> None:
    behind, away = {"ann": _view(1), "bo": _view(2)}, {"bo": _view(2)}
    looks = ((0, behind), (1, behind), (2, away), (9, away), (9.25, behind), (9.75, behind))
    assert _longest(*looks) == Lag(1.5, ROOM, "ann")


def test_a_later_epoch_is_better_informed_than_a_high_version() -> None:
    told = tuple(
        Told(at=at, client="bo", socket=1, session="s", room=ROOM, kind="joined", epoch=epoch, version=0, entries=())
        for at, epoch in ((1, "e1"), (2, "e2"))
    )
    behind = {"ann": _view(9), "bo": _view(1, "e2")}
    assert _longest((3, behind), (4, behind), told=told) == Lag(1, ROOM, "ann")


def test_who_looks_at_some_keys_lags_by_those_alone() -> None:
    ann, other = _view(2), _view(1, patterns=("other",))
    assert _longest((0, {"ann": ann, "bo": other}), (1, {"ann": ann, "bo": other})) == Lag(1, ROOM, "bo")
    blind = RoomView(epoch="e1", version=1, values={}, patterns=("other",))
    assert _longest((0, {"ann": ann, "bo": blind}), (1, {"ann": ann, "bo": blind})) is None
