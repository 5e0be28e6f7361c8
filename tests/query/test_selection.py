"""What is asked for: by filter, by time, of either half of a record; as JSON and as counts."""

import numpy as np
import pytest
from aggregate.traffic import NOW, SECOND, flows_of, record
from decode import wire
from golden.catalogue import NETFLOW, each
from pipeline.made import batches, config, lines_of, total, traffic

from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoder
from flowsleuth.enrich.counting import IMPLAUSIBLE, Policy
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline import files
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.query.keys import BY_NAME, Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import Top
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

DAY = 24 * 3600 * SECOND


def asking(text=None, since=None, until=None, age=25 * 3600 * SECOND):
    return Selection(Filter(text) if text else None, since, until, age)


FILTERS = {
    "proto udp": lambda r: r.get("proto") == 17,
    "proto tcp and dst port 443": lambda r: r.get("proto") == 6 and r.get("dst_port") == 443,
    "src port > 1023": lambda r: r.get("src_port", 0) > 1023,
    "dst port 53 or proto icmp": lambda r: r.get("dst_port") == 53 or r.get("proto") == 1,
}


def with_reverse(shown):
    """Whether a record has a responder, whose half may match as well."""
    return "reverse_bytes" in shown


@pytest.mark.usefixtures("captures")
@pytest.mark.parametrize("group", each([group.name for group in NETFLOW] if NETFLOW else []))
def test_what_is_shown_of_captures_is_what_matches_of_all_that_is_shown(group):
    """All families, layouts and sets of a batch: nothing is shifted by what is left out."""
    (found,) = (one for one in NETFLOW if one.name == group)
    paths = [str(path) for path in found.paths]
    for text, matches in FILTERS.items():
        decoder = Decoder(wanted=wanted_by([Filter(text)]))
        for batch in read(paths, Sources()):
            decoded = decoder.decode(batch)
            chosen = [asking(text).shown(flows, {}) for flows in decoded.flows]
            shown = list(json_records(decoded, chosen))
            every = list(json_records(decoded))
            ours = [r for r in every if not with_reverse(r) and matches(r)]
            assert [r for r in shown if not with_reverse(r)] == ours
            assert all(r in every for r in shown if with_reverse(r))


@pytest.fixture(scope="module")
def made():
    return traffic(count=200)


def ranked(items, selection, names, policies=None, **settings):
    given = config(**settings)
    known = Known(Networks([(n.name, n.prefixes) for n in given.networks]), str)
    top = Top([BY_NAME[name] for name in names], "bytes", known)
    decoder = Decoder(wanted=wanted_by([selection.only] if selection.only else []))
    for batch in batches(items, 50):
        for flows in decoder.decode(batch).flows:
            for chosen in selection.chosen(flows, policies or {}):
                top.add(chosen)
    return top.ranking(1000)


@pytest.mark.parametrize("text", [None, "proto udp and bytes > 1M", "src net 10.1.0.0/16"])
def test_counts_are_those_of_the_points(made, text):
    """Sampled exporters included: `all` of the points with that filter, by protocol."""
    selection = asking(text)
    pipeline = Pipeline(config(), {}, selection.only)
    flushes = files.points(pipeline, batches(made, 100))
    lines = [line for tables in flushes for line in lines_of(tables)]
    found = ranked(made, selection, ["proto"])
    assert found.total.flows > 10
    for row in found.rows:
        for name in ("bytes", "packets", "flows"):
            by_protocol = total(lines, "profiles", name, protocol=row.values[0])
            assert getattr(row, name) == by_protocol
    assert sum(row.bytes for row in found.rows) == total(lines, "profiles")
    networks = {row.values[0]: row.bytes for row in ranked(made, selection, ["srcnet"]).rows}
    for name in ("Green", "Blue"):
        out = [total(lines, "traffic", network=name, direction=way) for way in ("out", "internal")]
        assert networks.get(name, 0) == sum(out)


def test_a_range_is_touched_by_the_flow_s_own_time():
    made = flows_of(
        [
            record(start_ns=NOW - 50 * SECOND, end_ns=NOW - 40 * SECOND),
            record(start_ns=NOW - 30 * SECOND, end_ns=NOW - 5 * SECOND),
            record(start_ns=NOW - 4 * SECOND, end_ns=NOW - 1 * SECOND),
        ]
    )

    def shown(since, until):
        since, until = (None if at is None else NOW + at * SECOND for at in (since, until))
        return asking(None, since, until).shown(made, {}).tolist()

    assert shown(None, None) == [True, True, True]
    assert shown(-20, -10) == [False, True, False]
    assert shown(-40, -30) == [True, False, False]  # the end is not in it, an end at `since` is
    assert shown(-5, None) == [False, True, True]
    assert shown(None, -45) == [True, False, False]
    assert asking().everything
    assert not asking(since=NOW).everything
    assert not asking("any").everything


