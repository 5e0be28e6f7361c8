"""Findings on a terminal: the spike, the way down to the culprit, and when it was there before.

At most 80 columns. Colours are marks of `Style`, which the command turns into the terminal's.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from textwrap import wrap

from flowsleuth.hunt.bars import Bars, bars
from flowsleuth.hunt.findings import Earlier, Finding, Layer
from flowsleuth.hunt.links import to_grafana
from flowsleuth.hunt.telling import Teller, octets, rate, share
from flowsleuth.hunt.totals import SECOND

WIDTH = 80
_MARGIN = "  "
_LABEL = 10


class Style(Enum):
    """What a piece of text is."""

    TITLE = "title"
    CULPRIT = "culprit"
    QUIET = "quiet"


Paint = Callable[[str, Style], str]
"""Colours a piece of text, or leaves it as it is."""


def story(
    findings: Sequence[Finding],
    teller: Teller,
    paint: Paint,
    *,
    grafana: str = "",
    plain: bool = False,
) -> Iterator[str]:
    """Yield the lines: a finding in full, and what belongs to it in a line each."""
    if not findings:
        yield "Nothing stands out: every network, direction and protocol is as usual."
        return
    told: list[Earlier] = []
    for number, one in enumerate(findings, 1):
        if number > 1:
            yield ""
        yield from _title(number, len(findings), one, teller, paint)
        if any(_is_same(one, each) for each in told):
            yield from _wrapped(teller.against(one))
            continue
        yield from _finding(one, teller, paint, grafana=grafana, plain=plain)
        told += one.earlier


def _is_same(one: Finding, other: Earlier) -> bool:
    """Return whether a finding is an earlier occurrence of one that has been told in full."""
    mine = one.culprit
    return mine.address == other.address and mine.first < other.last and other.first < mine.last


def _title(number: int, of: int, one: Finding, teller: Teller, paint: Paint) -> Iterator[str]:
    head = f"{number} of {of}  {teller.headline(one)}"
    for line in wrap(head, WIDTH, subsequent_indent=_MARGIN):
        yield paint(line, Style.TITLE)
    yield f"{_MARGIN}{teller.when(one.culprit.first, one.culprit.last)}"


def _finding(
    one: Finding, teller: Teller, paint: Paint, *, grafana: str, plain: bool
) -> Iterator[str]:
    yield from _wrapped(teller.amount(one))
    if one.graph is not None and len(one.graph.counts):
        yield ""
        drawn = bars(one.graph, one.culprit.first, one.culprit.last, plain=plain)
        yield from _graph(drawn, one, teller, paint)
    yield ""
    for layer in one.drill:
        yield from _layer(layer, one, paint)
    for name, text in teller.facts(one):
        yield from _wrapped(text, name)
    if one.earlier:
        yield ""
        yield from _wrapped(teller.recurs(one))
        for each in one.earlier:
            yield f"{_MARGIN}{_MARGIN}{teller.earlier(each)}"
    if grafana:
        yield ""
        yield f"{_MARGIN}{to_grafana(grafana, one, teller.window_ns)}"


def _wrapped(text: str, label: str = "") -> Iterator[str]:
    indent = _MARGIN + label.ljust(_LABEL) if label else _MARGIN
    rest = " " * len(indent)
    yield from wrap(text, WIDTH, initial_indent=indent, subsequent_indent=rest)


def _graph(drawn: Bars, one: Finding, teller: Teller, paint: Paint) -> Iterator[str]:
    """Yield the graph with its scale, and the time below it."""
    seconds = teller.window_ns / SECOND
    series = " ".join(one.culprit.series)
    length = teller.length(drawn.each)
    yield f"{_MARGIN}{series}: mean of {length} a column, up to {rate(drawn.top / seconds)}"
    for line in map(str.rstrip, drawn.lines):  # before colours, which end in no space
        before, mine, after = (
            line[: drawn.first], line[drawn.first : drawn.last], line[drawn.last :]
        )  # fmt: skip
        yield f"{_MARGIN}{before}{paint(mine, Style.CULPRIT) if mine else ''}{after}".rstrip()
    width = len(drawn.lines[0])
    begin, middle, end = (
        f"{teller.moment(drawn.begin + at * drawn.each):%H:%M}" for at in (0, width // 2, width)
    )
    gap = max((width - 15) // 2, 1)
    axis = f"{begin}{' ' * gap}{middle}{' ' * gap}{end}"
    yield f"{_MARGIN}{paint(axis, Style.QUIET)}"


def _layer(layer: Layer, one: Finding, paint: Paint) -> Iterator[str]:
    """Yield one step of the drill-down: the largest parts, the culprit's marked."""
    told = one.culprit
    names = {told.address, told.inside, str(told.port), *told.series}
    label = layer.title
    for part in layer.parts:
        name = f"{part.name:<28}"
        if part.name in names:
            name = paint(name, Style.CULPRIT)
        yield f"{_MARGIN}{label:<13}{name} {octets(part.bytes):>9} {share(part.share):>8}"
        label = ""
