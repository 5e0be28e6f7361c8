"""What all queries of the rules stand on, and the ranges of time that they ask for.

Only what is complete is judged. How late the exporters of a network are is measured
(`baseline.lag_s`), and a rule in Grafana has one fixed range, so there are two `Edge`s: rules for
networks whose exporters are late by two minutes at most, and the same for up to forty minutes.
"""

from dataclasses import dataclass

from flowsleuth.grafana.panels import Json


@dataclass(frozen=True, slots=True)
class Constants:
    """What every query stands on, as the ingester's configuration says.

    window: its length in seconds; detail: prefix of the detail retention, with its dot; small:
    bytes/s, half the lowest floor: who sends less is no culprit, since the excess is more.
    """

    window: int = 60
    detail: str = '"detail".'
    small: int = 62_500

    def fill(self, query: str) -> str:
        """Return a query with the constants' values in it."""
        for name in ("window", "detail", "small"):
            query = query.replace(f"${{{name}}}", str(getattr(self, name)))
        return query


@dataclass(frozen=True, slots=True)
class Edge:
    """The newest that is judged: windows that ended `late` seconds ago, or earlier.

    above: networks of a smaller lag are another edge's.
    """

    late: int
    above: int

    def is_ours(self, lag: str) -> str:
        """Return the expression which is 1 where a lag is of this edge."""
        return f"({lag} > {self.above}) * ({lag} <= {self.late})"


PROMPT, LATE = Edge(120, -1), Edge(2400, 120)
EDGES = (PROMPT, LATE)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time before the evaluation: so many windows and seconds up to the edge.

    Without an edge it is from `seconds` to `until` seconds ago, whatever is complete.

    Grafana's range is inclusive at both ends, and evaluations are at whole tens of seconds. So it
    ends a second after the start of the newest window, for that one's late points (they lie less
    than a second after the start), and holds exactly so many windows at any time.
    """

    edge: Edge | None = None
    windows: int = 0
    seconds: int = 0
    until: int = 0

    def json(self, constants: Constants) -> Json:
        """Return it as Grafana has it."""
        if self.edge is None:
            return {"from": self.seconds, "to": self.until}
        until = self.edge.late + constants.window - 1
        long = self.windows * constants.window + self.seconds
        return {"from": until + long - 1, "to": until}


NEWEST = Span(seconds=90_000)
"""Where the newest step of `baseline` is; an old one serves where the ingester is behind."""
