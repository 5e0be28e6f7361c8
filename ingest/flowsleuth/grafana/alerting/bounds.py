"""Traffic above its limit, and traffic that vanished.

A limit is configured, for a network or a profile, and holds from the first day on. Profiles and
their rows in `baseline` have different tags, which Grafana cannot join: so a profile's points carry
its limit themselves.

Vanished is a network of which something is expected, and nothing comes although its exporters
report and `collect` wrote all the while. Many at once are one message: a line that all of them
share, not forty networks, is what is down then.
"""

from flowsleuth.grafana.alerting import asked, texts
from flowsleuth.grafana.alerting.constants import EDGES, NEWEST, PROMPT, Edge, Span
from flowsleuth.grafana.alerting.paces import Nodes, mean
from flowsleuth.grafana.alerting.rule import WARNING, Ask, Rule, verdict
from flowsleuth.grafana.expressions import kept, math, reduced

LIMIT_WINDOWS, LIMIT_MEMORY = 5, 15
LIMIT_STAYS = 0.9

CARRIES = 0.5
"""Of the traffic: who does is named."""

WAY, HOST = (*asked.WAY, *asked.LABELS), (*asked.TALKER, *asked.LABELS)
PROFILE = ("profile", "direction")

VANISHED, BACK = 0.05, 0.2
"""Of what is expected: less is vanished, more is back."""

LEAST_FLOORS = 2
"""Of the network's floor: where less is expected, nothing may come for a while."""

BUCKET_S, BUCKETS = 300, 3
WATCHED_S, LEAST_STEPS = 1500, 4
"""How long the ingester must have written `baseline`, and how many of its steps."""


def rules() -> list[Rule]:
    """Return the rules."""
    limits = [limit(edge) for edge in EDGES for limit in (_network, _profile)]
    return [*limits, *(_vanished(edge) for edge in EDGES)]


def _late(edge: Edge) -> tuple[str, str]:
    """Return what a rule of an edge is called, as in uids and as in titles."""
    return ("", "") if edge is PROMPT else ("-late", ", its exporters are late")


def _network(edge: Edge) -> Rule:
    memory = Span(edge, windows=LIMIT_MEMORY)
    nodes = [
        asked.traffic("Traffic", WAY, memory),
        asked.baseline("Bound", "bytes_limit", asked.WAY, (asked.WHOLE,)),
        asked.baseline("Lag", "lag_s", asked.WAY, (asked.WHOLE,), factor="*1.0"),
        asked.index("Index", memory),
        *_judged(edge),
        asked.windows("Talkers", "talkers", HOST, memory, (asked.LARGE, asked.NOT_OTHER)),
        *mean("Talker", "Talkers", LIMIT_WINDOWS),
        *kept("Top", "$Talker", f"$Talker > {CARRIES} * $Rate"),
    ]
    return _limit(edge, "network", "a network", nodes, texts.LIMIT)


def _profile(edge: Edge) -> Rule:
    memory = Span(edge, windows=LIMIT_MEMORY)
    limit = 'max("bytes_limit")*8.0'
    everywhere = (asked.WHOLE, "\"network\" = 'profile:all'")
    nodes = [
        asked.windows("Traffic", "profiles", PROFILE, memory, fill="0"),
        asked.sums("Bound", "profiles", PROFILE, Span(seconds=86_400), value=limit),
        # A profile may be of any exporter's: it has the worst lag of all.
        asked.baseline("Lag", "lag_s", ("direction",), everywhere, factor="*1.0"),
        asked.index("Index", memory, "profiles", "profile"),
        *_judged(edge),
    ]
    return _limit(edge, "profile", "a profile", nodes, texts.PROFILE_LIMIT)


