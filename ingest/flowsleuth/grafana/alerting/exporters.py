"""Rules about exporters: who is silent, and whose numbers cannot be trusted.

From the points that every ingester writes of every exporter, over its streams (domains, versions)
and over the ingesters. They are stamped with the window of receipt, so nothing has to be waited
for.
"""

from dataclasses import dataclass

from flowsleuth.grafana import influxql, trust
from flowsleuth.grafana.alerting import texts
from flowsleuth.grafana.alerting.constants import Span
from flowsleuth.grafana.alerting.paces import Nodes
from flowsleuth.grafana.alerting.rule import CRITICAL, INFO, WARNING, Ask, Rule, Severity, verdict
from flowsleuth.grafana.expressions import reduced

LATELY, HALF_HOUR, HOUR = Span(seconds=900), Span(seconds=1800), Span(seconds=3600)

WEEK_H = 168

SKEW_MS = 120_000
"""As collect's: above it times are shifted."""

DUPLICATES = 0.1


@dataclass(frozen=True, slots=True)
class Doubt:
    """One way in which an exporter's numbers may be wrong, and how it is seen.

    query: one row for each exporter; begins, stays: conditions of `$Value`.
    """

    name: str
    alert: str
    severity: Severity
    query: str
    span: Span
    begins: str
    stays: str
    text: texts.Text
    waits: int = 0
    again: int = 24


def worst(field: str, newest: str, of_streams: str, *, factor: str = "") -> str:
    """Return the query of a gauge of each exporter.

    newest: of a stream's points, last or max; of_streams: min, max; factor: times this.
    """
    streams = (
        f'SELECT {newest}({influxql.column("exporters", field)}){factor} AS "g" FROM "exporters" '
        'WHERE $timeFilter GROUP BY "exporter", "domain", "version", "ingester"'
    )
    return f'SELECT {of_streams}("g") FROM ({streams}) GROUP BY "exporter"'


def counted(field: str) -> str:
    """Return the query of a counter of each exporter."""
    column = influxql.column("exporters", field)
    return f'SELECT sum({column}) FROM "exporters" WHERE $timeFilter GROUP BY "exporter"'


DOUBTS = (
    Doubt(
        "exporter-silent",
        "Exporter silent",
        CRITICAL,
        worst("silent_s", "last", "min"),
        LATELY,
        f"$Value > {trust.SILENT_S}",
        "$Value > 60",
        texts.SILENT,
    ),
    Doubt(
        "flows-lost",
        "Flows lost",
        WARNING,
        trust.lost().replace(trust.HOUR, "$timeFilter"),
        HALF_HOUR,
        f"$Value > {trust.LOST}",
        f"$Value > {trust.LOST / 2}",
        texts.LOST,
    ),
    Doubt(
        "templates-missing",
        "Templates missing",
        WARNING,
        counted("missing_template"),
        LATELY,
        "$Value > 0",
        "$Value > 0",
        texts.TEMPLATES,
    ),
    Doubt(
        "sampling-unknown",
        "Sampling unknown",
        WARNING,
        worst("sampling_state", "last", "max"),
        LATELY,
        "$Value == 2",
        "$Value == 2",
        texts.SAMPLING,
        waits=300,
        again=WEEK_H,
    ),
    Doubt(
        "clock-off",
        "Clock off",
        INFO,
        worst("clock_skew_ms", "last", "max"),
        LATELY,
        f"abs($Value) > {SKEW_MS}",
        f"abs($Value) > {SKEW_MS / 2}",
        texts.CLOCK,
        waits=300,
    ),
    Doubt(
        "timeout-too-long",
        "Active timeout too long",
        WARNING,
        worst("active_timeout_s", "max", "max"),
        HOUR,
        f"$Value > {trust.TIMEOUT_S}",
        f"$Value > {trust.TIMEOUT_S}",
        texts.TIMEOUT,
        waits=600,
        again=WEEK_H,
    ),
    Doubt(
        "duplicates",
        "Duplicates",
        INFO,
        worst("duplicate_share", "last", "max"),
        HALF_HOUR,
        f"$Value > {DUPLICATES}",
        f"$Value > {DUPLICATES / 2}",
        texts.DUPLICATES,
        waits=600,
    ),
)


def rules() -> list[Rule]:
    """Return the rules."""
    return [_rule(doubt) for doubt in DOUBTS]


def _rule(doubt: Doubt) -> Rule:
    nodes: Nodes = [
        Ask("Asked", doubt.query, doubt.span),
        reduced("Value", "Asked"),
        verdict(doubt.begins, doubt.stays),
    ]
    return Rule(
        doubt.name,
        doubt.alert,
        "",
        doubt.severity,
        60,
        nodes,
        doubt.text.annotations(),
        board="exporters",
        waits=doubt.waits,
        again=doubt.again,
    )
