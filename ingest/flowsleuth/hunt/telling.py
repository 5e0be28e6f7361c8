"""A finding in words: one wording for the terminal, the report and a message."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from flowsleuth.enrich.services import Services
from flowsleuth.hunt.findings import Culprit, Earlier, Finding, Kind
from flowsleuth.hunt.services import Service, service
from flowsleuth.hunt.totals import SECOND, Measure

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")

_WAYS = {
    "out": "out of {network}",
    "in": "into {network}",
    "internal": "within {network}",
    "transit": "in transit ({network})",
}

WITH_PORTS = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})

MANY_ADDRESSES = 3
"""Addresses of an outbreak that a headline names."""


def octets(number: float) -> str:
    """Write bytes in three digits, units of 1000: 15.0 GB."""
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    if unit == 0:
        return f"{number:.0f} {_UNITS[0]}"
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {_UNITS[unit]}"


def rate(octets_per_s: float) -> str:
    """Write bits per second in three digits: 100 Mbit/s."""
    text = octets(octets_per_s * 8)
    number, unit = text.split(" ")
    return f"{number} {'bit/s' if unit == 'bytes' else unit[:-1] + 'bit/s'}"


def share(part: float) -> str:
    """Write a share: 99.8 %; what is not quite all is not 100 %."""
    return f"{min(part, 0.999) if part < 1 else 1:.1%}".replace("%", " %")


def times(more: float) -> str:
    """Write how many times: 3.4, 570, more than 1000."""
    if more > 1000:
        return "more than 1000 times"
    return f"{more:.0f} times" if more >= 10 else f"{more:.1f} times"


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts findings into words. zone: whose clock the times follow; None is the system's."""

    window_ns: int
    services: Services
    zone: tzinfo | None = None

    def moment(self, window: int) -> datetime:
        """Return when a window starts."""
        return datetime.fromtimestamp(window * self.window_ns // SECOND, UTC).astimezone(self.zone)

    def service(self, told: Culprit) -> Service | None:
        """Return what is known of a culprit's port, None where it has no particular one."""
        if told.port is None or told.series.protocol not in WITH_PORTS:
            return None
        return service(told.port, told.series.protocol, self.services)

    def headline(self, one: Finding) -> str:
        """Return who did what: `host 10.1.42.17: udp port 14857 out of Green`."""
        told = one.culprit
        about = self.service(told)
        over = str(about) if about is not None else told.series.protocol
        way = _WAYS[told.series.direction].format(network=told.series.network)
        return f"{told.kind} {self.who(told)}: {over} {way}"

    def who(self, told: Culprit) -> str:
        """Return the address, or some of the many."""
        if told.address is not None:
            return told.address
        names = [part.name for part in told.addresses]
        if not names:
            return "of many hosts"
        more = len(names) - MANY_ADDRESSES
        shown = ", ".join(names[:MANY_ADDRESSES])
        return f"of {shown}" + (f" and {more} more" if more > 0 else "")

    def when(self, first: int, last: int) -> str:
        """Return a stretch of time: `Fri 27 Nov 2026 04:10 to 04:21 (11 min)`."""
        begin, end = self.moment(first), self.moment(last)
        same = begin.date() == end.date()
        until = f"{end:%H:%M}" if same else f"{end:%a %d %b %H:%M}"
        return f"{begin:%a %d %b %Y %H:%M} to {until} ({self.length(last - first)})"

    def length(self, windows: int) -> str:
        """Return how long it took."""
        minutes = windows * self.window_ns / SECOND / 60
        if minutes < 120:
            return f"{minutes:.0f} min" if minutes >= 1 else f"{minutes * 60:.0f} s"
        return f"{minutes / 60:.1f} h"

    def against(self, one: Finding) -> str:
        """Return bytes against what was expected."""
        text = f"{' '.join(one.culprit.series)} had {octets(one.bytes)}, expected were "
        text += octets(one.expected_bytes)
        if one.expected_bytes and one.bytes >= 2 * one.expected_bytes:
            text += f" ({times(one.bytes / one.expected_bytes)})"
        return f"{text}."

    def amount(self, one: Finding) -> str:
        """Return bytes against what was expected, and the share of the change."""
        return f"{self.against(one)} {self.blame(one.culprit)}"

    def blame(self, told: Culprit) -> str:
        """Return what part of the change it carried."""
        subject = "These hosts" if told.address is None else told.address
        verb = "carry" if told.address is None else "carries"
        of = {Measure.BYTES: "change", Measure.PACKETS: "change in packets",
              Measure.FLOWS: "change in flow records"}[told.measure]  # fmt: skip
        return f"{subject} {verb} {share(told.share)} of the {of}."

    def earlier(self, one: Earlier) -> str:
        """Return an earlier occurrence in a line."""
        when = self.when(one.first, one.last)
        return f"{when}  {one.address}  {octets(one.bytes)}"

    def recurs(self, one: Finding) -> str:
        """Return how often it was there before, empty where it was not."""
        if not one.earlier:
            return ""
        often = len(one.earlier)
        days = (one.culprit.first - one.earlier[0].first) * self.window_ns / SECOND / 86_400
        within = f"within {days:.0f} days" if days >= 1.5 else "within a day or two"
        hosts = len({e.address for e in one.earlier} | {one.culprit.address})
        where = f", on {hosts} hosts" if hosts > 1 else ", on the same host"
        return f"The {_ordinal(often + 1)} time {within}{where}."

    def facts(self, one: Finding) -> Iterator[tuple[str, str]]:
        """Yield what else is known: name and text."""
        told = one.culprit
        about = self.service(told)
        if about is not None:
            yield "service", f"{about}: {about.known}"
        if told.kind is Kind.SCAN and told.port is None:
            yield "ports", f"up to {told.ports} in a window" if told.ports else "many"
        if told.peers > 1 or told.largest_peers:
            named = ", ".join(part.name for part in told.largest_peers[:MANY_ADDRESSES])
            yield (
                "peers",
                f"up to {max(told.peers, 1)} in a window" + (f": {named}" if named else ""),
            )
        if one.also:
            seen = ", ".join(f"{s.network} {s.direction} {s.protocol}" for s in one.also)
            yield "seen in", f"{seen}, too"


def _ordinal(n: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}.get(n, f"{n}th")
