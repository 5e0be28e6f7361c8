"""A point in time as people type it: 2026-11-15 14:00, 14:00, yesterday 14:00, now-1h, -2d.

Without a zone it is this machine's local time, since that is what the graph on the wall shows.
"""

import re
from datetime import UTC, datetime, time, timedelta

import click

from flowsleuth.config.units import DURATIONS

MICROSECOND = 1_000

_DAYS = {"today": 0, "yesterday": -1}
_AGO = re.compile(r"(?:now)?-(\d+(?:\.\d+)?)([smhdw])")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ Tt]\d.*)?")

FORMS = (
    "2026-11-15 14:00 (local time), 2026-11-15T14:00:00Z (RFC 3339), 14:00, yesterday 14:00, "
    "now, now-1h or -2d"
)


def read_moment(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Return the ns since the epoch of an option's value; what is no time is wrong usage."""
    if value is None:
        return None
    try:
        return moment_ns(value, datetime.now(UTC).astimezone())
    except (ValueError, OverflowError):
        wrong = f"{value!r} is no time that is understood; write {FORMS}"
        raise click.BadParameter(wrong, context, parameter) from None


def moment_ns(text: str, now: datetime) -> int:
    """Return the ns since the epoch of a time as written; now: with its zone.

    Raises ValueError where it is none, OverflowError where it lies beyond the calendar.
    """
    text = " ".join(text.split())
    if ago := _AGO.fullmatch(text):
        return _ns(now) - int(float(ago[1]) * DURATIONS[ago[2]])
    if text == "now":
        return _ns(now)
    day, _, clock = text.partition(" ")
    if day in _DAYS:
        return _local_ns(now, _DAYS[day], clock or "00:00")
    if _CLOCK.fullmatch(text):
        return _local_ns(now, 0, text)
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return _ns(datetime.fromisoformat(text.upper()))


def _local_ns(now: datetime, days: int, clock: str) -> int:
    """Return a time of day so many days from today."""
    if not _CLOCK.fullmatch(clock):
        raise ValueError(clock)
    of_day = time.fromisoformat(clock.zfill(len(clock) + (clock[1] == ":")))
    return _ns(datetime.combine(now.date() + timedelta(days=days), of_day))


def _ns(moment: datetime) -> int:
    """Return ns since the epoch, exact to the microsecond; without a zone it is local time."""
    whole = moment.replace(microsecond=0).timestamp()
    return int(whole) * 1_000_000_000 + moment.microsecond * MICROSECOND


def shown(ns: int) -> str:
    """Write a time as local time with its zone, to the second."""
    local = datetime.fromtimestamp(ns // 1_000_000_000, UTC).astimezone()
    return local.isoformat(sep=" ")
