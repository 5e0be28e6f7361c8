"""What is usual, of one series: a daily rhythm of some days, with and without an anomaly."""

import numpy as np
import pytest

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.totals import Ints, stacked
from flowsleuth.hunt.usual import Grid, usual

MINUTE = 60_000_000_000
HOUR_M, DAY_M = 60, 1440
MONDAY = 20_703 * DAY_M
"""2026-09-07, in windows of a minute."""

OFFICE = (5, 4, 4, 4, 4, 6, 10, 30, 74, 100, 98, 95, 82, 88, 97, 93, 84, 60, 36, 20, 12, 9, 7, 6)
LEAST = 15_000_000
"""Bytes in a window: what a rise must come to."""


def rhythm(minutes: int, *, begins: int = 0) -> Ints:
    """An office's Mondays, bytes a minute, from `begins` minutes after a midnight."""
    minute = np.arange(begins, begins + minutes)
    level = np.interp(minute / HOUR_M % 24, np.arange(25), [*OFFICE, OFFICE[0]])
    noise = np.random.default_rng(7).normal(1, 0.1, minutes).clip(0.5)
    return (level * noise * 5_000_000).astype(np.int64)


def above(counts: Ints, begins: int = 0) -> set[int]:
    """Return the hours, from the first window on, that have something above."""
    first = MONDAY + begins
    watched = np.ones(len(counts), bool)
    found = {Series("Green", "in", "tcp"): np.stack([counts] * 3)}
    totals = stacked(found, MINUTE, first, first + len(counts), watched, (first, first + 10**6))
    return set((np.flatnonzero(usual(counts, Grid(totals), LEAST).above) // HOUR_M).tolist())


@pytest.mark.parametrize("days", [5, 9])
@pytest.mark.parametrize("minutes", [9 * HOUR_M, 11 * HOUR_M])
def test_a_capture_that_ends_in_the_morning_ends_as_other_days_begin(days, minutes):
    """The morning has one flank, the night, and comes to ten times that."""
    assert above(rhythm(days * DAY_M + minutes)) == set()


@pytest.mark.parametrize("days", [5, 9])
def test_a_capture_that_begins_in_the_evening_begins_as_other_days_end(days):
    assert above(rhythm(days * DAY_M, begins=17 * HOUR_M), 17 * HOUR_M) == set()


@pytest.mark.parametrize("days", [5, 9])
def test_an_anomaly_in_the_last_morning_is_more_than_other_mornings_have(days):
    counts = rhythm(days * DAY_M + 9 * HOUR_M)
    counts[-100:-70] *= 5
    found = above(counts)
    assert days * 24 + 7 in found
    assert found <= {days * 24 + 7, days * 24 + 8}, "it ends somewhere in the rising morning"


def test_of_a_single_night_and_morning_nobody_knows_better():
    """No other day is known: what is ten times what was before is above it."""
    assert above(rhythm(11 * HOUR_M))
