"""What a run says: a line for each item that changes, and below it what changes. No secrets."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowsleuth.provision.items import ABSENT, Change, Kind, beyond, leaves, seen_by
from flowsleuth.provision.plan import Act, Step

PAST = {
    Act.CREATE: "created",
    Act.UPDATE: "updated",
    Act.REMOVE: "removed",
    Act.KEEP: "kept",
}
FUTURE = {
    Act.CREATE: "create",
    Act.UPDATE: "update",
    Act.REMOVE: "remove",
    Act.KEEP: "keep",
}

FATE = {Act.UPDATE: "is overwritten", Act.KEEP: "is kept", Act.REMOVE: "goes with it"}
"""What becomes of what somebody changed."""

LONGEST = 160
"""Characters of a value that a line shows."""


def line(step: Step, words: Mapping[Act, str]) -> str:
    """Return the line of one item."""
    name = step.title if step.kind in {Kind.GROUP, Kind.FOLDER} else f"{step.title} [{step.uid}]"
    return f"{words[step.act]} {step.kind} {name}"


def edited(step: Step) -> Iterator[str]:
    """Yield what somebody changed in Grafana: it is about to be overwritten, or is kept."""
    if not step.edited:
        return
    yield f"  changed in Grafana since, {FATE[step.act]}:"
    known = {change.part: change for change in step.changes}
    for part in step.edited:
        if part in known:
            yield from _difference(step, known[part])
        else:
            yield f"    {_name(step, part)}"
    if step.act is Act.UPDATE:
        yield from _lost(step)
    if step.act is Act.KEEP and (ours := [c for c in step.changes if c.by_us]):
        names = ", ".join(_name(step, change.part) for change in ours)
        yield f"  and not taken from this version or configuration: {names}"


def _lost(step: Step) -> Iterator[str]:
    """Yield what an edited item has beyond what we set: a save in the browser adds some."""
    assert step.item is not None
    assert step.found is not None
    pairs = ((name, part, step.found.parts.get(name)) for name, part in step.item.parts.items())
    extra = [
        f"    {_name(step, name)}: {place} = {_shown(value)}"
        for name, wanted, there in pairs
        for place, value in beyond(wanted, there)
    ]
    if extra:
        yield "  and what is there beyond ours, from somebody or from Grafana itself, goes:"
        yield from extra


def difference(step: Step) -> Iterator[str]:
    """Yield all that changes, as the diff of a dry run."""
    for change in step.changes:
        if change.part not in step.edited:
            yield from _difference(step, change)


def _difference(step: Step, change: Change) -> Iterator[str]:
    """Yield a part's old and new values, each place of it that differs."""
    name = _name(step, change.part)
    if change.secret:
        yield f"    {name}: (not shown)"
        return
    for place, wanted, there in leaves(change.wanted, seen_by(change.wanted, change.found)):
        label = f"{name}: {place}" if place else name
        if _text_block(wanted) or _text_block(there):
            yield f"    {label}"
            yield from _lines(there, wanted)
            continue
        yield f"    {label}"
        if there is not ABSENT:
            yield f"      - {_shown(there)}"
        if wanted is not ABSENT:
            yield f"      + {_shown(wanted)}"


def _text_block(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _lines(there: Any, wanted: Any) -> Iterator[str]:
    """Yield the lines in which two texts differ."""
    old, new = ("" if text is ABSENT else str(text) for text in (there, wanted))
    compared = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
    for text in list(compared)[2:]:
        yield f"      {text}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _name(step: Step, part: str) -> str:
    """Return a part's name as people know it: a panel by its title."""
    if part.startswith("panel "):
        for body in (source.parts.get(part) for source in (step.item, step.found) if source):
            if isinstance(body, dict) and body.get("title"):
                return f'{part} "{body["title"]}"'
    return part


def summary(steps: Iterable[Step], words: Mapping[Act, str]) -> str:
    """Return the last line: how much was, or would be, done."""
    acts = Counter(step.act for step in steps)
    same = acts.pop(Act.NOTHING, 0)
    if not acts:
        return f"nothing to change: all {same} items are as they should be"
    said = [f"{words[act]} {acts[act]}" for act in words if acts[act]]
    return ", ".join([*said, *([f"{same} as they should be"] if same else [])])