def _judged(edge: Edge) -> Nodes:
    stays = f"$Ours * ($Long > {LIMIT_STAYS} * $Limit)"
    return [
        reduced("Windows", "Index", "max"),
        reduced("Limit", "Bound"),
        reduced("Late", "Lag"),
        math("Ours", f"($Limit > 0) * {edge.is_ours('$Late')}"),
        *mean("Rate", "Traffic", LIMIT_WINDOWS),
        *mean("Long", "Traffic", LIMIT_MEMORY),
        verdict("$Ours * ($Rate > $Limit)", stays),
        math("Bytes", "$Traffic * ${window} / 8"),
        reduced("SoFar", "Bytes", "sum"),
    ]


def _limit(edge: Edge, form: str, words: str, nodes: Nodes, text: texts.Text) -> Rule:
    name, late = _late(edge)
    return Rule(
        f"limit-{form}{name}",
        "Traffic above its limit",
        words + late,
        WARNING,
        60,
        nodes,
        text.annotations(),
        board="network",
        began=edge.late + 360,
        ended=edge.late + 480,
    )


def _vanished(edge: Edge) -> Rule:
    name, _ = _late(edge)
    expected = (
        f'SELECT sum("v")*8.0 FROM (SELECT last("bytes_expected") AS "v" FROM "baseline" '
        f'WHERE $timeFilter AND {asked.WHOLE} GROUP BY "network", "direction") GROUP BY "network"'
    )
    written = Span(seconds=WATCHED_S)
    steps = (
        'SELECT max("n") FROM (SELECT count("exporters_silent") AS "n" FROM "baseline" '
        f'WHERE $timeFilter AND {asked.WHOLE} GROUP BY "network", "direction") GROUP BY "network"'
    )
    nodes = [
        Ask("Traffic", _bits(), Span(edge, seconds=86_400)),
        Ask("Index", _numbers(), Span(edge, seconds=86_400)),
        Ask("Likely", expected, NEWEST),
        asked.baseline("Floors", "bytes_floor", ("network",), (asked.WHOLE,)),
        asked.baseline("Lag", "lag_s", ("network",), (asked.WHOLE,), factor="*1.0"),
        asked.sums(
            "Silent", "baseline", ("network",), written, (asked.WHOLE,),
            value='max("exporters_silent")',
        ),
        Ask("Steps", steps, written),
        reduced("Windows", "Index", "max"),
        *(reduced(to, of) for to, of in _VANISHED_OF.items()),
        *mean("Rate", "Traffic", BUCKETS),
        math(
            "Judged",
            f"{edge.is_ours('$Late')} * ($Dead == 0) * ($Watched >= {LEAST_STEPS})"
            f" * ($Expected > {LEAST_FLOORS} * $Floor)",
        ),
        verdict(
            f"$Judged * ($Rate < {VANISHED} * $Expected)", f"$Judged * ($Rate < {BACK} * $Expected)"
        ),
    ]  # fmt: skip
    return Rule(
        f"vanished{name}",
        "Traffic vanished",
        "" if edge is PROMPT else "its exporters are late",
        WARNING,
        BUCKET_S,
        nodes,
        texts.VANISHED.annotations(),
        board="networks",
        began=edge.late + BUCKET_S * BUCKETS,
        ended=edge.late + BUCKET_S,
    )


_VANISHED_OF = {
    "Expected": "Likely", "Floor": "Floors", "Late": "Lag", "Dead": "Silent", "Watched": "Steps",
}  # fmt: skip


def _bits() -> str:
    return (
        f'SELECT sum("bytes")*8.0/{BUCKET_S} FROM "traffic" WHERE $timeFilter '
        f'GROUP BY time({BUCKET_S}s), "network" fill(0)'
    )


def _numbers() -> str:
    ones = (
        f'SELECT sum("bytes")*0+1 AS "one" FROM "traffic" WHERE $timeFilter '
        f'GROUP BY time({BUCKET_S}s), "network" fill(1)'
    )
    return f'SELECT cumulative_sum("one") FROM ({ones}) GROUP BY "network"'
