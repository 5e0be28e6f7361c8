"""The hunt's parts: words, graphs, stretches, and what is kept in bounded memory."""

import numpy as np
import pytest

from flowsleuth.baseline.normal import Series
from flowsleuth.enrich.services import Services
from flowsleuth.errors import InputError
from flowsleuth.hunt import telling
from flowsleuth.hunt.bars import BLOCKS, bars
from flowsleuth.hunt.findings import Culprit, Earlier, Finding, Graph, Kind, Part
from flowsleuth.hunt.kept import Kept, Sums
from flowsleuth.hunt.merging import merged
from flowsleuth.hunt.stretches import level_of, runs, stretch
from flowsleuth.hunt.telling import Teller
from flowsleuth.hunt.totals import Days, Measure, check

MINUTE = 60_000_000_000
TELLER = Teller(MINUTE, Services({}))


def culprit(**changes):
    """A host of Green that sends 1 GB for ten minutes over a port, changed as said."""
    told = {
        "series": Series("Green", "out", "udp"), "measure": Measure.BYTES, "kind": Kind.HOST,
        "address": "10.1.42.17", "port": 14857, "first": 100, "last": 110,
        "counts": np.array([10**9, 10**6, 100]), "risen": np.array([1e9, 1e6, 100.0]),
        "change": 1e9, "share": 0.9, "inside": "10.1.42.17", "peers": 1, "ports": 0,
        "largest_peers": (Part("198.18.7.7", 10**9, 1.0),),
    }  # fmt: skip
    return Culprit(**(told | changes))


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.00 kB"), (15_000_000_000, "15.0 GB"),
     (999_600, "1.00 MB"), (123_456_789, "123 MB"), (5e21, "5000 EB")],
)  # fmt: skip
def test_bytes(number, text):
    assert telling.octets(number) == text


def test_rates_shares_and_times():
    assert telling.rate(1) == "8 bit/s"
    assert telling.rate(12_500_000) == "100 Mbit/s"
    assert telling.share(0.99999) == "99.9 %"
    assert telling.share(1.0) == "100.0 %"
    assert telling.times(3.44) == "3.4 times"
    assert telling.times(570.4) == "570 times"
    assert telling.times(10**9) == "more than 1000 times"


@pytest.mark.parametrize(
    ("direction", "text"),
    [("in", "into Green"), ("internal", "within Green"), ("transit", "in transit (Green)")],
)
def test_headlines(direction, text):
    one = Finding(culprit(series=Series("Green", direction, "gre"), port=0), 0, 0)
    assert TELLER.headline(one) == f"host 10.1.42.17: gre {text}"


def test_an_outbreak_names_some_of_its_hosts():
    hosts = tuple(Part(f"10.1.0.{n}", 1, 0.2) for n in range(5))
    many = culprit(kind=Kind.OUTBREAK, address=None, inside=None, addresses=hosts)
    assert TELLER.who(many) == "of 10.1.0.0, 10.1.0.1, 10.1.0.2 and 2 more"
    assert TELLER.blame(many) == "These hosts carry 90.0 % of the change."
    assert TELLER.who(culprit(address=None, inside=None)) == "of many hosts"


def test_lengths_and_what_passes_midnight():
    assert TELLER.length(119) == "119 min"
    assert TELLER.length(180) == "3.0 h"
    assert Teller(10_000_000_000, Services({})).length(3) == "30 s"
    midnight = int(TELLER.moment(1440 * 20_000).replace(hour=0, minute=0).timestamp()) // 60
    assert TELLER.when(midnight - 5, midnight).endswith("00:00 (5 min)")
    assert "to 00:00" not in TELLER.when(midnight - 5, midnight)  # with its day


def test_facts_and_recurrences():
    scan = culprit(kind=Kind.SCAN, port=None, ports=40, peers=3, measure=Measure.FLOWS)
    one = Finding(scan, 10, 10, also=(Series("Blue", "in", "udp"),))
    facts = dict(TELLER.facts(one))
    assert facts["ports"] == "up to 40 in a window"
    assert facts["peers"] == "up to 3 in a window: 198.18.7.7"
    assert facts["seen in"] == "Blue in udp, too"
    assert TELLER.blame(scan).endswith("of the change in flow records.")
    assert TELLER.recurs(one) == ""
    before = Earlier(50, 60, "Green", "10.1.42.17", 14857, 5)
    again = Finding(culprit(), 10, 10, earlier=(before,))
    assert TELLER.recurs(again) == "The second time within a day or two, on the same host."


