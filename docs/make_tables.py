"""Writes the pages of docs/ that are made from the code's tables: `make docs`.

tests/test_docs.py compares what is in docs/ with what this gives, so that no page can be behind.
"""  # noqa: INP001  a program, no package

from collections.abc import Callable
from pathlib import Path

from flowsleuth.enrich.protocols import NAMES
from flowsleuth.enrich.service_table import TOPICS
from flowsleuth.enrich.services import SHIPPED, read_topic
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
(`site`, `role`, …) are tags of the measurements that have `network`.

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


PAGES: dict[str, Callable[[], str]] = {"schema.md": schema_page, "services.md": services_page}
"""File in docs/ -> what makes it."""


if __name__ == "__main__":
    for file, make in PAGES.items():
        Path(__file__).with_name(file).write_text(make(), encoding="utf-8")
