"""`decode --top`: what to rank by as it is typed, and the ranking as a table or as JSON.

The table is at most 80 columns wide, IPv6 addresses included: where keys need more than what the
numbers leave, each has a line of its own above its numbers.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

import click

from flowsleuth.cli.moments import shown
from flowsleuth.cli.options import TimeRange
from flowsleuth.query.keys import BY_NAME, KEYS, Key
from flowsleuth.query.top import ORDERS, Ranking, Row

WIDTH = 80
"""Columns of the table."""

COUNTS = ("flows", "packets", "bytes")

_UNITS = "kMGTPE"
_NUMBER, _SHARE = 7, 6
"""Columns of a number, and of the share of the total behind it."""

KEY_NAMES = ", ".join(key.name for key in KEYS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to rank by: keys, and one of ORDERS."""

    keys: tuple[Key, ...]
    order: str

    def __str__(self) -> str:
        return f"{','.join(key.name for key in self.keys)} by {self.order}"


def read_wanted(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Wanted | None:
    """Return what KEY[,KEY...][/ORDER] asks for; what nobody knows is wrong usage."""
    if value is None:
        return None
    keys, slash, order = value.partition("/")
    names = keys.split(",")
    wrong = [
        f"{name!r} is no key: {_near(name, list(BY_NAME))}" for name in names if name not in BY_NAME
    ]
    if len(set(names)) < len(names):
        wrong.append(f"{keys!r} names a key twice")
    if slash and order not in ORDERS:
        wrong.append(f"{order!r} is no order: {_near(order, list(ORDERS))}")
    if wrong:
        raise click.BadParameter(wrong[0], context, parameter)
    return Wanted(tuple(BY_NAME[name] for name in names), order or "bytes")


def _near(word: str, known: list[str]) -> str:
    alike = difflib.get_close_matches(word, known, 3, 0.6)
    return f"did you mean {' or '.join(alike)}?" if alike else f"known are {', '.join(known)}"


def table(wanted: Wanted, ranking: Ranking, asked: TimeRange) -> Iterator[str]:
    """Yield the lines of the table."""
    total = ranking.total
    if not total.flows:
        yield "no flow record matches"
        return
    found = f"{len(ranking.rows)} of {_plain(ranking.keys)}"
    yield from wrap(f"Top {found} {wanted}; bytes and packets are after sampling", WIDTH)
    yield from _about_time(total, asked)
    rated = wanted.order not in COUNTS
    heads, foot = [key.name for key in wanted.keys], ["total"]
    texts = [[str(value) for value in row.values] for row in ranking.rows]
    widths = [max(map(len, column)) for column in zip(heads, *texts, strict=True)]
    widths[0] = max(widths[0], len(foot[0]))
    room = WIDTH - len(COUNTS) * (_NUMBER + _SHARE + 1) - rated * (_NUMBER + 1)
    aligned = sum(widths) + 2 * (len(widths) - 1)

    def line(key: Sequence[str], rest: str) -> Iterator[str]:
        if aligned <= room:
            text = "  ".join(part.ljust(width) for part, width in zip(key, widths, strict=False))
            yield f"{text:{aligned}}{rest}".rstrip()
            return
        text = "  ".join(key)
        if len(text) > room:
            yield from wrap(text, WIDTH)
            text = ""
        yield f"{text:{room}}{rest}".rstrip()

    head = "".join(f"{name:>{_NUMBER + 1}}{'':{_SHARE}}" for name in COUNTS)
    yield ""
    yield from line(heads, head + (f"{wanted.order:>{_NUMBER + 1}}" if rated else ""))
    for row, text in zip(ranking.rows, texts, strict=True):
        yield from line(text, _numbers(row, total, wanted.order))
    yield from line(foot, _numbers(total, total, wanted.order))
    if ranking.given_up:
        yield (
            f"{_plain(ranking.given_up)} small keys were given up on the way: a sum may lack up to "
            f"{_short(ranking.lacking)}"
        )


def _about_time(total: Row, asked: TimeRange) -> Iterator[str]:
    yield f"Flows from {shown(total.first_ns)} to {shown(total.last_ns)}"
    if asked.bounded:
        ends = (
            f"{word} {shown(ns)}"
            for word, ns in (("from", asked.since_ns), ("to", asked.until_ns))
            if ns is not None
        )
        yield f"(all of each flow that touches the time {' '.join(ends)})"


def _numbers(row: Row, total: Row, order: str) -> str:
    counts = "".join(
        f" {_short(getattr(row, name)):>{_NUMBER}}"
        f"{_share(getattr(row, name), getattr(total, name)) if row is not total else '':>{_SHARE}}"
        for name in COUNTS
    )
    return counts + (f" {_short(getattr(row, order)):>{_NUMBER}}" if order not in COUNTS else "")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _plain(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _short(number: float) -> str:
    """Write a number in at most six characters: 9999, 12.3k, 4.56M (units of 1000)."""
    if number < 10_000:
        return f"{number:.0f}" if number == int(number) or number >= 100 else f"{number:.1f}"
    unit = -1
    while number >= 999.95 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f}{_UNITS[unit]}"


def as_json(wanted: Wanted, ranking: Ranking) -> str:
    """Return the ranking as one JSON object; times in ns, rates in bits and packets per second."""
    return json.dumps(
        {
            "keys": [key.name for key in wanted.keys],
            "order": wanted.order,
            "top": [
                {key.name: value for key, value in zip(wanted.keys, row.values, strict=True)}
                | _counts(row)
                for row in ranking.rows
            ],
            "total": _counts(ranking.total) if ranking.total.flows else {"flows": 0},
            "distinct": ranking.keys,
            "given_up": ranking.given_up,
            "lacking": ranking.lacking,
        }
    )


def _counts(row: Row) -> dict[str, float]:
    return {
        "flows": row.flows,
        "packets": row.packets,
        "bytes": row.bytes,
        "time_flow_start_ns": row.first_ns,
        "time_flow_end_ns": row.last_ns,
        "pps": round(row.pps, 3),
        "bps": round(row.bps, 3),
        "bpp": round(row.bpp, 3),
    }
