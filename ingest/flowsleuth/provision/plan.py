"""What is to be done: what is wanted against what is there, before anything is written."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from flowsleuth.errors import ServiceError
from flowsleuth.provision.items import Change, Found, Item, Kind, changes, edits

UNSTAMPED = {Kind.FOLDER, Kind.MUTE, Kind.GROUP, Kind.PLAYLIST}
"""Kinds for which Grafana has no place for a stamp: what has our uid is ours."""


class Act(StrEnum):
    """What is done with an item."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    KEEP = "keep"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """One item, and what is done with it.

    changes: where it is not as it is wanted; edited: parts that somebody changed in Grafana.
    """

    act: Act
    kind: Kind
    uid: str
    title: str
    item: Item | None = None
    found: Found | None = None
    changes: tuple[Change, ...] = ()
    edited: tuple[str, ...] = ()


def plan(
    items: Iterable[Item], found: Iterable[Found], *, keep_edits: bool = False, adopt: bool = False
) -> list[Step]:
    """Return the steps to what is wanted, in the order in which items need each other.

    What is ours and not wanted any more is removed. Raises ServiceError where an item is somebody
    else's; adopt: then it becomes ours.
    """
    there = {(one.kind, one.uid): one for one in found}
    steps = [
        _step(item, there.pop((item.kind, item.uid), None), keep_edits, adopt) for item in items
    ]
    stale = [
        _removal(one, keep_edits)
        for one in there.values()
        if one.stamp is not None and not one.keeper
    ]
    return sorted([*steps, *stale], key=lambda step: list(Kind).index(step.kind))


def removal(found: Iterable[Found]) -> list[Step]:
    """Return the steps that take away all that is ours."""
    ours = [
        one for one in found if not one.keeper and (one.stamp is not None or one.kind in UNSTAMPED)
    ]
    steps = [_removal(one, keep_edits=False) for one in ours]
    return sorted(steps, key=lambda step: list(Kind).index(step.kind))


def _step(item: Item, there: Found | None, keep_edits: bool, adopt: bool) -> Step:
    if there is None:
        return Step(Act.CREATE, item.kind, item.uid, item.title, item)
    _see_it_is_ours(item, there, adopt)
    differing = tuple(changes(item, there))
    edited = tuple(change.part for change in differing if change.by_user)
    act = Act.UPDATE if differing else Act.NOTHING
    if edited and keep_edits:
        act = Act.KEEP
    if not differing and there.stamp is None and item.kind not in UNSTAMPED:
        act = Act.UPDATE  # it only wants its stamp
    return Step(act, item.kind, item.uid, item.title, item, there, differing, edited)


def _see_it_is_ours(item: Item, there: Found, adopt: bool) -> None:
    if there.keeper:
        raise ServiceError(
            f"{item.kind} {item.uid} ({there.title}) is kept by Grafana's {there.keeper}: go on "
            "that way, or take it out there first; nothing was changed"
        )
    if there.stamp is None and item.kind not in UNSTAMPED and not adopt:
        raise ServiceError(
            f"{item.kind} {item.uid} ({there.title}) is there already, and not from `flowsleuth "
            "provision`: delete it, or take it over with --adopt; nothing was changed"
        )


def _removal(there: Found, keep_edits: bool) -> Step:
    edited = tuple(edits(there)) if there.stamp else ()
    act = Act.KEEP if edited and keep_edits else Act.REMOVE
    return Step(act, there.kind, there.uid, there.title, found=there, edited=edited)
