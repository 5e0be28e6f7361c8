"""Rules about the ingester: whether it writes at all, what it drops, and its series budget.

One rule alone takes it for an alert that InfluxDB has no data or does not answer: `Ingester
silent`. All others are quiet then, or a restart of InfluxDB would be forty messages.
"""

from dataclasses import dataclass

from flowsleuth.grafana import influxql
from flowsleuth.grafana.alerting import texts
from flowsleuth.grafana.alerting.constants import Span
from flowsleuth.grafana.alerting.paces import Nodes
from flowsleuth.grafana.alerting.rule import (
    CRITICAL,
    INFO,
    WARNING,
    Ask,
    CarriedOn,
    Rule,
    Severity,
    verdict,
)
from flowsleuth.grafana.expressions import math, reduced

LATELY, HOUR = Span(seconds=600), Span(seconds=3600)

SILENT_MIN = 5
"""Minutes without a point; one is written for each window, up to two minutes after its start."""

REMEMBERED_S = 7200
"""How long an ingester is missed by its name; after that, only that there is none at all."""

DROPS = 0.001
"""Part of the datagrams."""

LATE_S = 30.0
"""A write which takes longer makes windows late."""

FOLDED = 0.2


@dataclass(frozen=True, slots=True)
class Trouble:
    """What may be wrong with an ingester: numbers by ingester, and conditions of them."""

    name: str
    alert: str
    severity: Severity
    asked: tuple[tuple[str, str, Span], ...]
    begins: str
    stays: str
    text: texts.Text
    waits: int = 0


def of(value: str, measurement: str = "ingester") -> str:
    """Return the query of a number for each ingester."""
    return f'SELECT {value} FROM "{measurement}" WHERE $timeFilter GROUP BY "ingester"'


def total(field: str) -> str:
    """Return the sum of one of its counters."""
    return f"sum({influxql.column('ingester', field)})"


TROUBLES = (
    Trouble(
        "kernel-drops",
        "Kernel drops",
        WARNING,
        (("Dropped", of(total("kernel_drops")), LATELY), ("Came", of(total("datagrams")), LATELY)),
        f"$Dropped > {DROPS} * ($Came + 1)",
        "$Dropped > 0",
        texts.DROPS,
    ),
    Trouble(
        "writes-failing",
        "Writes failing or late",
        WARNING,
        (
            ("Failed", of(total("write_errors")), LATELY),
            ("Gone", of(f"{total('points_dropped')} + {total('points_refused')}"), LATELY),
            ("Took", of(f"max({influxql.column('ingester', 'write_seconds')})"), LATELY),
        ),
        f"($Failed > 0) || ($Gone > 0) || ($Took > {LATE_S})",
        f"($Failed > 0) || ($Gone > 0) || ($Took > {LATE_S / 2})",
        texts.WRITES,
    ),
    Trouble(
        "budget",
        "Series budget too small",
        INFO,
        (
            ("Folded", of(total("folded_bytes")), HOUR),
            ("All", of(f"sum({influxql.column('traffic', 'bytes')})", "traffic"), HOUR),
        ),
        f"$Folded > {FOLDED} * ($All + 1)",
        f"$Folded > {FOLDED * 0.9} * ($All + 1)",
        texts.BUDGET,
    ),
)


def rules() -> list[Rule]:
    """Return the rules."""
    return [_silent(), *(_rule(trouble) for trouble in TROUBLES)]


def _silent() -> Rule:
    """Return the dead-man rule: the age of each ingester's newest point, in minutes."""
    last = of(f"last({influxql.column('ingester', 'datagrams')})")
    nodes: Nodes = [
        Ask("Last", last, Span(seconds=REMEMBERED_S)),
        CarriedOn("Since", "Last", "1m", Span(seconds=REMEMBERED_S)),
        reduced("Minutes", "Since", "count"),
        verdict(f"$Minutes > {SILENT_MIN}", f"$Minutes > {SILENT_MIN - 1}"),
    ]
    return Rule(
        "ingester-silent",
        "Ingester silent",
        "",
        CRITICAL,
        60,
        nodes,
        texts.INGESTER.annotations(),
        board="exporters",
        waits=60,
        no_data="Alerting",
        on_error="Error",
    )


def _rule(trouble: Trouble) -> Rule:
    nodes: Nodes = [
        node
        for ref, query, span in trouble.asked
        for node in (Ask(f"{ref}Asked", query, span), reduced(ref, f"{ref}Asked"))
    ]
    nodes += [
        math("Begins", trouble.begins),
        math("Stays", trouble.stays),
        verdict("$Begins", "$Stays"),
    ]
    return Rule(
        trouble.name,
        trouble.alert,
        "",
        trouble.severity,
        60,
        nodes,
        trouble.text.annotations(),
        board="exporters",
        waits=trouble.waits,
    )
