"""Template sets: bytes to template definitions.

They are rare, a handful a minute from each exporter, so they are parsed in plain Python. A template
set is read as far as it makes sense: what is whole before a fault is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from flowsleuth.decode.elements import SCOPE_PEN
from flowsleuth.decode.layouts import VARIABLE, FieldSpec
from flowsleuth.decode.sets import FIRST_DATA_SET

_PAIR = Struct(">HH")
_PEN = Struct(">L")
_ENTERPRISE = 0x8000


@dataclass(frozen=True, slots=True)
class Definition:
    """One template as it came; `fields` is None for a withdrawal (RFC 7011, 8.1).

    A withdrawal of template id 2 or 3 means all templates or all options templates.
    """

    template_id: int
    fields: tuple[FieldSpec, ...] | None
    options: bool


class BrokenTemplate(Exception):
    """Internal: the rest of this template set cannot be read. Its text says why."""


def parse(version: int, set_id: int, body: bytes, most_fields: int) -> Iterator[Definition]:
    """Yield the templates of one template set.

    Raises BrokenTemplate, after what was whole, where the set's bytes make no sense.
    """
    at = 0
    options = set_id in {1, 3}
    while len(body) - at >= 4:
        template_id, count = _PAIR.unpack_from(body, at)
        if template_id == 0 and not any(body[at:]):
            return
        if template_id < FIRST_DATA_SET and not (
            version == 10 and count == 0 and template_id == set_id
        ):
            raise BrokenTemplate(f"template id {template_id} below 256")
        at += 4
        if count == 0 and (version == 10 or not options):
            yield Definition(template_id, None, options)
            continue
        if version == 9 and options:
            fields, at = _v9_options(body, at, count, most_fields)
        else:
            at += 2 * options
            fields, at = _fields(body, at, _affordable(count, most_fields), version)
        yield Definition(template_id, fields, options)


def _fields(body: bytes, at: int, count: int, version: int) -> tuple[tuple[FieldSpec, ...], int]:
    """Read field specifiers (RFC 7011, 3.2; RFC 3954, 5.2); return them and where they end."""
    found = []
    for _ in range(count):
        if at + 4 > len(body):
            raise BrokenTemplate("template cut short")
        element, length = _PAIR.unpack_from(body, at)
        at += 4
        pen = 0
        if version == 10:
            if element & _ENTERPRISE:
                if at + 4 > len(body):
                    raise BrokenTemplate("template cut short")
                (pen,) = _PEN.unpack_from(body, at)
                at += 4
                element &= ~_ENTERPRISE
            if length == 0xFFFF:
                length = VARIABLE
        found.append(FieldSpec(element, pen, length))
    return tuple(found), at


def _affordable(count: int, most_fields: int) -> int:
    if count > most_fields:
        raise BrokenTemplate(f"template of {count} fields; at most {most_fields} are read")
    return count


def _v9_options(
    body: bytes, at: int, scope_bytes: int, most_fields: int
) -> tuple[tuple[FieldSpec, ...], int]:
    """Read an options template, whose lengths count bytes (RFC 3954, 6.1)."""
    if at + 2 > len(body):
        raise BrokenTemplate("options template cut short")
    option_bytes = body[at] << 8 | body[at + 1]
    if scope_bytes % 4 or option_bytes % 4:
        raise BrokenTemplate("options template: lengths are no multiples of 4")
    _affordable((scope_bytes + option_bytes) // 4, most_fields)
    scopes, at = _fields(body, at + 2, scope_bytes // 4, 9)
    options, at = _fields(body, at, option_bytes // 4, 9)
    return tuple(FieldSpec(s.element, SCOPE_PEN, s.length) for s in scopes) + options, at