def test_times_of_a_wrong_clock_are_mended_as_in_the_points():
    """Two hours behind: the graph shows it now, and so does asking for now."""
    off = record(
        start_ns=NOW - 7230 * SECOND, end_ns=NOW - 7210 * SECOND, export_ns=NOW - 7200 * SECOND
    )
    flows = flows_of([off])
    assert asking(None, NOW - 60 * SECOND, NOW).shown(flows, {}).all()
    assert not asking(None, NOW - 7260 * SECOND, NOW - 7200 * SECOND).shown(flows, {}).any()
    (chosen,) = asking(None, NOW - 60 * SECOND, NOW).chosen(flows, {})
    assert (chosen.start_ns[0], chosen.end_ns[0]) == (NOW - 30 * SECOND, NOW - 10 * SECOND)


def test_a_flow_lasted_as_long_as_its_exporter_says():
    """Beyond the accepted age the points have it at its receipt; its rate is still its own."""
    old = record(start_ns=NOW - 3 * DAY, end_ns=NOW - 3 * DAY + 10 * SECOND)
    (chosen,) = asking().chosen(flows_of([old]), {})
    assert (chosen.start_ns[0], chosen.end_ns[0]) == (NOW - 10 * SECOND, NOW)


def answered(octets, back):
    flows = flows_of([record(bytes=n, tcp_flags=2) for n in octets])
    flows.reverse_bytes = np.array(back, np.int64)
    flows.reverse_packets = np.minimum(flows.reverse_bytes, 1)
    return flows


def test_either_half_of_a_record_matches():
    """The record is shown if its responder's half matches, and counted is that half alone."""
    flows = answered([100, 100, 5000], [9000, 0, 10])
    assert asking("src ip 192.0.2.1").shown(flows, {}).tolist() == [True, False, True]
    assert asking("bytes > 1000").shown(flows, {}).tolist() == [True, False, True]
    assert asking("bytes > 1000 and dst ip 10.1.0.1").shown(flows, {}).tolist() == [
        True, False, False
    ]  # fmt: skip
    sent, back = asking("bytes > 1000").chosen(flows, {})
    assert (sent.seen.bytes.tolist(), back.seen.bytes.tolist()) == ([5000], [9000])
    assert back.seen.src.tolist() == flows.dst[:1].tolist()


def test_filters_see_bytes_after_sampling_with_the_configured_rate():
    flows = flows_of([record(bytes=100), record(bytes=100, stream=1)])
    assert asking("bytes = 100000").shown(flows, {1: Policy(sampling=1000)}).tolist() == [
        False, True
    ]  # fmt: skip


def test_what_counts_for_nothing_is_shown_and_not_counted():
    flows = flows_of([record(), record(bytes=IMPLAUSIBLE), record()])
    flows.counts[0] = False
    assert asking("proto tcp").shown(flows, {}).all()
    (chosen,) = asking("proto tcp").chosen(flows, {})
    assert len(chosen.seen) == 1


def test_a_network_behind_nat_is_found_where_the_points_find_it():
    flows = flows_of([record(src="10.1.0.1", dst="192.0.2.1")])
    flows.post_dst = np.array([0x0A020001], np.uint32)
    flows.post_src = flows.src
    known = Known(Networks([(n.name, n.prefixes) for n in config().networks]), str)
    top = Top([BY_NAME["srcnet"], BY_NAME["dstnet"]], "bytes", known)
    flows.reverse_bytes = flows.reverse_packets = np.array([7], np.int64)
    for chosen in asking().chosen(flows, {}):
        top.add(chosen)
    assert [row.values for row in top.ranking(9).rows] == [("Green", "Blue"), ("Blue", "Green")]


def test_json_of_nothing_chosen_is_nothing():
    decoder = Decoder()
    sources = Sources()
    from flowsleuth.receive.datagrams import Datagrams

    batch = Datagrams.pack([(wire.legacy(5, 3), sources.number("192.0.2.9", 1), NOW)], sources)
    decoded = decoder.decode(batch)
    assert list(json_records(decoded, [np.zeros(3, bool)])) == []
    first = next(json_records(decoded))
    assert list(json_records(decoded, [np.array([True, False, False])])) == [first]
