"""Wall: for a screen three metres away, which nobody touches.

Colour says what to look at, and words say it too: grey is normal, amber above normal, red over a
limit or not to be trusted, blue still learning. When the data is stale the whole strip says so in
red: a wall that stands still must not look calm. No variables, no scrolling at 1920 x 1080 (kiosk).
"""

from flowsleuth.grafana import culprits, influxql, tiles, trust, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.expressions import calm, kept, math
from flowsleuth.grafana.frames import grouped, largest, ordered, ranked, rows, unless_others
from flowsleuth.grafana.graphs import band, graph
from flowsleuth.grafana.judged import (
    NOTHING,
    PROTOCOL,
    STALE_S,
    WHOLE,
    above,
    age,
    networks,
    over_limit,
    stale,
)
from flowsleuth.grafana.links import narrow, to
from flowsleuth.grafana.names import shortened
from flowsleuth.grafana.panels import (
    AMBER,
    CALM,
    RED,
    Json,
    Panel,
    Query,
    Target,
    override,
    stat,
)
from flowsleuth.grafana.tables import computed

LOW = 1_000_000
"""Taken from each number of the strip when the data is stale: more than any number there."""

STALE_WORDS: Json = {
    "type": "range",
    "options": {"from": None, "to": -1, "result": {"text": "stale", "color": RED}},
}

CELLS: Json = {
    "graphMode": "none",
    "colorMode": "background_solid",
    "textMode": "value_and_name",
    "wideLayout": True,
    "orientation": "vertical",
}


NORMAL, ABOVE, OVER = "normal", "above normal", "over their limit"

CALMLY = ((None, RED), (0, CALM))
"""Red where there is no number at all."""


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "wall",
        "FlowSleuth / Wall",
        "What is above normal now, who does it, and whether the data can be trusted. For a screen: "
        "add &kiosk to the address.",
        [
            _networks(),
            _exporters(),
            _age(),
            culprits.panel(24, 6),
            _total(),
            tiles.panel(16, 13),
            _chips(),
        ],
        [variables.lag()],
        refresh="30s",
        extra={"timepicker": {"hidden": True}},
    )  # fmt: skip


def _networks() -> Panel:
    shown = [
        math("Heard", f"$T - {2 * LOW} * $stale", shown=True),
        math("Nothing", f"0 * $T - {LOW} * $stale", shown=True),
        math("X1", "0 * $G1 + 0 * $T + 1", shown=True),
        math("X2", "0 * $G2 + 0 * $T + 1", shown=True),
        math("X3", "0 * $O1 + 0 * $T + 1", shown=True),
    ]
    found = [f"{ref} (max)" for ref in ("Nothing", "X1", "X2", "X3")]
    return stat(
        "Networks",
        "How many networks are normal now, how many are above normal in the whole or in one "
        "protocol, and how many over their limit. Amber or red: read the lines below.",
        [*stale(), *networks(), *above(WHOLE), *above(PROTOCOL), *over_limit(), *shown],
        unit="none",
        thresholds=CALMLY,
        calc="sum",
        mappings=[STALE_WORDS],
        empty=NOTHING,
        width=12,
        height=3,
        options=_cells(NORMAL, ABOVE, OVER),
        transformations=[
            *rows(),
            grouped(["network"], ["Heard", "Nothing", "X1", "X2", "X3"]),
            largest(ABOVE, found),
            largest(OVER, [found[0], found[3]]),
            computed(NORMAL, "Heard (max)", "-", ABOVE),
            ordered(NORMAL, ABOVE, OVER),
        ],
        overrides=[
            override("byName", ABOVE, {"thresholds": _steps(AMBER)}),
            override("byName", OVER, {"thresholds": _steps(RED)}),
        ],
        links=[to("networks", "All networks")],
    )  # fmt: skip


def _exporters() -> Panel:
    shown = [
        math(
            "heard", f"($State >= 0) * ($State < {trust.SILENT.bit}) - {LOW} * $stale", shown=True
        ),
        math("silent", f"($State >= {trust.SILENT.bit}) - {LOW} * $stale", shown=True),
    ]
    return stat(
        "Exporters",
        "How many exporters of the last day are heard, and how many sent nothing for five minutes: "
        "their networks cannot be judged.",
        [*stale(), *trust.states(), *shown],
        unit="none",
        thresholds=CALMLY,
        calc="sum",
        mappings=[STALE_WORDS],
        empty=NOTHING,
        width=7,
        height=3,
        options=_cells("heard", "silent"),
        transformations=rows(),
        overrides=[override("byName", "silent", {"thresholds": _steps(RED)})],
        links=[to("exporters", "Exporters")],
    )  # fmt: skip


