"""The templates of messages: short for a phone, long for mail, and links as each medium has them.

The pieces come from the rule (`texts`). Added are what only Grafana's Alertmanager knows: when it
began and ended, links to that very window; and the names of services and hosts, looked up in lists
that are part of the template.

- `flowsleuth.title`: what, in a line; `flowsleuth.alert`: which alert it is, and how urgent.
- `flowsleuth.short`: 300 characters at most, whatever happens. Its first words are network,
  direction, rate and normal: a lock screen shows no more.
- `flowsleuth.long`: for mail, with a table, the rule that blocks it, and how to see the raw flows.
- `flowsleuth.plain`, `flowsleuth.html`: the short form and its links; `flowsleuth.markdown`,
  `flowsleuth.slack`: what stands below the short form as a title, advice and links.

They are in `messages.tmpl`, in Go's language, with functions of Grafana 11.0 only. None of these
hands one template's text to another as a value: so what several need is a `[[part]]` there, put
into each. In double square brackets is what is known here.
"""

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files

from flowsleuth.enrich.services import SHIPPED
from flowsleuth.grafana.alerting import blocks
from flowsleuth.protocols import NAMES

SECOND_NS = 1_000_000_000

CONSTANTS = {
    "LINE": "255",  # characters of the alert that is told
    "MORE": "40",  # and of what else is in the same message
    "LONG": "10",  # alerts that the long form tells at length
    "MARGIN": str(300 * SECOND_NS),  # what a link's window shows before and after
    "ISO": "2006-01-02T15:04:05Z",
}

_SECTION = re.compile(r"^\[\[(part|template) ([\w.]+)\]\]\n", re.MULTILINE)
_FILLED = re.compile(r"\[\[(\w+)\]\]")


def templates(
    times: Iterable[int],
    services: Mapping[tuple[int, int], str] | None = None,
    hosts: Mapping[str, str] | None = None,
) -> str:
    """Return all templates, one text.

    times: the `began` and `ended` of all rules, in seconds. services: names by (port, protocol
    number), beside the shipped ones; hosts: names by address.
    """
    parts, defined = _sections((files(__package__) / "messages.tmpl").read_text("utf-8"))
    parts |= CONSTANTS | {
        "times": _times(times),
        "lists": _lists(SHIPPED | dict(services or {}), hosts or {}),
        "blocks": blocks.template(),
    }
    return "\n".join(
        f'{{{{ define "flowsleuth.{name}" -}}}}\n{_filled(text, parts)}\n{{{{- end }}}}'
        for name, text in defined.items()
    )


def _sections(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parts and the templates by their names."""
    _, *found = _SECTION.split(text)
    sections: dict[str, dict[str, str]] = {"part": {}, "template": {}}
    for kind, name, inside in zip(found[::3], found[1::3], found[2::3], strict=True):
        sections[kind][name] = inside.strip("\n")
    return sections["part"], sections["template"]


def _filled(text: str, parts: Mapping[str, str]) -> str:
    return _FILLED.sub(lambda found: _filled(parts[found[1]], parts), text)


def _times(seconds: Iterable[int]) -> str:
    """Return what puts `$begin` and `$end` so much earlier as the annotations say: a case each."""
    moments = (("began", "begin", ".StartsAt"), ("ended", "end", ".EndsAt"))
    return "\n".join(
        f'{{{{- if eq .Annotations.{name} "{s}" }}}}'
        f"{{{{ ${moment} = {of}.Add -{s * SECOND_NS} }}}}{{{{ end -}}}}"
        for name, moment, of in moments
        for s in sorted(set(seconds))
    )


def _lists(services: Mapping[tuple[int, int], str], hosts: Mapping[str, str]) -> str:
    """Return what sets `$services` and `$hosts`: a line each, `udp/53 dns`, `10.1.2.3 name`."""
    named = ((f"{NAMES[protocol]}/{port}", name) for (port, protocol), name in services.items())
    return _list("services", named) + _list("hosts", hosts.items())


def _list(name: str, lines: Iterable[tuple[str, str]]) -> str:
    text = "".join(f"{key} {value}\n" for key, value in sorted(lines) if "`" not in value)
    return f"{{{{- ${name} := `\n{text}` -}}}}\n"
