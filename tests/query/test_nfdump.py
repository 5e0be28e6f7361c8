"""`--top` agrees with `nfdump -s` on the flows that nfcapd stored of the same datagrams."""

import csv

import nfcapd
import numpy as np
import pytest
from decode.wire import EXPORTER
from filters import flows as generated
from golden.catalogue import CAPTURES

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.optional import OPTIONAL
from flowsleuth.enrich.networks import Networks
from flowsleuth.protocols import NUMBERS
from flowsleuth.query.keys import BY_NAME, Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import Top
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources
from flowsleuth.receive.files import read

STATISTICS = [
    "srcip/bytes",
    "dstip/packets",
    "ip/flows",
    "ip/bps",
    "srcport/flows",
    "dstport/bytes",
    "port/packets",
    "proto/pps",
    "tos/bytes",
    "srcas/flows",
    "dstas/bytes",
    "as/packets",
    "inif/bytes",
    "outif/bpp",
    "if/flows",
]


class Both:
    """Some datagrams in both programs."""

    def __init__(self, datagrams, folder):
        nfcapd.demand()
        self._stored = nfcapd.collected(datagrams, folder)
        sources = Sources()
        source = sources.number(EXPORTER, 2055)
        batch = Datagrams.pack([(d, source, NO_RECEIPT) for d in datagrams], sources)
        self._flows = Decoder(wanted=OPTIONAL).decode(batch).flows

    def theirs(self, statistic):
        """{value: (flows, packets, bytes, pps, bps, bpp)}, the largest first."""
        text = nfcapd._nfdump(self._stored, "-s", statistic, "-n", "0", "-o", "csv", "-N", "-6")
        table = text.split("\nSummary")[0].strip().splitlines()
        names = ("val", "fl", ("pkt", "ipkt"), ("byt", "ibyt"), ("pps", "ipps"), ("bps", "ibps"))
        found = {}
        for row in csv.DictReader(table):
            cells = [_first(row, name) for name in (*names, ("bpp", "ibpp"))]
            found[cells[0].strip()] = tuple(map(int, cells[1:]))
        return found

    def ours(self, statistic):
        key, order = statistic.split("/")
        known = Known(Networks([]), str)
        top = Top([BY_NAME[key]], order, known)
        for flows in self._flows:
            for chosen in Selection(None, None, None, 10**18).chosen(flows, {}):
                top.add(chosen)
                if BY_NAME[key].two_sided:
                    # nfdump 1.7.1 counts a flow twice at a value that both its sides have.
                    top.add(chosen.take(_same_sides(chosen, BY_NAME[key], known)))
        return {
            _value(row.values[0]): (
                row.flows, row.packets, row.bytes, int(row.pps), int(row.bps), int(row.bpp)
            )
            for row in top.ranking(10**6).rows
        }  # fmt: skip


def _same_sides(chosen, key, known):
    sides = [np.stack(key.columns(chosen, side, known), axis=1) for side in (0, 1)]
    return np.flatnonzero((sides[0] == sides[1]).all(axis=1))


def _first(row, names):
    return next(row[n] for n in ([names] if isinstance(names, str) else names) if n in row)


def _value(value):
    return str(NUMBERS[value]) if value in NUMBERS else str(value)


def assert_agree(both, statistic, measures=6):
    """The first so many of flows, packets, bytes, pps, bps, bpp are the same of each value."""
    ours, theirs = (
        {value: counts[:measures] for value, counts in found.items()}
        for found in (both.ours(statistic), both.theirs(statistic))
    )
    assert ours == theirs
    order = statistic.split("/")[1]
    at = ("flows", "packets", "bytes", "pps", "bps", "bpp").index(order)
    ranks = [[row[at] for row in found.values()] for found in (ours, theirs)]
    assert ranks[0] == ranks[1] == sorted(ranks[0], reverse=True)
    assert len(ours) > 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Without answered flows: what a responder sent, nfdump adds to the initiator's bytes."""
    answered = 304
    datagrams = [d for d in generated.datagrams() if int.from_bytes(d[20:22]) != answered]
    return Both(datagrams, tmp_path_factory.mktemp("generated"))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_generated_flows(made, statistic):
    assert_agree(made, statistic)


@pytest.mark.usefixtures("captures")
def test_a_capture(tmp_path):
    batches = read([str(CAPTURES / "derived/isp_sample_v9.pcap")], Sources())
    both = Both([batch.payload(i) for batch in batches for i in range(len(batch))], tmp_path)
    # Its flows run backwards in time, of which each program makes its own rates.
    for statistic in ("srcip/bytes", "dstip/flows", "ip/packets", "inif/bytes", "proto/flows"):
        assert_agree(both, statistic, measures=3)
