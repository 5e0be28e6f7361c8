"""Writes the pages of docs/ that are made from the code's tables: `make docs`.

tests/test_docs.py compares what is in docs/ with what this gives, so that no page can be behind.
"""  # noqa: INP001  a program, no package

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from click import Context

from flowsleuth.cli import COMMANDS, HELP, group
from flowsleuth.config import Config, Section
from flowsleuth.doctor.kinds import (
    ALERTS,
    GAPS,
    KINDS,
    LATE,
    NO_NAMES,
    NO_PANELS,
    NOTHING_SHOWN,
    SYMPTOMS,
    WRONG_SUMS,
    WRONG_TIMES,
)
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


HINTS = {
    NOTHING_SHOWN: (
        "The time range on top of the dashboard: the newest two minutes are not drawn yet.",
        "In a container, see that the port is published as UDP (`2055:2055/udp`).",
        "An exporter may remember that the collector was unreachable: wait a minute.",
        "The export may leave by another interface than you think: `tcpdump` says.",
    ),
    NO_PANELS: (
        "The message of a panel is in the corner of it; *Inspect, Query* has what InfluxDB said.",
        "After an upgrade of Grafana: nothing, dashboards are made for 11.0 and newer.",
        "Another window needs [other constants](dashboards.md#what-do-i-have-to-change).",
    ),
    NO_NAMES: (
        "Does the exporter tell addresses after NAT only? Let it watch the inside interface.",
    ),
    WRONG_SUMS: (
        "Half, or twice: see `count` and where the exporter measures ([devices.md](devices.md)).",
        "A thousandth: sampling. The dashboard *Exporters and interfaces* shows the rate applied.",
        "All exporters have one address: Docker's or a repeater's; use the host's network.",
        "Never take `mean()` of a counter in a panel of your own: `sum()` is right.",
    ),
    WRONG_TIMES: (
        "Grafana shows the browser's time zone; the points are in UTC.",
        "A device whose clock shows local time but says UTC is off by whole hours.",
    ),
    LATE: (
        "A spike shows up to two minutes after it began: window and grace, 60 s each.",
        "A jump when a download ends: a long active timeout, or [pflow](pfsense.md#why-not-pflow).",
    ),
    GAPS: (
        "A gap in all networks: the ingester stood still; its log and `/healthz` say why.",
        "A gap in one: its exporter did. The Wall's last row says which.",
    ),
    ALERTS: (
        "Nobody is told? `provision` says where alerts go: to a receiver, or by your policies.",
        "A nightly backup alerts: say it under `expected` in the configuration.",
        "In the first week the normal of each hour is being learned; limits work at once.",
        "Links in messages are dead: set `root_url` in Grafana.",
    ),
}
"""What to look at beside what doctor finds, by symptom."""


def troubleshooting_page() -> str:
    """Return docs/troubleshooting.md: what doctor can find, by what somebody sees."""
    parts = [
        f"""\
# What do I do when it does not work?

{MADE.format(source="ingest/flowsleuth/doctor/kinds.py")}

Ask the doctor first. It changes nothing, listens for 20 seconds, and gives the command for each
thing that it finds. As root it also hears what this machine's firewall drops.

```sh
flowsleuth doctor -c /etc/flowsleuth/flowsleuth.yaml
```

Below is what it can find, and what to look at besides, by what you see. What is marked *wrong*
makes its exit status 1; a *note* may be as you want it.
"""
    ]
    for symptom in SYMPTOMS:
        rows = [
            f"| `{k.name}` | {k.level.value} | {k.meaning} |" for k in KINDS if k.symptom == symptom
        ]
        parts += [f"## {symptom}", "", "| doctor says | | it means |", "|---|---|---|", *rows, ""]
        parts += [*(f"- {hint}" for hint in HINTS[symptom]), ""]
    return "\n".join(parts)


def cli_page() -> str:
    """Return docs/cli.md: the help of each command, as it is printed."""
    head = f"""\
# Which commands are there?

{MADE.format(source="the help of each command")}

The exit status is 0 for success, 1 for a failure that the message explains, and 2 for wrong usage.
"""
    parts = [head]
    for name in COMMANDS:
        command = group.get_command(Context(group), name)
        assert command is not None
        context = Context(command, info_name=f"flowsleuth {name}", **HELP, terminal_width=96)
        parts += [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "schema.md": schema_page,
    "services.md": services_page,
    "settings.md": settings_page,
    "troubleshooting.md": troubleshooting_page,
}
"""File in docs/ -> what makes it."""


if __name__ == "__main__":
    for file, make in PAGES.items():
        Path(__file__).with_name(file).write_text(make(), encoding="utf-8")
