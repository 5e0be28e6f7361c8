"""How far each exporter can be trusted, as a number with words for it: for the Wall and Exporters.

Several things can be wrong with one exporter at once, so each is a bit of one number, `State`: a
table of words for every combination turns it into a text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from flowsleuth.grafana import influxql
from flowsleuth.grafana.expressions import math, numbers
from flowsleuth.grafana.panels import AMBER, CALM, RED, Json, Target

LATELY = "time >= now() - 15m"
"""Points that say how it is now; who is silent still has some, for a day."""

HOUR = "time >= now() - 1h"
"""A long timeout shows only when a long flow ends."""

DAY = "time >= now() - 24h"

SILENT_S = 300
"""As the ingester's own `baseline.trust`."""

LOST = 0.01
"""Share of what was sent: less is a datagram now and then."""

TIMEOUT_S = 120
"""An active timeout above this comes too late to be judged within minutes."""

STALE = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """What can be wrong with an exporter: its bit, the words for it, what to do, the colour."""

    bit: int
    words: str
    remedy: str
    colour: str = AMBER


FAULTS = (
    Fault(1, "timeout too long", "Set its active timeout to 60 s: long flows come that late."),
    Fault(2, "losing", "Kernel drops below? Then a larger receive buffer; else its network loses."),
    Fault(4, "sampling unknown", "Say its rate in the configuration: exporters, sampling.", RED),
    Fault(8, "waits for templates", "Let it send templates every minute."),
)
SILENT = Fault(
    16, "silent", "Is it up? Does it still export to here, and does a filter drop it?", RED
)
"""Who is silent shows nothing else."""


def states() -> list[Target]:
    """Return what finds each exporter's number: `State`, labelled `exporter`.

    Needs `judged.stale`. What a source lacks is 0: each exporter of the last day is there.
    """
    return [
        *numbers("Xs", _of_each(worst("silent_s", "min", LATELY))),
        *numbers("Xt", _of_each(worst("active_timeout_s", "max", HOUR))),
        *numbers("Xu", _of_each(worst("sampling_state", "max", LATELY))),
        *numbers("Xw", _of_each(worst("template_wait", "max", LATELY))),
        *numbers("Xl", _of_each(lost())),
        math("Xf", f"($Xt > {TIMEOUT_S}) + ($Xl > {LOST}) * 2 + ($Xu == 2) * 4 + ($Xw > 0) * 8"),
        math("Xx", f"($Xs > {SILENT_S})"),
        math(
            "State",
            f"$stale * {STALE} + (1 - $stale) * ($Xx * {SILENT.bit} + (1 - $Xx) * $Xf)",
        ),
    ]


def words() -> list[Json]:
    """Return the words and the colour of every number that `State` may be."""
    return _said("heard", lambda fault: fault.words, ", ")


def worst_words() -> list[Json]:
    """Return the same in few words: the worst, and how many more there are."""
    return _said("heard", lambda fault: fault.words, "", most=1)


def remedies() -> list[Json]:
    """Return what to do about every number that `State` may be."""
    return _said(" ", lambda fault: fault.remedy, " ")


def _said(
    calm: str, of: Callable[[Fault], str], between: str, most: int = len(FAULTS)
) -> list[Json]:
    said: Json = {
        str(STALE): {"text": "stale", "color": RED},
        "0": {"text": calm, "color": CALM},
        str(SILENT.bit): {"text": of(SILENT), "color": SILENT.colour},
    }
    for chosen in product((False, True), repeat=len(FAULTS)):
        faults = [fault for fault, there in zip(FAULTS, chosen, strict=True) if there]
        faults.sort(key=lambda fault: fault.colour != RED)
        if faults:
            said[str(sum(fault.bit for fault in faults))] = {
                "text": between.join(of(fault) for fault in faults[:most]) + _more(faults, most),
                "color": RED if RED in {fault.colour for fault in faults} else AMBER,
            }
    return [{"type": "value", "options": said}]


def _more(faults: Sequence[Fault], most: int) -> str:
    return f" +{len(faults) - most}" if len(faults) > most else ""


def worst(field: str, read: str, span: str) -> str:
    """Return the query of a gauge of each exporter, over its streams and the ingesters."""
    newest = "last" if span == LATELY else "max"
    streams = (
        f'SELECT {newest}({influxql.column("exporters", field)}) AS "g" FROM "exporters" '
        f'WHERE {span} GROUP BY "exporter", "domain", "version", "ingester"'
    )
    return f'SELECT {read}("g") AS "v" FROM ({streams}) WHERE {span} GROUP BY "exporter"'


def lost() -> str:
    """Return the query of the share that is lost: the sequence numbers of v9 count datagrams."""
    of_v9, of_others = (
        f'SELECT sum({influxql.column("exporters", "lost")}) AS "lost", '
        f'sum({influxql.column("exporters", field)}) AS "came" '
        f'FROM "exporters" WHERE {HOUR} AND "version" {sign} \'v9\''
        for field, sign in (("datagrams", "="), ("records", "!="))
    )
    return (
        'SELECT sum("lost")/(sum("lost")+sum("came")) AS "v" '
        f'FROM ({of_v9}), ({of_others}) WHERE {HOUR} GROUP BY "exporter"'
    )


def _of_each(source: str) -> str:
    """Return the query of a source's column `v`, 0 for exporters of the last day that it lacks."""
    # 0.0: with an integer in one source, InfluxDB makes integers of all.
    known = (
        f'SELECT sum({influxql.column("exporters", "datagrams")})*0.0 AS "v" '
        f'FROM "exporters" WHERE {DAY}'
    )
    return f'SELECT sum("v") FROM ({source}), ({known}) WHERE {DAY} GROUP BY "exporter"'
