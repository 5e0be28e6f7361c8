"""The Wall's tiles: one for each network, in the colour of its state.

A tile is a series, and a series has one colour for all its values, by its value alone. So Grafana's
server adds series of states to those of rates, and the browser takes them apart again, by network
and state: the state becomes a label, and the colour goes by that.
"""

from flowsleuth.grafana import influxql
from flowsleuth.grafana.expressions import math
from flowsleuth.grafana.frames import grouped, largest, ranked, rows
from flowsleuth.grafana.judged import PROTOCOL, WHOLE, above, learning, over_limit, stale
from flowsleuth.grafana.links import label, to
from flowsleuth.grafana.panels import (
    AMBER,
    BITS,
    BLUE,
    CALM,
    RED,
    Json,
    Panel,
    Query,
    Target,
    override,
)

NORMAL, LEARNING, ABOVE, OVER, STALE = range(5)

COLOURS = {NORMAL: CALM, LEARNING: BLUE, ABOVE: AMBER, OVER: RED, STALE: "black"}

POINTS = 72
"""Of a spark line over six hours: five minutes each."""


def panel(width: int, height: int) -> Panel:
    """Return the panel."""
    return Panel(
        "stat",
        "Networks: grey normal, amber above, red over limit, blue learning",
        "Each network's traffic, all directions, over six hours; those to look at come first. "
        "Amber: the whole or one protocol is above normal; red: over the configured limit; blue: "
        "too little is known yet to say what is normal. A click opens the network.",
        _queries(),
        width,
        height,
        BITS,
        defaults={
            # Each state has its colour below; this is that of no tile at all.
            **_coloured(RED),
            "noValue": "stale",
            "links": [to("network", "Open ${__field.labels.network}", network=label("network"))],
        },
        overrides=[
            *(
                override("byRegexp", f'/state="{state}"/', _coloured(colour))
                for state, colour in COLOURS.items()
            ),
            # After those that look for the state in the name.
            override("byType", "number", {"displayName": "${__field.labels.network}"}),
        ],
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background_solid",
            "graphMode": "area",
            "textMode": "value_and_name",
            "justifyMode": "auto",
            "orientation": "auto",
            "wideLayout": True,
        },
        transformations=_apart(),
        extra={"maxDataPoints": POINTS},
    )  # fmt: skip


def _queries() -> list[Target]:
    states = (
        ("S0", f"0 * $R + {STALE} * $stale"),
        ("S1", f"0 * $R + 0 * $E1 + {LEARNING}"),
        ("S2", f"0 * $R + 0 * $G1 + {ABOVE}"),
        ("S3", f"0 * $R + 0 * $G2 + {ABOVE}"),
        ("S4", f"0 * $R + 0 * $O1 + {OVER}"),
    )
    return [
        *stale(),
        *above(WHOLE),
        *above(PROTOCOL),
        *over_limit(),
        *learning(),
        Query(influxql.rate("traffic", by=("network",)), ref="R", hidden=True),
        math("Rate", "$R + 0 / (1 - $stale)", shown=True),
        *(math(ref, text, shown=True) for ref, text in states),
    ]


def _apart() -> list[Json]:
    states = [f"S{i}" for i in range(5)]
    return [
        *rows(),
        grouped(["Time", "network"], ["Rate", *states]),
        largest("state", [f"{state} (max)" for state in states]),
        *ranked("state"),
        {
            "id": "filterFieldsByName",
            "options": {"include": {"names": ["Time", "network", "Rate (max)", "state"]}},
        },
        {
            "id": "partitionByValues",
            "options": {"fields": ["network", "state"], "naming": {"asLabels": True}},
        },
    ]


def _coloured(colour: str) -> Json:
    return {"color": {"mode": "fixed", "fixedColor": colour}}
