"""Durations, rates and sizes as people write them (`25h`, `80M`) and as the program counts them.

Everything is an integer inside: nanoseconds, bits per second, bytes. A duration without its unit
is refused, because the next reader cannot tell whether 60 meant seconds or minutes.
"""

import re
from collections.abc import Callable
from decimal import Decimal

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY

DURATIONS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "y": YEAR}
"""Units of a duration, in ns; a year is 365 days, as InfluxDB has no calendar either."""

RATES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
"""Suffixes of a rate in bits per second: decimal, as line rates are."""

SIZES = {"": 1, "k": 2**10, "K": 2**10, "M": 2**20, "G": 2**30}
"""Suffixes of a size in bytes: binary, as socket buffers are."""

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]?)\s*")


def _quantity(value: object, units: dict[str, int], allowed: str) -> int:
    """Return `value` (a number or text with a unit of `units`) as an integer of the base unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(allowed)  # noqa: TRY004  pydantic turns ValueError alone into its own
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match[2] not in units:
        raise ValueError(allowed)
    number = Decimal(match[1]) * units[match[2]]
    if number != int(number) or number >= 2**63:
        raise ValueError(allowed)
    return int(number)


def format_duration(ns: int) -> str:
    """Return the shortest text that `duration` reads as `ns`: `60s`, `25h`, `30d`, `2y`."""
    if ns in (0, MINUTE):
        return f"{ns // SECOND}s"
    for unit in ("y", "d", "h", "m"):
        if ns % DURATIONS[unit] == 0:
            return f"{ns // DURATIONS[unit]}{unit}"
    return f"{Decimal(ns) / SECOND}s"


def format_quantity(value: int, units: dict[str, int]) -> int | str:
    """Return `value` with the largest suffix of `units` that divides it: 80M, or the number."""
    for suffix, factor in sorted(units.items(), key=lambda item: -item[1]):
        if value and factor > 1 and value % factor == 0:
            return f"{value // factor}{suffix}"
    return value


def format_rate(bits: int | None) -> int | str | None:
    """Return bits/s as a configuration has them."""
    return None if bits is None else format_quantity(bits, RATES)


def format_size(size: int) -> int | str:
    """Return bytes as a configuration has them."""
    return format_quantity(size, SIZES)


def duration(least: str, most: str, remark: str = "") -> Callable[[object], int]:
    """Return a reader of durations (ns), `least` to `most`; it raises ValueError."""
    allowed = f"a number with its unit (s, m, h, d, w, y) from {least} to {most}{remark}"
    low, high = (_quantity(edge, DURATIONS, allowed) for edge in (least, most))

    def read(value: object) -> int:
        ns = _quantity(value, DURATIONS, allowed)
        if not low <= ns <= high:
            raise ValueError(allowed)
        return ns

    return read


def read_window(value: object) -> int:
    """Return the length of a window in ns; raises ValueError.

    It divides an hour, so that windows, the hourly `heavy` and a dashboard's `GROUP BY time()`
    have edges in common.
    """
    allowed = "whole seconds from 1s to 1h that divide an hour, such as 10s, 60s or 5m"
    ns = _quantity(value, DURATIONS, allowed)
    if not SECOND <= ns <= HOUR or HOUR % ns or ns % SECOND:
        raise ValueError(allowed)
    return ns


def read_rate(value: object) -> int:
    """Return a rate in bits/s of a number or text such as 80M; raises ValueError."""
    return _quantity(value, RATES, "bits per second, a number with k, M, G or T: 80M, 1.5G")


def read_size(value: object) -> int:
    """Return a size in bytes of a number or text such as 16M; raises ValueError."""
    return _quantity(value, SIZES, "bytes, a number with k, M or G (1k = 1024): 16M")