def _age() -> Panel:
    return stat(
        "Age of the data",
        "How long ago the newest window ended that is in InfluxDB. Above five minutes everything "
        "on this page is of the past: is `flowsleuth collect` running, does it reach InfluxDB?",
        [*age(), math("newest", "$age + 0", shown=True)],
        unit="dtdurations",
        # A window that reaches into the future, by a clock that is off, is not stale.
        thresholds=((None, RED), (-STALE_S, CALM), (STALE_S, RED)),
        empty=NOTHING,
        width=5,
        height=3,
        options={**CELLS, "textMode": "value"},
        links=[to("exporters", "The ingester's health")],
    )


def _cells(*names: str) -> Json:
    """Return the looks of a cell for each of these columns, which has their sum."""
    fields = f"/^({'|'.join(names)})$/"
    return {**CELLS, "reduceOptions": {"calcs": ["sum"], "fields": fields, "values": False}}


def _steps(colour: str) -> Json:
    """Return thresholds: grey where it is none, else the colour."""
    steps = [*CALMLY, (1, colour)]
    return {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in steps]}


SOUND = 0.5
"""The state of nobody, which no exporter has."""


def _chips() -> Panel:
    calmly = {"text": "Nothing is wrong with any exporter that was heard"}
    none_wrong = {"type": "special", "options": {"match": "empty", "result": calmly}}
    sound = {"type": "value", "options": {str(SOUND): {"text": " ", "color": CALM}}}
    return Panel(
        "stat",
        "Exporters: who cannot be trusted",
        "With which something is wrong, the worst first: silent for five minutes, losing more than "
        "1 % by its sequence numbers, sampling at an unknown rate, waiting for templates, or an "
        "active timeout above two minutes. A click shows the reasons and what to do.",
        [
            *stale(),
            *trust.states(),
            *kept("Fault", "$State", "$State != 0", shown=True),
            *calm("exporters", ("exporter",), "profiles"),
            math("Sound", f"{SOUND} * $Calm", shown=True),
        ],
        24,
        3,
        "none",
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": [{"value": None, "color": RED}]},
            "mappings": [*trust.worst_words(), sound],
            "noValue": NOTHING,
            "links": [to("exporters", "Why")],
        },
        options={
            "reduceOptions": {"calcs": [], "fields": "/__data/", "values": True, "limit": 10},
            **CELLS,
            "orientation": "auto",
            "justifyMode": "center",
            "wideLayout": False,
            "text": {"titleSize": 15, "valueSize": 17},
        },
        overrides=[
            override("byName", "State", {"displayName": '${__data.fields["exporter"]}'}),
            override(
                "byName", "exporter", {"unit": "string", "mappings": [none_wrong, *shortened(14)]}
            ),
        ],
        transformations=[
            *rows(),
            largest("State", ["Fault", "Sound"]),
            *ranked("State"),
            *unless_others("Calm"),
        ],
    )  # fmt: skip


def _total() -> Panel:
    queries: list[Target] = []
    for direction in ("out", "in"):
        tags = f"\"profile\" = 'all' AND \"direction\" = '{direction}'"
        queries += [
            Query(
                influxql.rate("profiles", where=(tags, OLDER), empty="none"),
                direction,
                ref=direction,
            ),
            Query(
                influxql.rate("profiles", where=(tags, YOUNGER), empty="none"),
                f"{direction}, not complete yet",
                ref=f"{direction}_young",
            ),
            *(
                Query(_bound(direction, field), f"{words} {direction}", ref=f"{direction}_{field}")
                for field, words in BOUNDS.items()
            ),
        ]
    return graph(
        "Everything: out above, in below",
        "All traffic of the last six hours, each record once, and the band from what is expected "
        "to what is normal at most. What is dashed is not complete: an exporter reports that late.",
        queries,
        mirrored=["in", "in_young", *(f"in_{field}" for field in BOUNDS)],
        links=[narrow("networks", "All networks at this time")],
        empty=NOTHING,
        overrides=_drawn(),
        width=8,
        height=13,
    )


BOUNDS = {"bytes_expected": "expected", "bytes_upper": "normal up to"}

OLDER = "time < now() - 0${lag}s"
"""Complete, as far as the slowest exporter goes. The 0 stands where the lag is not known."""

YOUNGER = "time >= now() - 0${lag}s"


def _bound(direction: str, field: str) -> str:
    tags = f"\"direction\" = '{direction}' AND \"protocol\" = 'all'"
    return (
        f'SELECT {influxql.column("baseline", field)}*8 FROM "baseline" '
        f"WHERE {influxql.RANGE} AND \"network\" = 'profile:all' AND {tags}"
    )


def _drawn() -> list[Json]:
    return [
        override("byRegexp", "/^(out|in)/", {"custom.lineWidth": 2, "custom.fillOpacity": 0}),
        *(
            override(
                "byRegexp", f"/^{direction}/", {"color": {"mode": "fixed", "fixedColor": colour}}
            )
            for direction, colour in (("out", "blue"), ("in", "green"))
        ),
        override("byRegexp", "/complete/", {"custom.lineStyle": {"fill": "dash", "dash": [6, 8]}}),
        *band("expected out", "normal up to out"),
        # Drawn downwards, it is the other way round.
        *band("normal up to in", "expected in"),
    ]
