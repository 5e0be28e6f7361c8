"""The largest of something: the same as plain loops, and bounded where keys never end."""

import pytest
from aggregate.traffic import NOW, SECOND, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsleuth.decode.optional import OPTIONAL
from flowsleuth.query.keys import KEYS
from flowsleuth.query.top import ORDERS

from .asking import ONE_SIDED, TWO_SIDED, by_loops, measured, ranked

ADDRESSES = ("10.1.0.1", "10.1.0.2", "10.2.0.1", "192.0.2.1", "2001:db8:1::1", "2001:db8:9::1")
NAMES = tuple(key.name for key in KEYS)


@st.composite
def records(draw, most=15):
    return [
        record(
            src=draw(st.sampled_from(ADDRESSES)),
            dst=draw(st.sampled_from(ADDRESSES)),
            protocol=draw(st.sampled_from((1, 6, 17, 200))),
            src_port=draw(st.integers(0, 3)),
            dst_port=draw(st.integers(0, 3)),
            tcp_flags=draw(st.sampled_from((0, 2, 0x12, 0xFF))),
            in_if=draw(st.integers(0, 2)),
            out_if=draw(st.integers(0, 2)),
            stream=draw(st.integers(0, 2)),
            bytes=draw(st.integers(0, 1000)),
            packets=draw(st.integers(0, 5)),
            start_ns=NOW - draw(st.integers(0, 50)) * SECOND,
            end_ns=NOW - draw(st.integers(0, 30)) * SECOND,
        )
        for _ in range(draw(st.integers(1, most)))
    ]


def test_the_tests_know_every_key():
    assert {*ONE_SIDED, *TWO_SIDED} == set(NAMES)
    assert {key.name for key in KEYS if key.two_sided} == set(TWO_SIDED)
    assert all(key.needs <= OPTIONAL for key in KEYS)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    records(),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
    st.sampled_from(ORDERS),
)
def test_ranks_as_plain_loops_do(drawn, names, order):
    expected = by_loops(drawn, names)
    found = ranked(drawn, names, order, n=1000)
    got = {
        row.values: [row.flows, row.packets, row.bytes, row.first_ns, row.last_ns]
        for row in found.rows
    }
    assert got == expected
    values = [getattr(row, order) for row in found.rows]
    assert values == sorted(values, reverse=True)
    assert values == pytest.approx([measured(expected[row.values], order) for row in found.rows])
    total = [found.total.flows, found.total.packets, found.total.bytes]
    assert total == [len(drawn), *(sum(r[name] for r in drawn) for name in ("packets", "bytes"))]
    assert (found.keys, found.given_up, found.lacking) == (len(expected), 0, 0)


TRAFFIC = [
    record(
        src=ADDRESSES[i % 6],
        dst=ADDRESSES[(i // 2) % 6],
        protocol=(1, 6, 17, 256)[i % 4],
        tcp_flags=i,
        in_if=i % 3,
        out_if=i % 2,
        stream=i % 2,
        bytes=i * i,
    )
    for i in range(40)
]


@pytest.mark.parametrize("name", NAMES)
def test_each_key_by_itself(name):
    found = {row.values: row.bytes for row in ranked(TRAFFIC, [name], n=100).rows}
    assert found == {key: entry[2] for key, entry in by_loops(TRAFFIC, [name]).items()}


@settings(max_examples=20)
@given(records(), st.integers(1, 4), st.sampled_from(ORDERS))
def test_the_first_n_do_not_depend_on_the_order_of_records(drawn, n, order):
    some = ranked(drawn, ["srcip", "dstport"], order, n)
    assert some.rows == ranked(drawn, ["srcip", "dstport"], order, 1000).rows[:n]
    assert some.rows == ranked(drawn[::-1], ["srcip", "dstport"], order, n).rows


@pytest.mark.parametrize("order", ORDERS)
def test_too_many_keys_are_given_up_and_what_is_lacking_is_known(order):
    """A scan of 600 ports, and three hosts that send more with every turn of it."""
    made = []
    for port in range(1, 600):
        made.append(record(src="10.1.0.9", dst_port=port, bytes=40 + port % 3, packets=1))
        heavy = f"10.1.0.{port % 3}"
        made.append(record(src=heavy, dst_port=443, bytes=10_000 * (1 + port % 3), packets=20))
    expected = by_loops(made, ["srcip", "dstport"])
    found = ranked(made, ["srcip", "dstport"], order, 3, most=50)
    assert found.given_up > 400
    assert found.lacking > 0
    assert found.total.bytes == sum(r["bytes"] for r in made)
    for row in found.rows:
        true = expected[row.values]
        for i, name in enumerate(("flows", "packets", "bytes")):
            assert getattr(row, name) <= true[i]
            if name == order:
                assert getattr(row, name) + found.lacking >= true[i]
    if order in {"packets", "bytes"}:
        assert {row.values for row in found.rows} == {(f"10.1.0.{i}", 443) for i in range(3)}


def test_nothing_is_ranked_of_nothing():
    found = ranked([], ["ip"])
    assert (found.rows, found.total.flows, found.keys) == ([], 0, 0)


def test_an_end_that_a_record_lacks_is_unknown_and_in_no_network():
    lacking = record(src="ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", dst="2001:db8:1::1")
    (row,) = ranked([lacking], ["srcip", "srcnet"]).rows
    assert row.values == ("unknown", "unassigned")
