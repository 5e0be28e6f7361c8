"""Earlier occurrences: how often a port, and an address, was heavy in the last 14 days, when last.

From `heavy`, which has the hours in which a talker carried a tenth of its network. Looked at are
pieces of six hours: those on end are one occurrence, after an empty one begins another. The last
six hours are left out: those are what the message is about.

Expressions know no time. So when it was last is counted: the newest hour is carried on to the end
of the range hour by hour, and their number says how long ago it was.
"""

from flowsleuth.grafana.alerting import asked
from flowsleuth.grafana.alerting.rule import REMEMBERED, Ask, CarriedOn
from flowsleuth.grafana.expressions import math, reduced
from flowsleuth.grafana.panels import Target

DAYS = REMEMBERED.seconds // 86_400
PAUSE_H = REMEMBERED.until // 3600

PIECE = f"{PAUSE_H}h"

BY = {"Port": ("protocol", "port"), "Address": ("address",)}
"""What is remembered, and its tags."""


def earlier(*names: str) -> list[Ask | Target]:
    """Return what finds, where there were any, of `Port` and `Address` or of one of them.

    `…Hours` since the last time, and `…Days`, the same in days. `PortTime`: the number of
    this time, where there were at least two before. `AddressOn`: on how many days it was heavy.
    """
    found = {"Port": _port, "Address": _address}
    return [node for name in names or BY for node in found[name]()]


def _port() -> list[Ask | Target]:
    tags = asked.tags(BY["Port"])
    count = f'SELECT count("e") AS "v" FROM ({pauses("Port")}) WHERE "e" > 1 GROUP BY {tags}'
    query = f'SELECT "v" FROM ({count}), ({asked.ALWAYS}) GROUP BY {tags}'
    return [
        Ask("PortPauses", query, REMEMBERED),
        reduced("PortPaused", "PortPauses"),
        math("PortTime", "$PortPaused + 2"),
        *when("Port"),
    ]


def _address() -> list[Ask | Target]:
    """Return the same of addresses by days: with thousands, occurrences would take a second."""
    daily = (
        f'SELECT count("bytes") AS "v" {_heavy("Address")} GROUP BY time(1d), "address" fill(none)'
    )
    query = f'SELECT "v" FROM ({daily}), ({asked.ALWAYS}) GROUP BY "address"'
    return [
        Ask("AddressLast", query, REMEMBERED),
        reduced("AddressOn", "AddressLast", "count"),
        *since("Address"),
    ]


def occasions(name: str) -> list[Ask | Target]:
    """Return what finds on how many occasions each was heavy: `…Occasions`."""
    tags = asked.tags(BY[name])
    # The first occasion has no pause before it.
    sources = (
        f'(SELECT count("e") AS "v" FROM ({pauses(name)}) WHERE "e" > 1 GROUP BY {tags}), '
        f'(SELECT count("bytes")*0+1 AS "v" {_heavy(name)} GROUP BY {tags})'
    )
    return [
        Ask(f"{name}Pieces", f'SELECT sum("v") FROM {sources} GROUP BY {tags}', REMEMBERED),
        reduced(f"{name}Occasions", f"{name}Pieces"),
    ]


def when(name: str) -> list[Ask | Target]:
    """Return what finds how long ago each was heavy last: `…Hours` and `…Days`."""
    tags = asked.tags(BY[name])
    last = f'SELECT last("bytes") AS "v" {_heavy(name)} GROUP BY {tags}'
    query = f'SELECT "v" FROM ({last}), ({asked.ALWAYS}) GROUP BY {tags}'
    return [Ask(f"{name}Last", query, REMEMBERED), *since(name)]


def since(name: str) -> list[Ask | Target]:
    """Return what counts the hours since the newest point of `…Last`."""
    return [
        CarriedOn(f"{name}Since", f"{name}Last", "1h", REMEMBERED),
        reduced(f"{name}Count", f"{name}Since", "count"),
        math(f"{name}Hours", f"${name}Count + {PAUSE_H}"),
        math(f"{name}Days", f"round(${name}Hours / 24)"),
    ]


def pauses(name: str) -> str:
    """Return the query of the pieces from each one to the next: `e`."""
    tags = asked.tags(BY[name])
    pieces = f'SELECT sum("bytes") AS "b" {_heavy(name)} GROUP BY time({PIECE}), {tags} fill(none)'
    return f'SELECT elapsed("b", {PIECE}) AS "e" FROM ({pieces}) GROUP BY {tags}'


def _heavy(name: str) -> str:
    return f'FROM ${{detail}}"heavy" WHERE $timeFilter AND "{BY[name][-1]}" != \'other\''
