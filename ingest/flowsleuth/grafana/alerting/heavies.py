"""New heavy service, and it is back: what the hours of `heavy` tell against the last 14 days.

Heavy is a gigabyte in an hour and a tenth of the network. New is an (address, port) which the 14
days before have not seen. Back is a port, or an address, that they have seen on a few occasions
only, and not within the last day, nor exactly a week ago: what runs every night or every week is
no surprise. Both are asked for hourly: the hour that just ended is in `heavy` minutes later.
"""

from flowsleuth.grafana.alerting import asked, texts
from flowsleuth.grafana.alerting.constants import Span
from flowsleuth.grafana.alerting.history import BY, occasions, when
from flowsleuth.grafana.alerting.paces import Nodes
from flowsleuth.grafana.alerting.rule import INFO, REMEMBERED, Ask, Rule, verdict
from flowsleuth.grafana.expressions import math, reduced

LEAST_BYTES = 10**9
EVERY_S = 600

LATELY = Span(seconds=7500)
"""The last hour that is written, however late its exporters are."""

RECENT = Span(seconds=6 * 3600)
"""The occurrence itself: what is older is history."""

ALL = Span(seconds=REMEMBERED.seconds)

OCCASIONS = 3
A_DAY_H, A_WEEK_H, UNCERTAIN_H = 24, 168, 4

NAMED = ("\"address\" != 'other'", "\"port\" != 'other'")
TALKER = (*asked.TALKER, *asked.LABELS)


def rules() -> list[Rule]:
    """Return the rules."""
    return [_new(), *(_back(name) for name in BY)]


def _now() -> Nodes:
    """Return what finds the talkers that were heavy in the last hour: `Hour`, in bytes.

    The rows of traffic beside them, without address and port, are 0: see `asked`.
    """
    large = f'{" AND ".join(NAMED)} AND "bytes" >= {LEAST_BYTES}'
    sources = (
        f'(SELECT "bytes" AS "v" FROM ${{detail}}"heavy" WHERE $timeFilter AND {large}), '
        '(SELECT "bytes"*0 AS "v" FROM "traffic" WHERE $timeFilter)'
    )
    query = f'SELECT max("v") FROM {sources} GROUP BY {asked.tags(TALKER)}'
    return [Ask("Heavy", query, LATELY), reduced("Hour", "Heavy")]


def _new() -> Rule:
    nodes = [
        *_now(),
        asked.sums("Before", "heavy", TALKER, ALL, NAMED),
        asked.sums("Lately", "heavy", TALKER, RECENT, NAMED),
        asked.baseline("Learns", "learning", asked.WAY, (asked.WHOLE,), factor="*1.0"),
        reduced("Ever", "Before"),
        reduced("Now", "Lately"),
        reduced("New", "Learns"),
        math("Known", "$New == 0"),
        math("Unseen", "($Ever - $Now) < 1"),
        verdict("$Known * $Unseen * ($Hour > 0)", "0 * $Hour"),
    ]
    return Rule(
        "new-heavy-service", "New heavy service", "", INFO, EVERY_S, nodes,
        texts.NEW_HEAVY.annotations(), began=3600,
    )  # fmt: skip


def _back(name: str) -> Rule:
    hours = f"${name}Hours"
    weekly = f"({hours} > {A_WEEK_H - UNCERTAIN_H}) * ({hours} < {A_WEEK_H + UNCERTAIN_H})"
    nodes = [
        *_now(),
        *occasions(name),
        *when(name),
        math(
            "Back",
            f"(${name}Occasions <= {OCCASIONS}) * ({hours} >= {A_DAY_H}) * (1 - {weekly})",
        ),
        verdict("$Back * ($Hour > 0)", "0 * $Hour"),
    ]
    return Rule(
        f"back-{name.lower()}", "It is back", f"the {name.lower()}", INFO, EVERY_S, nodes,
        texts.BACK[name].annotations(), began=3600,
    )  # fmt: skip
