"""InfluxDB's history as the model of what is normal asks for it: a `normal.Past`.

Sums of five minutes, over ingesters and labels, computed by InfluxDB. Many narrow spans rather than
one of four weeks: a tenth of the data answers, and no answer is large. Wholes are added up here.

A sum that is not there may be silence or an ingester that was down. Someone watched where there is
a point of `ingester` (written in each window, traffic or none) or of the profile `all` (which
`load` writes, too).
"""

# ruff: noqa: S608  (InfluxQL of our own; the names in it are quoted by `_wanted`)

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowsleuth.baseline.clock import DAY, STEP_NS, STEP_S, WEEK
from flowsleuth.baseline.normal import WHOLE, Floats, Series
from flowsleuth.write.server import Series as Answer

Ask = Callable[[str], Sequence[Answer]]
"""Runs InfluxQL, several statements with `;` between them; times are ns. Raises ServiceError."""

PROFILE = "profile:"
"""How the `network` of a profile begins in `baseline`."""

SOURCES = (("traffic", "network"), ("profiles", "profile"))
"""Measurement, and the tag whose value is the `network` of `baseline`."""

BEGUN_STEPS = 5 * WEEK


class History:
    """Asks InfluxDB through `ask`; keeps nothing. Raises what `ask` raises."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def begun(self, until: int) -> Mapping[Series, int]:
        """Return each series that had traffic in the five weeks before step `until`: its first."""
        found: dict[Series, int] = {}
        span = _between(until - BEGUN_STEPS, until)
        for one, rows in self._each(
            'SELECT first("bytes") FROM {m} WHERE ' + span + " GROUP BY {t}"
        ):
            for series in (one, _whole(one)):
                found[series] = min(int(rows[0, 0]) // STEP_NS, found.get(series, until))
        return found

    def rates(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """Return bytes/s (s, last - first) of steps first..last-1; NaN where nobody watched."""
        places = _numbered(series)
        total = np.zeros((len(series), last - first), np.int64)
        watched = self._watched(first, last)
        span = _between(first, last)
        steps = "GROUP BY time(5m), {t} fill(none)"
        for one, rows in self._each(f'SELECT sum("bytes") FROM {{m}} WHERE {span} {steps}'):
            at = rows[:, 0] // STEP_NS - first
            watched[at] = True
            for place in _places(places, one):
                total[place, at] += rows[:, 1]
        return np.where(watched, total / STEP_S, np.nan)

    def highest(self, series: Sequence[Series], first: int, last: int) -> tuple[Floats, Floats]:
        """Return the highest step of first..last-1 and the mean, bytes/s, (s,) each.

        The most expensive question, asked in the first week of a network only.
        """
        places = _numbered(series)
        highest, sums = np.full(len(series), np.nan), np.zeros(len(series))
        for begin in range(first, last, DAY):
            self._highest_of(_between(begin, min(begin + DAY, last)), places, highest, sums)
        return highest / STEP_S, sums / ((last - first) * STEP_S)

    def _highest_of(
        self, span: str, places: Mapping[Series, int], highest: Floats, sums: Floats
    ) -> None:
        """Take in a day, so that no query is long."""
        names = {one.network for one in places}
        asked = f'SELECT sum("bytes") AS "b" FROM {{m}} WHERE {span} AND ({{w}})'
        for tags in ("{t}", '{n}, "direction"'):
            steps = f"{asked} GROUP BY time(5m), {tags} fill(none)"
            for one, rows in self._each(f'SELECT max("b") FROM ({steps}) GROUP BY {tags}', names):
                if one in places:
                    highest[places[one]] = np.fmax(highest[places[one]], rows[0, 1])
        for one, rows in self._each(f"{asked} GROUP BY {{t}}", names):
            sums[_places(places, one)] += rows[0, 1]

    def packet_sizes(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """Return bytes by packet (s,), NaN where there was none."""
        places = _numbered(series)
        found = np.zeros((2, len(series)))
        sums = f'SELECT sum("bytes"), sum("packets") FROM {{m}} WHERE {_between(first, last)}'
        for one, rows in self._each(sums + " AND ({w}) GROUP BY {t}", {s.network for s in series}):
            for place in _places(places, one):
                found[:, place] += rows[0, 1:]
        sizes: Floats = np.divide(
            found[0], found[1], out=np.full(len(series), np.nan), where=found[1] > 0
        )
        return sizes

    def _watched(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return (last - first,): in which steps an ingester was there to count."""
        span = _between(first, last)
        watched = np.zeros(last - first, np.bool_)
        for answer in self._ask(
            f'SELECT count("datagrams") FROM "ingester" WHERE {span} GROUP BY time(5m) fill(none);'
            f'SELECT count("flows") FROM "profiles" WHERE "profile" = \'all\' AND {span} '
            "GROUP BY time(5m) fill(none)"
        ):
            watched[[row[0] // STEP_NS - first for row in answer.rows]] = True
        return watched

    def _each(
        self, statement: str, names: set[str] | None = None
    ) -> Iterator[tuple[Series, NDArray[np.int64]]]:
        """Yield the series that `statement` finds in both measurements, with their rows.

        In it, {m} is the measurement, {n} the tag with the name, {t} all three tags, and {w} the
        condition that the name is one of `names` (as the series have them).
        """
        statements = []
        for measurement, tag in SOURCES:
            wanted = _wanted(tag, names)
            if wanted is not None:
                words = {"m": f'"{measurement}"', "n": f'"{tag}"', "w": wanted}
                words["t"] = f'"{tag}", "direction", "protocol"'
                statements.append(statement.format(**words))
        for answer in self._ask(";".join(statements)) if statements else ():
            prefix = PROFILE if "profile" in answer.tags else ""
            name = answer.tags.get("profile") or answer.tags.get("network", "")
            tags = answer.tags
            one = Series(prefix + name, tags["direction"], tags.get("protocol", WHOLE))
            yield one, np.array(answer.rows)


def _between(first: int, last: int) -> str:
    return f"time >= {first * STEP_NS} AND time < {last * STEP_NS}"


def _wanted(tag: str, names: set[str] | None) -> str | None:
    """Return the condition that `tag` is one of `names`, None where none of them is its kind."""
    if names is None:
        return ""
    mine = sorted(
        n.removeprefix(PROFILE) for n in names if n.startswith(PROFILE) is (tag == "profile")
    )
    quoted = (name.replace("\\", "\\\\").replace("'", "\\'") for name in mine)
    return " OR ".join(f"\"{tag}\" = '{name}'" for name in quoted) or None


def _whole(one: Series) -> Series:
    return one._replace(protocol=WHOLE)


def _places(places: Mapping[Series, int], one: Series) -> list[int]:
    """Return the rows that the bytes of a series belong to: its own and the whole's."""
    return [places[each] for each in (one, _whole(one)) if each in places]


def _numbered(series: Sequence[Series]) -> dict[Series, int]:
    return {one: i for i, one in enumerate(series)}
