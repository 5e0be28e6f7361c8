"""The suspected share of duplicates: none where there are none, and the right one where there are.

Expected shares follow from how the traffic is made: of k copies of a record each is one too many
by 1 - 1/k. Tolerances are four standard errors of the sample.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import duplicates
from flowsleuth.aggregate.duplicates import FEWEST, PER_WINDOW, Duplicates
from flowsleuth.enrich.enricher import Enricher, Records
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services

from .driving import Driven
from .traffic import NOW, SECOND, flows_of, record

WINDOW = 60 * SECOND
AT = NOW // WINDOW
INGRESS, EGRESS = 0, 1
MILLISECOND = SECOND // 1000


def flows(n, seed=1, **columns):
    """n records of random 5-tuples, received in the window AT, one second of traffic each."""
    rng = np.random.default_rng(seed)
    start = NOW + rng.integers(0, 40_000, n) * MILLISECOND
    end = start + rng.integers(0, 8_000, n) * MILLISECOND
    packets = rng.geometric(0.1, n)
    received = np.minimum(end + rng.integers(0, 15, n) * SECOND, NOW + WINDOW - SECOND)
    none = np.zeros(n, np.int32)
    made = Records(
        family=4,
        src=rng.integers(0x0A000000, 0x0AFFFFFF, n).astype(np.uint32),
        dst=rng.integers(0x20000000, 0xDF000000, n).astype(np.uint32),
        src_network=none,
        dst_network=none,
        protocol=np.full(n, 6, np.uint16),
        src_port=rng.integers(1024, 65535, n).astype(np.uint16),
        dst_port=np.full(n, 443, np.uint16),
        port=np.full(n, 443, np.uint16),
        decided=np.ones(n, bool),
        bytes=packets * rng.integers(40, 1500, n),
        packets=packets,
        syn_only=np.zeros(n, bool),
        in_if=np.ones(n, np.uint32),
        out_if=np.full(n, 2, np.uint32),
        flow_direction=np.zeros(n, np.uint8),
        stream=none,
        start_ns=start,
        end_ns=end,
        dated=np.ones(n, bool),
        redated=np.zeros(n, bool),
        received_ns=received,
        export_ns=received,
        profiles=np.zeros((n, 0), np.uint8),
    )
    return changed(made, **columns)


def changed(records, **columns):
    """A copy with some columns of one value, or of given values."""
    copy = records.take(np.arange(len(records)))
    for name, value in columns.items():
        column = getattr(copy, name)
        setattr(copy, name, np.broadcast_to(value, column.shape).astype(column.dtype))
    return copy


def shares(*parts, until=AT + 1, streams=(0, 1), held=1502):
    sample = Duplicates(WINDOW, held)
    for part in parts:
        sample.add(part)
    return answer(sample, until, streams)


def answer(sample, until=AT + 1, streams=(0, 1), window=AT):
    windows = np.full(len(streams), window)
    return sample.take_before(until, windows, np.array(streams)).tolist()


def near(share, n=PER_WINDOW // 3):
    return pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)


def test_traffic_without_duplicates_has_none():
    assert shares(flows(20_000), flows(20_000, seed=2, stream=1)) == [0, 0]


@pytest.mark.parametrize(
    "egress",
    [
        {"flow_direction": EGRESS},
        {"in_if": 7},
        {"flow_direction": 255, "in_if": 0},
    ],
    ids=str,
)
def test_ingress_and_egress_of_one_router_is_a_half(egress):
    ingress = flows(20_000)
    assert shares(ingress, changed(ingress, **egress), streams=[0]) == [0.5]


def test_two_routers_on_the_path_share_what_they_both_see():
    """30 % of each one's flows are the other's too: 0.15 of each is one too many."""
    one = flows(20_000)
    both = one.take(np.arange(6_000))
    other = Records.join([flows(14_000, seed=2), both])
    assert shares(one, changed(other, stream=1)) == [near(0.15), near(0.15)]


def test_three_places_are_two_too_many():
    one = flows(9_000)
    places = [changed(one, stream=stream) for stream in (0, 1, 2)]
    assert shares(*places, streams=(0, 1, 2)) == [pytest.approx(2 / 3, abs=1e-4)] * 3


def test_small_traffic_is_judged_whole():
    one = flows(FEWEST)
    assert shares(one, changed(one, stream=1, in_if=9)) == [0.5, 0.5]
    assert np.isnan(shares(flows(FEWEST - 1))).all()


def test_few_samples_wait_for_those_of_later_windows():
    sample = Duplicates(WINDOW, 10)
    for later in range(3):
        part = flows(FEWEST // 2, seed=later)
        shift = later * WINDOW
        sample.add(
            changed(
                part,
                received_ns=part.received_ns + shift,
                export_ns=part.export_ns + shift,
                start_ns=part.start_ns + shift,
                end_ns=part.end_ns + shift,
            )
        )
    answers = [answer(sample, AT + i + 1, [0], AT + i)[0] for i in range(3)]
    assert np.isnan(answers[0])
    assert answers[1] == 0
    assert np.isnan(answers[2])


def test_a_twin_that_comes_in_the_next_window_counts():
    one = flows(5_000)
    late = changed(one, stream=1, received_ns=NOW + WINDOW, export_ns=NOW + WINDOW)
    sample = Duplicates(WINDOW, 10)
    sample.add(Records.join([one, late]))
    assert answer(sample, AT + 1, [0]) == [0.5]
    assert answer(sample, AT + 2, [1], AT + 1) == [0.5]
    assert len(sample) > 0  # of the last window taken: twins may come yet
    assert np.isnan(answer(sample, AT + 9, [0], AT + 1)).all()
    assert len(sample) == 0


def test_a_twin_that_comes_much_later_does_not():
    one = flows(5_000)
    late = NOW + 3 * WINDOW
    assert shares(
        one,
        changed(one, stream=1, received_ns=late, export_ns=late),
        until=AT + 4,
    )[0] == 0  # fmt: skip


def test_what_comes_for_a_window_that_is_taken_is_left_out():
    one = flows(5_000)
    sample = Duplicates(WINDOW, 10)
    sample.add(one)
    assert answer(sample, AT + 1, [0]) == [0]
    held = len(sample)
    sample.add(changed(one, stream=1))
    assert len(sample) == held


def test_successive_exports_of_a_long_flow_are_no_twins():
    long = flows(2_000, bytes=10**6)
    parts = [
        changed(
            long,
            start_ns=NOW + i * 10 * SECOND,
            end_ns=NOW + (i + 1) * 10 * SECOND,
            in_if=i,  # even where its way changes
        )
        for i in range(5)
    ]
    assert shares(*parts, streams=[0]) == [0]


def test_packets_exported_one_by_one_are_no_twins():
    packets = flows(2_000, bytes=1500)
    packets = changed(packets, start_ns=NOW, end_ns=NOW)
    assert shares(packets, packets, packets, streams=[0]) == [0]


def test_two_meters_that_look_like_one_are_seen_by_flows_that_last():
    lasting = flows(5_000)
    lasting = changed(lasting, end_ns=lasting.start_ns + SECOND)
    assert shares(lasting, lasting, streams=[0]) == [0.5]
    assert shares(lasting, changed(lasting, bytes=lasting.bytes + 1), streams=[0]) == [0]


@pytest.mark.parametrize(
    ("difference", "share"),
    [
        ({"bytes": 920}, 0.5),
        ({"bytes": 880}, 0),
        ({"protocol": 17}, 0),
        ({"dst_port": 80}, 0),
        ({"dst": 9}, 0),
        ({"src": 9}, 0),
    ],
    ids=str,
)
def test_what_makes_a_twin(difference, share):
    one = flows(2_000, bytes=1000)
    assert shares(one, changed(one, stream=1, **difference))[0] == share


@pytest.mark.parametrize(("shift_s", "share"), [(-4, 0.5), (4, 0.5), (6, 0), (-6, 0)])
@pytest.mark.parametrize("which", ["start_ns", "end_ns"])
def test_twins_begin_and_end_together(which, shift_s, share):
    one = flows(2_000)
    other = changed(one, stream=1, **{which: getattr(one, which) + shift_s * SECOND})
    assert shares(one, other)[0] == share


@pytest.mark.parametrize("skew_s", [-100, -7, 7, 100])
def test_clocks_that_differ_hide_nothing(skew_s):
    """`judge` tolerates two minutes; what it shifted is not shifted again."""
    one = flows(2_000)
    shift = skew_s * SECOND
    other = changed(
        one,
        stream=1,
        start_ns=one.start_ns + shift,
        end_ns=one.end_ns + shift,
        export_ns=one.export_ns + shift,
    )
    assert shares(one, other)[0] == 0.5
    judged = changed(one, stream=1, export_ns=one.export_ns + 3600 * SECOND)
    assert shares(one, judged)[0] == 0.5


def test_sampling_routers_are_not_suspected():
    """1:100: most flows have one packet sampled, at a time of its own at each router."""
    rng = np.random.default_rng(5)
    one = flows(20_000, packets=100)
    one = changed(one, bytes=100 * rng.choice([40, 576, 1500], len(one)), end_ns=one.start_ns)
    common = np.arange(0, len(one), 100)
    at = rng.integers(0, 30_000, len(common)) * MILLISECOND
    both = one.take(common)
    both = changed(both, start_ns=both.start_ns + at, end_ns=both.end_ns + at)
    other = Records.join([flows(19_800, seed=6), both])
    assert shares(one, changed(other, stream=1)) == [pytest.approx(0, abs=0.01)] * 2


def test_records_without_times_tell_nothing():
    one = flows(2_000, dated=False)
    assert np.isnan(shares(one, changed(one, stream=1))).all()
    mixed = Records.join([flows(2_000), changed(one, stream=1)])
    assert np.isnan(shares(mixed)[1])


def test_memory_is_bounded_under_a_scan_and_by_open_windows():
    sample = Duplicates(WINDOW, 10)
    for seed in range(10):
        sample.add(flows(50_000, seed=seed))
        assert len(sample) <= PER_WINDOW
    assert len(sample) > PER_WINDOW // 3
    tight = Duplicates(WINDOW, duplicates.HELD // 10)
    tight.add(flows(5_000))
    assert len(tight) <= 10


def test_one_tuple_without_end_is_bounded_too():
    one = flows(1)
    same = one.take(np.zeros(PER_WINDOW * 2, np.int64))
    sample = Duplicates(WINDOW, 10)
    sample.add(same)
    assert len(sample) == 0
    sample.add(flows(1_000, seed=2))
    assert len(sample) <= 1_000
    assert not answer(sample)[0] > 0


def test_a_group_larger_than_its_neighbourhood_ends():
    one = flows(300)
    places = [changed(one, in_if=i) for i in range(12)]
    (share,) = shares(*places, streams=[0])
    assert 0.8 < share <= 8 / 9


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_batches_and_their_order_change_nothing(seed, over_windows):
    one = flows(6_000)
    other = changed(one, stream=1).take(np.arange(2_000))
    other = changed(other, received_ns=other.received_ns + over_windows * WINDOW)
    traffic = Records.join([one, other, flows(3_000, seed=3, flow_direction=EGRESS)])
    expected = shares(traffic, until=AT + 5)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(traffic))
    parts = [
        traffic.take(part) for part in np.split(rows, np.sort(rng.choice(rows, 5))) if len(part)
    ]
    assert shares(*parts, until=AT + 5) == pytest.approx(expected, abs=0, nan_ok=True)


def test_a_batch_over_many_windows():
    one = flows(3_000)
    days = np.arange(3_000) * (WINDOW // 10)
    far = changed(
        one, **{name: getattr(one, name) + days for name in ("received_ns", "start_ns", "end_ns")}
    )
    far = changed(far, export_ns=far.received_ns)
    sample = Duplicates(WINDOW, 1502)
    sample.add(Records.join([far, changed(far, flow_direction=EGRESS)]))
    sample.add(Records.join([far.take(np.arange(10)), far.take(np.arange(2_990, 3_000))]))
    assert answer(sample, AT + 100, [0], AT + 50) == [0.5]


def test_ipv6_and_ipv4_alike():
    records = [
        record(src=f"2001:db8:1::{i:x}", dst="2001:db8:2::1", stream=stream)
        for i in range(30)
        for stream in (0, 1)
    ]
    enriched, _ = Enricher(Networks([]), Services({})).enrich(flows_of(records), {})
    assert shares(enriched) == [0.5, 0.5]
    alone, _ = Enricher(Networks([]), Services({})).enrich(flows_of(records[::2]), {})
    assert shares(alone, streams=[0]) == [0]


def test_one_second_windows_reach_as_far():
    one = flows(2_000)
    late = changed(one, stream=1, received_ns=NOW + 50 * SECOND, export_ns=NOW + 50 * SECOND)
    one = changed(one, received_ns=NOW + 5 * SECOND, export_ns=NOW + 5 * SECOND)
    sample = Duplicates(SECOND, 7202)
    for part in (one, late):
        sample.add(part)
    second = NOW // SECOND
    assert answer(sample, second + 60, [0], second + 5) == [0.5]


def test_it_is_a_field_of_exporters():
    driven = Driven()
    records = [record(src_port=i) for i in range(1000, 1100)]
    driven.aggregator.datagrams(
        np.zeros(1, np.int32), np.array([NOW]), np.array([NOW]), {"records": np.array([200])}
    )
    driven.add(records)
    driven.add([{**one, "in_if": 5} for one in records])
    (point,) = [p for p in driven.flush() if p["measurement"] == "exporters"]
    assert point["duplicate_share"] == 0.5


def test_nothing_to_sample_and_nothing_due():
    sample = Duplicates(WINDOW, 10)
    one = flows(100, dated=False)
    ahead = changed(one, received_ns=NOW + 9 * WINDOW + np.arange(100) * SECOND)
    sample.add(ahead)
    assert len(sample) == 0
    sample.add(changed(flows(100), received_ns=NOW + 9 * WINDOW))
    assert np.isnan(answer(sample)).all()
    assert len(sample) == 100
