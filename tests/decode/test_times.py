"""When a flow began and ended, by every element that tells it."""

import pytest

from .test_records import hear
from .wire import NOW, UPTIME, Collector, data, ipfix, only, options_template, record, template

ENDS = [(8, 4), (12, 4)]
SECOND = 10**9
NTP = 2_208_988_800


def ntp(ns):
    """NTP's 64 bits for a time in ns."""
    seconds, rest = divmod(ns, SECOND)
    return (seconds + NTP << 32) + (rest << 32) // SECOND


def times(fields, *values, version=10, **header):
    _, flows = hear([*ENDS, *fields], [1, 2, *values], version=version, **header)
    return flows.start_ns[0] - NOW, flows.end_ns[0] - NOW, bool(flows.dated[0])


S, MS = NOW // SECOND, NOW // 10**6


@pytest.mark.parametrize(
    ("start", "end", "length", "values"),
    [
        (150, 151, 4, (S - 9, S - 4)),
        (152, 153, 8, (MS - 9_000, MS - 4_000)),
        (154, 155, 8, (ntp(NOW - 9 * SECOND), ntp(NOW - 4 * SECOND))),
        (156, 157, 8, (ntp(NOW - 9 * SECOND), ntp(NOW - 4 * SECOND))),
        (158, 159, 4, (9_000_000, 4_000_000)),
    ],
)
def test_absolute_times(start, end, length, values):
    fields = [(start, length), (end, length)]
    assert times(fields, *values) == (-9 * SECOND, -4 * SECOND, True)
    assert times(fields[:1], values[0]) == (-9 * SECOND, -9 * SECOND, True)
    assert times(fields[1:], values[1]) == (-4 * SECOND, -4 * SECOND, True)


def test_ntp_fractions():
    start, end, _ = times([(156, 8), (157, 8)], ntp(NOW + 123_456_789), ntp(NOW - 1))
    assert (start, end) == (123_456_789, -1)


def test_uptime_of_v9_and_its_wrap():
    fields = [(22, 4), (21, 4)]
    assert times(fields, UPTIME - 9_000, UPTIME - 4_000, version=9) == (
        -9 * SECOND,
        -4 * SECOND,
        True,
    )
    wrapped = times(fields, 2**32 - 1_000, 2_000, version=9, uptime=3_000)
    assert wrapped == (-4 * SECOND, -1 * SECOND, True)
    assert times(fields, 4_000, 5_000, version=9, uptime=3_000) == (SECOND, 2 * SECOND, True)
    assert times(fields, 0, 3_000, version=9, uptime=3_000) == (-3 * SECOND, 0, True)
    assert times(fields[1:], 2_000, version=9, uptime=3_000) == (-SECOND, -SECOND, True)


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([], []),
        ([(22, 4), (21, 4)], [0, 0]),
        ([(152, 8), (153, 8)], [0, 0]),
        ([(152, 8), (153, 8)], [2**64 - 1, 2**63]),
        ([(154, 8), (155, 8)], [0, 5]),
        ([(22, 4), (21, 4)], [5, 7]),
        ([(161, 4)], [5]),
    ],
)
def test_without_times_both_are_the_headers(fields, values):
    assert times(fields, *values) == (0, 0, False)


def test_uptime_in_ipfix_needs_the_time_of_start():
    fields = [(22, 4), (21, 4)]
    booted = MS - 10_000
    assert times([*fields, (160, 8)], 1_000, 6_000, booted) == (-9 * SECOND, -4 * SECOND, True)
    assert times([*fields, (160, 8)], 1_000, 6_000, 0) == (0, 0, False)
    collector = Collector()
    layout = [*ENDS, *fields]
    flow = data(256, record(layout, [1, 2, 1_000, 6_000]))
    options = record([(149, 4), (160, 8)], [7, booted])
    nothing = record([(149, 4), (160, 8)], [7, 0])
    flows = only(
        collector.hear(
            ipfix(template(256, layout), options_template(300, [(149, 4)], [(160, 8)]), flow),
            ipfix(data(300, options, nothing), flow),
        )
    )
    assert flows.dated.tolist() == [False, True]
    assert flows.start_ns[1] - NOW == -9 * SECOND


@pytest.mark.parametrize(("element", "lasted"), [(161, 5_000), (162, 5_000_000)])
def test_a_duration_tells_the_other_end(element, lasted):
    assert times([(152, 8), (element, 4)], MS - 9_000, lasted) == (-9 * SECOND, -4 * SECOND, True)
    assert times([(153, 8), (element, 4)], MS - 4_000, lasted) == (-9 * SECOND, -4 * SECOND, True)
    both = [(152, 8), (153, 8), (element, 4)]
    assert times(both, MS - 9_000, 0, lasted) == (-9 * SECOND, -4 * SECOND, True)


@pytest.mark.parametrize(
    ("element", "length", "value"),
    [
        (258, 8, MS - 4_000),
        (322, 4, S - 4),
        (323, 8, MS - 4_000),
        (324, 8, ntp(NOW - 4 * SECOND)),
        (325, 8, ntp(NOW - 4 * SECOND)),
    ],
)
def test_the_time_of_an_observation(element, length, value):
    assert times([(element, length)], value) == (-4 * SECOND, -4 * SECOND, True)
    assert times([(152, 8), (element, length)], MS - 9_000, value) == (
        -9 * SECOND,
        -4 * SECOND,
        True,
    )


def test_the_first_element_that_tells_a_time_counts():
    fields = [(150, 4), (152, 8), (153, 8)]
    assert times(fields, S - 9, 0, MS - 4_000) == (-9 * SECOND, -4 * SECOND, True)


def test_start_after_end_stays():
    assert times([(150, 4), (151, 4)], S + 9, S) == (9 * SECOND, 0, True)


def test_dated_is_told_by_record():
    _, flows = hear([*ENDS, (150, 4), (151, 4)], [1, 2, S - 1, S - 1], [1, 2, 0, 0], [1, 2, 0, S])
    assert flows.dated.tolist() == [True, False, True]
    assert (flows.start_ns - NOW).tolist() == [-SECOND, 0, 0]
