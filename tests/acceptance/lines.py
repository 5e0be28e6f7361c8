"""Line protocol as InfluxDB takes it: a point with the tags and time of an earlier one replaces it.

So what a `Store` holds after all writes, retried or not, is what queries would add up.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

FIELDS = ("bytes", "packets", "flows")


class Store:
    """An InfluxDB of one dictionary: (measurement and tags, timestamp) → fields.

    `overwritten`: points that came again with other fields, which must never be.
    """

    def __init__(self) -> None:
        self.points: dict[tuple[bytes, bytes], bytes] = {}
        self.overwritten: list[tuple[bytes, bytes]] = []
        self.repeated = 0

    def write(self, lines: Iterable[bytes]) -> None:
        """Take points: `series fields time` (numbers only, so there is no space in the fields)."""
        for line in lines:
            series, fields, at = line.rsplit(b" ", 2)
            if (series, at) in self.points:
                self.repeated += 1
                if self.points[series, at] != fields:
                    self.overwritten.append((series, at))
            self.points[series, at] = fields

    def once(self) -> None:
        """Check that each point came once."""
        assert not self.overwritten
        assert not self.repeated

    def totals(self, measurement: str, window_ns: int) -> dict[tuple, tuple[int, int, int]]:
        """Return {(window, network, direction, protocol): (bytes, packets, flows)}."""
        sums: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
        start = measurement.encode() + b","
        for (series, at), fields in self.points.items():
            if series.startswith(start):
                tags, values = tags_of(series), values_of(fields)
                entry = sums[
                    int(at) // window_ns, tags["network"], tags["direction"], tags["protocol"]
                ]
                for i, name in enumerate(FIELDS):
                    entry[i] += values[name]
        return {key: tuple(entry) for key, entry in sums.items() if any(entry)}

    def wholes(self, measurement: str = "traffic") -> dict[tuple, tuple[int, int, int]]:
        """Return {(network, direction, protocol): (bytes, packets, flows)} over all windows."""
        sums: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
        for key, entry in self.totals(measurement, 1).items():
            for i in range(3):
                sums[key[1:]][i] += entry[i]
        return {key: tuple(entry) for key, entry in sums.items()}


@lru_cache(10_000)
def tags_of(series: bytes) -> dict[str, str]:
    """Return the tags of a series; the values that tests read hold no escaped comma."""
    parts = series.decode().replace("\\,", " ").split(",")[1:]
    return dict(part.split("=", 1) for part in parts)


def values_of(fields: bytes) -> dict[str, float]:
    """Return the fields of a point."""
    found = (field.split("=") for field in fields.decode().split(","))
    return {name: int(text[:-1]) if text.endswith("i") else float(text) for name, text in found}
