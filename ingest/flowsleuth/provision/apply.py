"""Carries out a plan, item by item, and says what was done where Grafana refuses halfway."""

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

from flowsleuth.errors import ServiceError
from flowsleuth.provision import (
    contacts,
    dashboards,
    folders,
    mutes,
    playlists,
    rules,
    sources,
    templates,
)
from flowsleuth.provision.connection import Grafana, Json
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.plan import Act, Step

MODULES: dict[Kind, ModuleType] = {
    Kind.FOLDER: folders,
    Kind.SOURCE: sources,
    Kind.TEMPLATE: templates,
    Kind.CONTACT: contacts,
    Kind.MUTE: mutes,
    Kind.DASHBOARD: dashboards,
    Kind.RULE: rules,
    Kind.PLAYLIST: playlists,
}
"""Who writes and removes each kind; groups are written with their rules."""

Said = Callable[[Step], None]
"""Is told each step that has been done."""


def apply(grafana: Grafana, steps: Sequence[Step], said: Said) -> list[Step]:
    """Do what a plan says; return what was left where it is.

    What is written comes before what is removed, since rules still name the contact point that is
    to go; only rules go first, whose titles may be wanted again. Raises ServiceError that says what
    was done until then: the next run does the rest.
    """
    done: list[Step] = []
    left: list[Step] = []

    def finish(step: Step) -> None:
        done.append(step)
        said(step)

    old_rules = [one for one in steps if one.act is Act.REMOVE and one.kind is Kind.RULE]
    try:
        for step in old_rules:
            _remove(grafana, step, finish, left)
        for kind in Kind:
            mine = [one for one in steps if one.kind in _together(kind)]
            if kind is Kind.RULE:
                _write_groups(grafana, mine, finish)
            elif kind is not Kind.GROUP:
                _write(grafana, mine, finish)
        for step in reversed(steps):
            if step.act is Act.REMOVE and step not in old_rules:
                _remove(grafana, step, finish, left)
    except ServiceError as error:
        raise ServiceError(f"{error}; {_progress(steps, done)}") from None
    return left


def _together(kind: Kind) -> set[Kind]:
    return {Kind.GROUP, Kind.RULE} if kind is Kind.RULE else {kind}


def _write(grafana: Grafana, steps: Iterable[Step], finish: Said) -> None:
    for step in steps:
        if step.act in {Act.CREATE, Act.UPDATE}:
            with _Naming(step):
                MODULES[step.kind].write(grafana, step.item, step.found)
            finish(step)


def _remove(grafana: Grafana, step: Step, finish: Said, left: list[Step]) -> None:
    with _Naming(step):
        gone = MODULES[step.kind].remove(grafana, step.found)
    if gone:
        finish(step)
    else:
        left.append(step)


def _write_groups(grafana: Grafana, steps: Sequence[Step], finish: Said) -> None:
    for group in (one for one in steps if one.kind is Kind.GROUP and one.item):
        mine = [one for one in steps if one.kind is Kind.RULE and _inside(one, group)]
        if all(one.act in {Act.NOTHING, Act.KEEP} for one in (group, *mine)):
            continue
        assert group.item is not None
        interval = _interval(group.item, group.found if group.act is Act.KEEP else None)
        bodies = {one.uid: body for one in mine if (body := _body(one, group, interval))}
        with _Naming(group):
            rules.write_group(grafana, group.item, interval, bodies, group.found)
        for one in (group, *mine):
            if one.act in {Act.CREATE, Act.UPDATE}:
                finish(one)


def _inside(rule: Step, group: Step) -> bool:
    assert group.item is not None
    return (
        rule.item is not None
        and rule.item.body["folderUID"] == group.item.body["folder"]
        and rule.item.body["ruleGroup"] == group.item.body["name"]
    )


def _interval(group: Item, kept: Found | None) -> float:
    return float((kept or group).parts[rules.INTERVAL])


def _body(rule: Step, group: Step, interval: float) -> Json | None:
    """Return what is sent of a rule; None of one that somebody moved elsewhere and that stays."""
    if rule.act is Act.KEEP and rule.found is not None:
        there = rule.found.body
        assert group.item is not None
        placed = (there["folderUID"], there["ruleGroup"])
        return there if placed == (group.item.body["folder"], group.item.body["name"]) else None
    assert rule.item is not None
    return rules.stamped(rule.item, interval)


class _Naming:
    """Says of an error which item it is about."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Name the item."""
        if isinstance(error, ServiceError):
            raise ServiceError(f"{self._step.kind} {self._step.title}: {error}") from None


def _progress(steps: Iterable[Step], done: Sequence[Step]) -> str:
    """Say what was done of a plan before it failed."""
    wanted = [one for one in steps if one.act in {Act.CREATE, Act.UPDATE, Act.REMOVE}]
    if not done:
        return "nothing was changed"
    names = ", ".join(f"{one.kind} {one.title}" for one in done)
    return f"done before that, {len(done)} of {len(wanted)}: {names}; run it again to go on"
