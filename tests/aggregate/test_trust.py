"""What is observed of exporters, against NumPy's own medians and percentiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.trust import COUNTERS, Percentile, Trust
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services

from .traffic import NOW, SECOND, flows_of, record

WINDOW = 60 * SECOND
FIRST = NOW // WINDOW
ENRICHER = Enricher(Networks([]), Services({}))


def hear(trust, datagrams, **counts):
    """Datagrams: (window after the first, stream, skew in ns)."""
    table = np.array(datagrams, np.int64).reshape(-1, 3)
    received = (FIRST + table[:, 0]) * WINDOW
    columns = {name: np.array(values, np.int64) for name, values in counts.items()}
    trust.datagrams(table[:, 1].astype(np.int32), received, received - table[:, 2], columns)


SKEWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-(10**13), 10**13)), max_size=40
)


@settings(max_examples=15)
@given(SKEWS, st.integers(0, 3))
def test_skews_are_medians_by_window_and_stream(datagrams, until):
    trust = Trust(WINDOW, 10)
    hear(trust, datagrams[: len(datagrams) // 2])
    hear(trust, datagrams[len(datagrams) // 2 :])
    seen = {}
    for upto in (FIRST + until, 2**60):
        windows, streams, sums, observed = trust.take_before(upto)
        for i, spot in enumerate(zip((windows - FIRST).tolist(), streams.tolist(), strict=True)):
            assert spot not in seen
            seen[spot] = sums[i, 0], observed.clock_skew_ms[i]
    expected = {}
    for window, stream in {(w, s) for w, s, _ in datagrams}:
        skews = [skew for w, s, skew in datagrams if (w, s) == (window, stream)]
        expected[window, stream] = len(skews), pytest.approx(np.median(skews) / 1e6)
    assert seen == expected


def test_counters_go_to_their_stream_and_strangers_count_nowhere():
    trust = Trust(WINDOW, 10)
    hear(trust, [(0, 0, 0), (0, -1, 0), (0, 1, 0)], lost=[3, 50, 4], records=[7, 50, 8])
    trust.note("implausible", np.array([1, 1], np.int32), np.array([NOW, NOW]))
    trust.note("implausible", np.zeros(0, np.int32), np.zeros(0, np.int64))
    _, streams, sums, _ = trust.take_before(2**60)
    rows = {s: dict(zip(COUNTERS, row, strict=True)) for s, row in zip(streams, sums, strict=True)}
    assert {s: (r["datagrams"], r["lost"], r["records"]) for s, r in rows.items()} == {
        0: (1, 3, 7),
        1: (1, 4, 8),
    }
    assert rows[1]["implausible"] == 2


@settings(max_examples=15)
@given(st.floats(0, 9), st.floats(0.1, 2), st.integers(20, 300), st.integers(0, 2**32))
def test_percentiles_are_right_within_five_percent(mean, sigma, count, seed):
    values = np.random.default_rng(seed).lognormal(mean, sigma, count).clip(0, 86_400)
    percentile = Percentile()
    half = count // 2
    for part in (values[:half], values[half:]):
        n = len(part)
        percentile.add(np.full(n, FIRST), np.zeros(n, np.int32), part)
    (got,) = percentile.take_before(FIRST + 1, np.array([FIRST]), np.array([0]))
    expected = np.percentile(values, 95, method="inverted_cdf")
    # Half a bin (of 1 + the value) and the rounding to tenths; far below 5 % from 4 s on.
    assert abs(got - expected) <= 0.022 * (1 + expected) + 0.051


def test_windows_and_streams_have_percentiles_of_their_own():
    percentile = Percentile()
    windows, streams = np.array([FIRST, FIRST, FIRST + 1]), np.array([0, 5, 0])
    for window, stream, seconds in zip(windows, streams, (10.0, 100.0, 1000.0), strict=True):
        column = np.full(50, stream, np.int32)
        percentile.add(np.full(50, window), column, np.full(50, seconds))
    got = percentile.take_before(FIRST + 2, windows, streams)
    assert got == pytest.approx([10, 100, 1000], rel=0.05)


def test_few_samples_keep_the_last_value():
    percentile = Percentile()

    def window(number, count, seconds):
        at = np.full(count, FIRST + number)
        percentile.add(at, np.zeros(count, np.int32), np.full(count, seconds))
        spot = np.array([FIRST + number]), np.array([0])
        return percentile.take_before(FIRST + number + 1, *spot)[0]

    assert np.isnan(window(0, 19, 500.0))
    assert window(1, 20, 60.0) == pytest.approx(60, rel=0.05)
    assert window(2, 19, 500.0) == pytest.approx(60, rel=0.05)
    assert window(3, 0, 0.0) == pytest.approx(60, rel=0.05)
    assert window(4, 20, 500.0) == pytest.approx(500, rel=0.05)


def test_lag_and_active_timeout_come_from_honest_records():
    """Lag: receipt minus start; timeout: of long flows only; neither of what has no own times."""
    trust = Trust(WINDOW, 10)
    hear(trust, [(0, 0, 0)])
    ago = [(300, 0)] * 40 + [(12, 10)] * 500
    enriched, _ = ENRICHER.enrich(
        flows_of([record(start_ns=NOW - a * SECOND, end_ns=NOW - b * SECOND) for a, b in ago]), {}
    )
    trust.observe(enriched)
    astray, _ = ENRICHER.enrich(flows_of([record(start_ns=NOW - 10**13)] * 500), {})
    astray.redated[:250] = True
    astray.dated[250:] = False
    trust.observe(astray)
    _, _, _, observed = trust.take_before(2**60)
    assert observed.export_lag_s == pytest.approx([300], rel=0.05)
    assert observed.active_timeout_s == pytest.approx([300], rel=0.05)


def test_many_records_are_sampled_and_their_counters_are_not():
    trust = Trust(WINDOW, 10)
    n = 20_000
    hear(trust, [(0, 0, 5_000_000)] * n)
    assert sum(len(part[0]) for part in trust._skews) < n
    _, _, sums, observed = trust.take_before(2**60)
    assert (sums[0, 0], observed.clock_skew_ms[0]) == (n, 5)