def test_a_graph_has_its_highest_column_and_marks_the_finding():
    counts = np.array([1, 1, 8, 8, 0])
    drawn = bars(Graph(10, counts, counts * 0, counts * 0), 12, 14)
    assert drawn.lines[0] == f"  {BLOCKS[8] * 2} "
    assert drawn.lines[-1][-1] == " "
    assert drawn.lines[-1][0] in BLOCKS[1:]
    assert (drawn.first, drawn.last, drawn.each, drawn.top) == (2, 4, 1, 8)
    plain = bars(Graph(10, counts, counts * 0, counts * 0), 12, 14, plain=True)
    assert "".join(plain.lines).isascii()
    none = np.zeros(0, np.int64)
    assert set(bars(Graph(0, none, none, none), 0, 0).lines) == {""}


def test_stretches():
    active = np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 1], bool)
    assert runs(active, 2) == [(1, 6), (9, 10)]
    assert runs(np.zeros(4, bool), 2) == []
    above = np.array([0, 1, 9, 9, 9, 1, 0, 0], float)
    assert stretch(above, slice(2, 5), 1) == (1, 6)  # began and ended within a window
    assert stretch(above * 0, slice(2, 5), 1) == (2, 5)
    assert level_of(above * 0) == 0


def _sums(parts):
    n = len(parts)
    ints = np.arange(n, dtype=np.int64)
    names = (np.zeros(n, np.uint64), np.zeros(n, np.uint64))
    few = np.zeros(n, np.int32)
    return Sums(ints, names, ints, ints, few, few, few, np.array(parts, np.float32))


def test_what_is_kept_is_bounded_and_the_largest_parts_stay():
    kept = Kept(most=100)
    rng = np.random.default_rng(1)
    for _ in range(20):
        kept.add(_sums([*rng.uniform(0, 0.1, 50), 3.0]))
    assert len(kept) <= 100
    assert kept.part > 0.01
    found = kept.between(50, 0, 1)
    assert found is not None
    assert (found.part == 3.0).sum() == 20
    assert kept.between(7_000, 0, 1) is None
    assert Kept().between(0, 0, 1) is None


def test_days_add_up_and_too_much_is_one_line():
    days = Days(MINUTE)
    assert days.span() is None
    for _ in range(2):
        days.add(np.array([3, 3]), np.array([5, 2000]), np.array([[1, 2, 3], [4, 5, 6]]))
    assert days.span() == (5, 2001)
    ((code, counts),) = days.dense(0, 2001)
    assert code == 3
    assert counts[:, 5].tolist() == [2, 4, 6]
    assert counts.sum() == 42
    with pytest.raises(InputError, match="choose less with --from and --to"):
        check(1000, 100_000)


def test_sides_of_one_thing_are_one():
    out = culprit()
    packets = culprit(measure=Measure.PACKETS)
    into = culprit(
        series=Series("Blue", "in", "udp"), address="10.2.0.9", inside="10.2.0.9",
        largest_peers=(Part("10.1.42.17", 10**9, 1.0),),
    )  # fmt: skip
    ((told, sides),) = merged([into, packets, out])
    assert told is out
    assert len(sides) == 3
    echo = culprit(series=Series("Green", "in", "icmp"), port=0)  # what answers a scan
    ((told, _),) = merged([echo, out])
    assert told.series.protocol in ("udp", "icmp")


@pytest.mark.parametrize(
    "other",
    [
        {"first": 200, "last": 210},
        {"port": 53},
        {"series": Series("Green", "out", "tcp")},
        {"address": "10.1.0.1", "inside": "10.1.0.1"},
        {"series": Series("Blue", "out", "udp"), "address": "10.2.0.1", "inside": "10.2.0.1",
         "largest_peers": ()},
    ],
)  # fmt: skip
def test_what_is_something_else_stays_so(other):
    assert len(list(merged([culprit(), culprit(**other)]))) == 2


def test_what_a_floods_target_answers_is_not_told_though_it_is_more_bytes():
    flood = culprit(
        kind=Kind.FLOOD, series=Series("Green", "in", "udp"), measure=Measure.PACKETS,
        risen=np.array([1e8, 2e6, 1e5]),
    )  # fmt: skip
    answers = culprit(kind=Kind.SCAN, risen=np.array([9e8, 1e6, 1e5]))
    ((told, sides),) = merged([answers, flood])
    assert told is flood
    assert len(sides) == 2
