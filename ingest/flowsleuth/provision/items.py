"""What is put into Grafana and what is found there, in parts that can be compared.

A part is what somebody changes as a whole: a panel, a query of a rule, a label, a title. What
Grafana adds to a part by itself is no difference, so that a newer Grafana makes no changes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from flowsleuth.provision.connection import Json
from flowsleuth.provision.stamps import SECRET, Stamp, digest


class Kind(StrEnum):
    """The kinds of items, in the order in which they need each other."""

    FOLDER = "folder"
    SOURCE = "data source"
    TEMPLATE = "template"
    CONTACT = "contact point"
    MUTE = "mute timing"
    DASHBOARD = "dashboard"
    GROUP = "rule group"
    RULE = "rule"
    PLAYLIST = "playlist"


class _Absent:
    """Stands for a part that is not there."""

    def __repr__(self) -> str:
        return "(nothing)"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is wanted.

    parts: what is compared and stamped; body: what the API is given, without the stamp.
    """

    kind: Kind
    uid: str
    title: str
    parts: Mapping[str, Any]
    body: Json

    @property
    def stamp(self) -> Stamp:
        """What it will carry."""
        return Stamp.of(self.uid, self.parts)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is there.

    stamp: None where it is none of ours; keeper: who else keeps it (file provisioning), or "".
    """

    kind: Kind
    uid: str
    title: str
    parts: Mapping[str, Any]
    body: Json
    stamp: Stamp | None = None
    keeper: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A part that is not as it is wanted: who made it so.

    by_user: it is not as we left it; by_us: we want it otherwise than we left it.
    """

    part: str
    wanted: Any
    found: Any
    by_user: bool
    by_us: bool

    @property
    def secret(self) -> bool:
        """Whether its value may not be shown."""
        return self.part.startswith(SECRET)


def changes(item: Item, found: Found) -> list[Change]:
    """Return where an item is not as it is wanted."""
    names = [*item.parts, *(name for name in found.parts if name not in item.parts)]
    return [change for name in names if (change := _change(name, item, found)) is not None]


def edits(found: Found) -> list[str]:
    """Return the parts of an item that is not wanted any more which are not as we left them."""
    left = found.stamp.parts if found.stamp else {}
    names = {*left, *found.parts}
    return sorted(
        name
        for name in names
        if not name.startswith(SECRET)
        and left.get(name) != (digest(found.parts[name]) if name in found.parts else None)
    )


def _change(name: str, item: Item, found: Found) -> Change | None:
    wanted, there = item.parts.get(name, ABSENT), found.parts.get(name, ABSENT)
    left = found.stamp.parts.get(name) if found.stamp else None
    if name.startswith(SECRET) and there == "":  # set, and nobody can read to what
        known = left == _digest(wanted)
        return None if known else Change(name, wanted, there, by_user=False, by_us=True)
    seen = seen_by(wanted, there)
    if seen == wanted:
        return None
    return Change(
        name,
        wanted,
        there,
        by_user=left not in {_digest(there), _digest(seen)},
        by_us=found.stamp is not None and left != _digest(wanted),
    )


def _digest(part: Any) -> str | None:
    return None if part is ABSENT else digest(part)


def seen_by(wanted: Any, there: Any) -> Any:
    """Return what is there as far as it matters for what is wanted.

    Grafana adds keys that nobody asked for, and leaves out what is empty or zero.
    """
    if is_empty(wanted) and is_empty(there):
        return wanted
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        return {
            key: seen_by(wanted[key], there.get(key, ABSENT))
            for key in wanted
            if key in there or is_empty(wanted[key])
        }
    if isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        return [seen_by(*pair) for pair in zip(wanted, there, strict=True)]
    return there


def is_empty(value: Any) -> bool:
    """Return whether a value says no more than its absence."""
    return value is ABSENT or not value


def beyond(wanted: Any, there: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is there and nobody asked for: its path and its value; nothing that is empty."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for key, value in there.items():
            inner = f"{place}.{key}" if place else str(key)
            if key in wanted:
                yield from beyond(wanted[key], value, inner)
            elif not is_empty(value):
                yield inner, value
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for i, pair in enumerate(zip(wanted, there, strict=True)):
            yield from beyond(*pair, f"{place}[{i}]")


def leaves(wanted: Any, there: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each place where two parts differ: its path, what is wanted, what is there."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for key in [*wanted, *(key for key in there if key not in wanted)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from leaves(wanted.get(key, ABSENT), there.get(key, ABSENT), inner)
    elif isinstance(wanted, list) and isinstance(there, list):
        for i in range(max(len(wanted), len(there))):
            left, right = (each[i] if i < len(each) else ABSENT for each in (wanted, there))
            yield from leaves(left, right, f"{place}[{i}]")
    elif wanted != there:
        yield place, wanted, there
