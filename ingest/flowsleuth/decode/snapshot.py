"""The decoder's state as JSON: what exporters announced, to be kept over a restart.

A restarted collector without templates reads nothing until each exporter repeats them, which can
take half an hour; without sampler tables it would count a thousandth. What comes back from disk is
validated like a configuration, for a disk fills up or a version changes.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from flowsleuth.decode.elements import SCOPE_PEN
from flowsleuth.decode.layouts import VARIABLE, FieldSpec, Layouts
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.sessions import SYSTEM_INIT, Sessions

_Word = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
_Half = Annotated[int, Field(ge=0, le=0xFFFF)]
_Positive = Annotated[int, Field(ge=1, lt=1 << 43)]
_Pen = Annotated[int, Field(ge=SCOPE_PEN, le=0xFFFFFFFF)]
_Length = Annotated[int, Field(ge=VARIABLE, le=0xFFFF)]
_Key = Annotated[int, Field(ge=SYSTEM_INIT, lt=1 << 40)]

_LIST = Strict(strict=False)
"""JSON has no tuples: a list will do."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Template(_Kept):
    id: Annotated[int, Field(ge=256, le=0xFFFF)]
    options: bool
    fields: list[Annotated[tuple[_Half, _Pen, _Length], _LIST]]


class _Session(_Kept):
    exporter: str
    port: _Half
    domain: _Word
    version: Literal[9, 10]
    templates: list[_Template]
    rates: list[Annotated[tuple[_Key, _Positive, _Positive], _LIST]]


class _State(_Kept):
    version: Literal[1]
    sessions: list[_Session]
    interface_names: list[Annotated[tuple[str, Annotated[int, Field(ge=0)], str], _LIST]]


def export_sessions(
    sessions: Sessions, interface_names: dict[tuple[str, int], str]
) -> dict[str, object]:
    """Return the sessions that learned something, least recently heard first, and the names."""
    kept = [
        _Session(
            exporter=session.key[0],
            port=session.key[1],
            domain=session.key[2],
            version=session.key[3],
            templates=[
                _Template(id=i, options=layout.options, fields=list(layout.fields))
                for i, layout in session.templates.items()
            ],
            rates=[(key, *value) for key, value in session.rates.now.items()],
        )
        for session in sessions
        if session.templates or session.rates.now
    ]
    names = [(address, number, name) for (address, number), name in interface_names.items()]
    return _State(version=1, sessions=kept, interface_names=names).model_dump(mode="json")


def import_sessions(
    state: dict[str, object],
    sessions: Sessions,
    layouts: Layouts,
    interface_names: dict[tuple[str, int], str],
    limits: Limits,
) -> None:
    """Take up what `export_sessions` returned, within the limits.

    Raises ValueError (pydantic's, which names the place) where it is damaged.
    """
    kept = _State.model_validate(state)
    for entry in kept.sessions[-limits.sessions :]:
        session = sessions.get(entry.exporter, entry.port, entry.domain, entry.version)
        for template in entry.templates:
            specs = tuple(FieldSpec(*spec) for spec in template.fields[: limits.fields])
            sessions.learn(session, template.id, layouts.intern(specs, options=template.options))
        for key, num, den in entry.rates:
            for timeline in (session.rates, session.group.rates):
                timeline.set(key, (num, den), 0, limits.samplers)
                timeline.settle()
    for address, number, name in kept.interface_names[: limits.interface_names]:
        interface_names[address, number] = name
