"""Writes the pages of docs/ that are made from the code's tables: `make docs`.

tests/test_docs.py compares what is in docs/ with what this gives, so that no page can be behind.
"""  # noqa: INP001  a program, no package

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from flowsleuth.config import Config, Section
from flowsleuth.enrich.service_table import TOPICS
from flowsleuth.enrich.services import SHIPPED, read_topic
from flowsleuth.pipeline.reload import needs_restart
from flowsleuth.protocols import NAMES
from flowsleuth.schema import MEASUREMENTS, RESERVED_NAMES, Kept, Kind, Measurement

MADE = "<!-- Made from {source} by `make docs`: change it there. -->"

HOW_TO_READ = {
    Kind.COUNTER: "sum",
    Kind.GAUGE: "last, max or mean",
    Kind.TEXT: "as it is",
}

WHERE = {
    Kept.DETAIL: "detail (`influx.detail`, 30 days by default)",
    Kept.LONG: "long (`influx.database`, 2 years by default)",
}


def schema_page() -> str:
    """Return docs/schema.md: every measurement with its tags and fields."""
    reserved = ", ".join(f"`{name}`" for name in sorted(RESERVED_NAMES))
    head = f"""\
# What is in InfluxDB?

{MADE.format(source="ingest/flowsleuth/schema.py")}

Points are deltas: a **counter** is summed, and `sum()` over any points of it is right. Never take
the mean or the last of a counter's points: a window may have several. A **gauge** is read with
last, max or mean.

Every point also has the tag `ingester`, but for those of `baseline`. A network's own labels
(`site`, `role`, …) are tags of the measurements that have `network`, but for `baseline`, too.

These tag values have a meaning of their own, and no network or exporter may be called so:
{reserved}.
"""
    return "\n".join([head, *map(_measurement, MEASUREMENTS)])


def _measurement(measurement: Measurement) -> str:
    tags = " ".join(f"`{tag}`" for tag in measurement.tags) or "none of its own"
    rows = [
        f"| `{field.name}` | {field.kind.value} | {field.unit or 'text'} "
        f"| {HOW_TO_READ[field.kind]} | {field.meaning} |"
        for field in measurement.fields
    ]
    return "\n".join(
        [
            f"## {measurement.name}",
            "",
            measurement.meaning,
            "",
            f"Tags: {tags}. Kept: {WHERE[measurement.kept]}.",
            "",
            "| field | kind | unit | read with | meaning |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def services_page() -> str:
    """Return docs/services.md: the shipped table of services."""
    head = f"""\
# Which service ports does FlowSleuth know?

{MADE.format(source="ingest/flowsleuth/enrich/service_table.py")}

A flow has two ports, and only one of them is the service. When the configuration names neither,
when both are above 1023, and when no port stands out in the window, the port that is listed here
is taken, if only one of the two is. Add your own, which come first:

```yaml
services: {{14857/udp: acme-sync}}
```

{len(SHIPPED)} ports, by topic. Those below 1024 are listed for their names only.
"""
    parts = [head]
    for topic, text in TOPICS.items():
        rows = sorted((port, NAMES[protocol], name) for name, port, protocol in read_topic(text))
        parts += [f"## {topic}", "", "| port | name |", "|---|---|"]
        parts += [f"| {port}/{protocol} | {name} |" for port, protocol, name in rows]
        parts.append("")
    return "\n".join(parts)


def settings_page() -> str:
    """Return docs/settings.md: every setting with its default, and whether a reload takes it."""
    head = f"""\
# Which settings are there?

{MADE.format(source="ingest/flowsleuth/config/")}

All of them stand in one YAML file; [flowsleuth.example.yaml](flowsleuth.example.yaml) shows it.
After a change, SIGHUP has a running `collect` read the file again. What takes effect then is marked
*reload*; a change of what is marked *restart* is named in the log, and waits for the next start.
"""
    defaults = Config().model_dump(mode="json", by_alias=True)
    parts = [head, *_settings(Config, defaults)]
    for section in _sections(Config):
        said = (section.__doc__ or "").splitlines()[0]
        place = _place(section)
        known = defaults.get(place)
        inner = _settings(section, known if isinstance(known, dict) else {})
        parts += ["", f"## {place}", "", said, "", *inner]
    return "\n".join([*parts, ""])


def _settings(section: type[Section], defaults: dict[str, object]) -> list[str]:
    """Return the table of one section's settings; with defaults for the top of the file."""
    top = section is Config
    rows = [
        f"| setting | default | {'after a change | ' if top else ''}meaning |",
        f"|---|---|{'---|' if top else ''}---|",
    ]
    for name, field in section.model_fields.items():
        spelt = field.alias or name
        value = defaults.get(spelt, field.get_default() if not field.is_required() else None)
        plain = (isinstance(value, int | float | str) and value != "") or name == "listen"
        shown = "required" if field.is_required() else f"`{json.dumps(value)}`" if plain else ""
        effect = f"{'restart' if needs_restart(name) else 'reload'} | " if top else ""
        rows.append(f"| `{spelt}` | {shown} | {effect}{field.description} |")
    return rows


def _sections(section: type[Section]) -> list[type[Section]]:
    """Return the sections below one, each once, in the order of the settings."""
    found: list[type[Section]] = []
    for field in section.model_fields.values():
        for kind in _kinds(field.annotation):
            found += (
                [kind, *_sections(kind)] if kind.model_fields.keys() != {"host", "port"} else []
            )
    return found


def _kinds(annotation: object) -> list[type[Section]]:
    """Return the sections that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [kind for inner in get_args(annotation) for kind in _kinds(inner)]


def _place(section: type[Section]) -> str:
    """Return the setting whose value, or whose values' items, the section is."""
    owners = {
        kind: field.alias or name
        for owner in (Config, *_sections(Config))
        for name, field in owner.model_fields.items()
        for kind in _kinds(field.annotation)
    }
    return owners[section]


PAGES: dict[str, Callable[[], str]] = {
    "schema.md": schema_page,
    "services.md": services_page,
    "settings.md": settings_page,
}
"""File in docs/ -> what makes it."""


if __name__ == "__main__":
    for file, make in PAGES.items():
        Path(__file__).with_name(file).write_text(make(), encoding="utf-8")
