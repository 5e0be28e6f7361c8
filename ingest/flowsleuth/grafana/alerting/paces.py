"""When traffic is above normal: in two full windows on end (fast), or on a mean of 15 (slow).

`bytes_upper` of `baseline` is meant for five minutes. A single minute is above it by chance, a
hundred times in two weeks of ten networks; two on end, of which the newer is a quarter above it,
are not. The older may be the one in which it began. What stays below that, but a tenth above for a
quarter of an hour, is the slow form's (`bench/alerts.py` counts both). The slow form leaves alone
what the fast one tells: where two of the last 30 windows on end were such, it begins nothing, and
goes on with what it began.

References that both make, for each network, direction and protocol: `Rate` (bits/s), `Normal` (at
most), `Excess` (over what is expected), and from 0 to 1 `Begins`, `Stays` and `Shown`: where there
is anything to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flowsleuth.grafana.alerting import asked
from flowsleuth.grafana.alerting.constants import LATE, PROMPT, Edge, Span
from flowsleuth.grafana.alerting.rule import Ask
from flowsleuth.grafana.expressions import math, reduced
from flowsleuth.grafana.panels import Target

Nodes = list[Ask | Target]

FAST_OVER, FAST_ON_END = 1.25, 2
SLOW_OVER, SLOW_WINDOWS, SLOW_STAYS = 1.1, 15, 0.9
"""Times what is normal at most, and windows."""

STAYS, SHOWN = 10, 15
"""The fast form goes on until so many windows were not above normal, and is shown a while longer:
its last words are how it ended."""

MEMORY = 30
"""Windows that the slow form looks back for what the fast one told."""

NEVER = "10**18"


def last(windows: int) -> str:
    """Return the expression which is 1 in the last windows and 0 before, by `asked.index`."""
    return f"($Index > $Windows - {windows})"


def mean(ref: str, of: str, windows: int) -> Nodes:
    """Return what makes the mean of a series over the last windows."""
    return [
        math(f"{ref}Series", f"${of} * {last(windows)}"),
        reduced(f"{ref}Sum", f"{ref}Series", "sum"),
        math(ref, f"${ref}Sum / {windows}"),
    ]


@dataclass(frozen=True, slots=True)
class Pace:
    """One way to judge.

    name: as in uids; words: as in titles; edge: what is complete; every: seconds; judged: windows
    of which a rate is the mean; memory: windows that are asked for; began, ended: as of a rule.
    """

    name: str
    words: str
    edge: Edge
    every: int
    judged: int
    memory: int
    began: int
    ended: int

    @property
    def span(self) -> Span:
        """All windows that are asked for."""
        return Span(self.edge, windows=self.memory)

    @property
    def newest(self) -> Span:
        """The windows of which a rate is the mean."""
        return Span(self.edge, windows=self.judged)

    def mean(self, ref: str, of: str) -> Nodes:
        """Return what makes the mean of a series over the judged windows."""
        return mean(ref, of, self.judged)

    def judge(self, by: Sequence[str]) -> Nodes:
        """Return what says which traffic is above normal; by: how it is cut."""
        is_cut = "protocol" in by
        cut, rows = (asked.CUT, ()) if is_cut else (asked.WAY, (asked.WHOLE,))
        return [
            asked.index("Index", self.span),
            asked.traffic("Traffic", by, self.span),
            asked.baseline("Upper", "bytes_upper", cut, rows),
            asked.baseline("Likely", "bytes_expected", cut, rows),
            asked.baseline("Lag", "lag_s", asked.WAY, (asked.WHOLE,), factor="*1.0"),
            reduced("Windows", "Index", "max"),
            reduced("Normal", "Upper"),
            reduced("Expected", "Likely"),
            reduced("Late", "Lag"),
            *self.mean("Rate", "Traffic"),
            math("Known", f"($Normal > 0) * {self.edge.is_ours('$Late')}"),
            math("Excess", "$Rate - $Expected"),
            *(self._fast() if self.judged == FAST_ON_END else self._slow(by)),
        ]

    def _fast(self) -> Nodes:
        return [
            math(
                "HighSeries",
                f"($Traffic > $Normal) * {last(FAST_ON_END)} "
                f"+ ($Traffic > {FAST_OVER} * $Normal) * {last(1)}",
            ),
            reduced("High", "HighSeries", "sum"),
            math("LateSeries", f"$Traffic * {last(STAYS)}"),
            reduced("LatePeak", "LateSeries", "max"),
            reduced("Peak", "Traffic", "max"),
            math("Begins", f"$Known * ($High == {FAST_ON_END + 1})"),
            math("Stays", "$Known * ($LatePeak > $Normal)"),
            math("Shown", "$Known * ($Peak > $Normal)"),
        ]

    def _slow(self, by: Sequence[str]) -> Nodes:
        # Where exporters are late there is no fast form to leave anything to.
        leaves, alone = ([], "") if self.edge is LATE else (self._untold(by), " * $Untold")
        return [
            *leaves,
            reduced("Peak", "Traffic", "max"),
            math("Begins", f"$Known * ($Rate > {SLOW_OVER} * $Normal){alone}"),
            math("Stays", f"$Known * ($Rate > {SLOW_STAYS} * $Normal)"),
            math("Shown", "$Known * ($Peak > $Normal)"),
        ]

    def _untold(self, by: Sequence[str]) -> Nodes:
        """Return what is 1 where the fast form told nothing: `Untold`."""
        return [
            asked.rises("Rise", by, self.span),
            math(
                "HighSeries",
                f"($Traffic > {FAST_OVER} * $Normal) * ($Traffic - $Rise > $Normal)",
            ),
            reduced("High", "HighSeries", "sum"),
            math("Untold", "$High < 1"),
        ]


PACES = (
    Pace("fast", "within minutes", PROMPT, 30, FAST_ON_END, SHOWN, 300, 780),
    Pace("slow", "for a quarter of an hour", PROMPT, 300, SLOW_WINDOWS, MEMORY, 1080, 600),
    Pace("late", "its exporters are late", LATE, 300, SLOW_WINDOWS, MEMORY, 3360, 2880),
)
