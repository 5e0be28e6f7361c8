"""What the model says of pasts that are known exactly."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.baseline import normal
from flowsleuth.baseline.clock import DAY, HOUR, STEP_NS, STEP_S, WEEK, days_before
from flowsleuth.baseline.normal import Series, expect

BERLIN = ZoneInfo("Europe/Berlin")
GREEN, WHOLE = Series("Green", "out", "tcp"), Series("Green", "out", "all")
FLOOR = 10.0

Level = Callable[[np.ndarray], np.ndarray]
"""Bytes/s of the given steps."""


def step(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) // STEP_S


NOW = step("2026-02-25T10:00")
"""A Wednesday, months from any change of the clocks."""


class Known:
    """A past that is a function of time; `first` is when each network began."""

    def __init__(
        self,
        levels: Mapping[Series, Level],
        first: int = NOW - 5 * WEEK,
        gaps: Sequence[tuple[int, int]] = (),
        firsts: Mapping[str, int] | None = None,
    ) -> None:
        self.levels = dict(levels)
        for way in {one[:2] for one in levels}:
            mine = [level for one, level in levels.items() if one[:2] == way]
            self.levels[Series(*way, "all")] = lambda at, mine=mine: sum(
                level(at) for level in mine
            )
        self.first, self.gaps, self.firsts = first, gaps, firsts or {}

    def begun(self, until: int) -> dict[Series, int]:
        found = {one: self.firsts.get(one.network, self.first) for one in self.levels}
        return {one: at for one, at in found.items() if at < until}

    def rates(self, series: Sequence[Series], first: int, last: int) -> np.ndarray:
        steps = np.arange(first, last)
        out = np.array([self.levels[one](steps) for one in series], float)
        out[:, steps < self.first] = np.nan
        for begin, end in self.gaps:
            out[:, (steps >= begin) & (steps < end)] = np.nan
        return out

    def highest(
        self, series: Sequence[Series], first: int, last: int
    ) -> tuple[np.ndarray, np.ndarray]:
        found = self.rates(series, first, last)
        return np.nanmax(found, axis=1), np.nanmean(found, axis=1)

    def packet_sizes(self, series: Sequence[Series], first: int, last: int) -> np.ndarray:
        return np.full(len(series), 1000.0)


def tell(past: Known, now: int = NOW, one: Series = GREEN, **more: object) -> tuple:
    """Return (expected, upper) of one series, (m,) each."""
    floors = {"Green": FLOOR}
    told = expect(past, now * STEP_NS, **{"hours": 1, "floors": floors, "zone": BERLIN, **more})
    row = told.series.index(one)
    return told.expected[row], told.upper[row]


def flat(level: float = 1000.0) -> Level:
    return lambda at: np.full(len(at), level)


def noisy(seed: int = 1, level: float = 1000.0, sigma: float = 0.15) -> Level:
    random = np.random.default_rng(seed)
    noise = np.exp(sigma * random.standard_normal(8 * WEEK))
    return lambda at: level * noise[(at - NOW) % len(noise)]


def during(begin: int, end: int, extra: float, level: Level) -> Level:
    return lambda at: level(at) + extra * ((at >= begin) & (at < end))


def local_hours(at: np.ndarray) -> np.ndarray:
    moments = (datetime.fromtimestamp(int(s) * STEP_S, BERLIN) for s in at)
    return np.array([moment.hour + moment.minute / 60 for moment in moments])


def test_what_never_changes_is_expected():
    expected, upper = tell(Known({GREEN: flat()}))
    np.testing.assert_allclose(expected, 1000)
    np.testing.assert_allclose(upper, 1750)


def test_three_times_normal_is_above_and_noise_is_not():
    level = noisy()
    expected, upper = tell(Known({GREEN: level}), hours=12)
    assert abs(expected / 1000 - 1).max() < 0.1
    assert upper.max() < 3000
    assert (level(np.arange(NOW, NOW + 12 * HOUR)) < upper).all()


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 33 * DAY),
    st.lists(st.tuples(st.integers(1, 33 * DAY), st.integers(1, 6 * DAY)), max_size=4),
    st.floats(0, 1e9),
)
def test_what_is_known_is_never_nan_and_upper_leaves_room(
    seed: int, age: int, gaps: list[tuple[int, int]], floor: float
):
    level = noisy(seed, sigma=1.5)
    watched = lambda at: (at % 7 != 0) * level(at)  # noqa: E731
    spans = [(NOW - back, min(NOW - back + length, NOW - 1)) for back, length in gaps]
    past = Known({GREEN: watched, Series("Blue", "in", "udp"): level}, NOW - age, spans)
    told = expect(past, NOW * STEP_NS, hours=2, floors={"Green": floor, "Blue": floor})
    assert np.isfinite(told.expected).all()
    assert (told.expected >= 0).all()
    assert (told.upper >= told.expected + floor).all()


@pytest.mark.parametrize("week", [1, 2, 3, 4])
@pytest.mark.parametrize("hours", [1, 5])
def test_an_anomaly_of_one_week_is_not_learned(week: int, hours: int):
    begin = NOW - week * WEEK
    calm, after = noisy(), during(begin, begin + hours * HOUR, 20_000, noisy())
    before, now = tell(Known({GREEN: calm}))[1], tell(Known({GREEN: after}))[1]
    assert now.max() < 1.25 * before.max()


def test_an_anomaly_of_yesterday_is_not_learned():
    begin = NOW - DAY
    after = during(begin, begin + HOUR, 20_000, noisy())
    np.testing.assert_allclose(
        tell(Known({GREEN: after}))[1], tell(Known({GREEN: noisy()}))[1], rtol=0.25
    )


def test_of_two_known_weeks_the_other_days_tell_which_is_right():
    first = NOW - 2 * WEEK - DAY
    anomaly = during(NOW - WEEK, NOW - WEEK + HOUR, 20_000, flat())
    holiday = during(NOW - WEEK - DAY // 2, NOW - WEEK + DAY // 2, -800, flat())
    assert tell(Known({GREEN: anomaly}, first))[1].max() < 2500
    assert tell(Known({GREEN: holiday}, first))[1].min() > 1500


def test_a_holiday_does_not_spoil_what_is_normal():
    holiday = during(NOW - WEEK - DAY // 2, NOW - WEEK + DAY // 2, -800, noisy())
    expected, upper = tell(Known({GREEN: holiday}))
    assert abs(expected / 1000 - 1).max() < 0.1
    assert upper.min() > 1600


@pytest.mark.parametrize("weeks", [1, 2, 4])
@pytest.mark.parametrize("shift", [-6, 0, 6])
def test_a_backup_may_begin_half_an_hour_early_or_late(weeks: int, shift: int):
    length, random = 2 * HOUR, np.random.default_rng(3)
    shifts = {day: int(random.integers(-6, 7)) for day in range(-40, 1)} | {0: shift}

    def level(at: np.ndarray) -> np.ndarray:
        out = np.full(len(at), 1000.0)
        for day, by in shifts.items():
            begin = NOW + 2 * HOUR + day * DAY + by
            out[(at >= begin) & (at < begin + length)] = 20_000
        return out

    _, upper = tell(Known({GREEN: level}, NOW - weeks * WEEK - DAY), hours=6)
    assert (level(np.arange(NOW, NOW + 6 * HOUR)) < upper).all()
    assert upper[-1] < 3000


def test_a_new_nightly_job_is_known_on_its_third_night():
    above = []
    for night in range(1, 5):
        level = noisy()
        for back in range(1, night):
            level = during(NOW - back * DAY, NOW - back * DAY + HOUR, 20_000, level)
        above.append(bool((tell(Known({GREEN: level}))[1] < 21_000).any()))
    assert above == [True, True, False, False]


def test_a_new_level_is_known_on_its_third_day():
    tripled = [during(NOW - days * DAY, NOW, 3000, noisy()) for days in (1, 2)]
    assert tell(Known({GREEN: tripled[0]}))[1].max() < 4000
    assert tell(Known({GREEN: tripled[1]}))[1].min() > 4500


def test_mornings_rise_at_the_same_time_and_are_no_backup():
    def level(at: np.ndarray) -> np.ndarray:
        return 1000 * (1 + 4 * np.clip(local_hours(at) - 8, 0, 2))

    expected, upper = tell(Known({GREEN: level}), now=step("2026-02-25T09:00"))
    assert expected[0] == pytest.approx(5000, rel=0.1)
    assert upper[0] < 2.2 * expected[0]


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_the_rhythm_follows_the_clock_on_the_wall(change: str):
    def level(at: np.ndarray) -> np.ndarray:
        hours = local_hours(at)
        return np.where((hours >= 8) & (hours < 12), 5000.0, 1000.0)

    monday = step(change + "T10:00") + DAY
    past = Known({GREEN: level}, monday - 5 * WEEK)
    np.testing.assert_allclose(tell(past, now=monday - HOUR, hours=2)[0], 5000)
    np.testing.assert_allclose(tell(past, now=monday + 3 * HOUR + 1)[0][:-2], 1000)


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_what_began_before_the_clocks_changed_ends_by_the_old_clock(change: str):
    night = datetime.fromisoformat(change + "T01:00")
    nights = [step(str(night - timedelta(days=back))) for back in range(31)]

    def level(at: np.ndarray) -> np.ndarray:
        running = [(at >= begin) & (at < begin + 3 * HOUR) for begin in nights]
        return np.where(np.any(running, axis=0), 20_000.0, 1000.0)

    past = Known({GREEN: level}, nights[0] - 5 * WEEK)
    _, upper = tell(past, now=nights[0], hours=5)
    assert (level(np.arange(nights[0], nights[0] + 5 * HOUR)) < upper).all()


def test_an_ingester_that_was_down_is_not_silence():
    gaps = [(NOW - 2 * WEEK - DAY, NOW - 2 * WEEK + DAY), (NOW - WEEK - 3, NOW - WEEK + 20)]
    expected, upper = tell(Known({GREEN: flat()}, gaps=gaps))
    np.testing.assert_allclose(expected, 1000)
    np.testing.assert_allclose(upper, 1750)


def test_where_no_week_is_known_the_other_days_are_asked():
    gaps = [(NOW - week * WEEK - DAY // 2, NOW - week * WEEK + DAY // 2) for week in range(1, 6)]
    expected, upper = tell(Known({GREEN: flat()}, gaps=gaps))
    np.testing.assert_allclose(expected, 1000)
    np.testing.assert_allclose(upper, 1750)


def test_where_no_day_is_known_it_is_what_came_so_far():
    gaps = [(NOW - 5 * WEEK, NOW - 6)]
    expected, upper = tell(Known({GREEN: flat()}, gaps=gaps))
    np.testing.assert_allclose(expected, 1000)
    np.testing.assert_allclose(upper, 3000)


def test_less_than_a_week_is_learning():
    level = during(NOW - 30, NOW - 29, 500, flat())
    for age, learning in ((1, True), (WEEK - 1, True), (WEEK, False), (WEEK + 1, False)):
        told = expect(Known({GREEN: level}, NOW - age), NOW * STEP_NS, zone=BERLIN)
        assert told.learning.all() == told.learning.any() == learning
    _, upper = tell(Known({GREEN: level}, NOW - DAY))
    np.testing.assert_allclose(upper, 4500)


def test_installed_on_a_friday_it_is_quiet_on_monday():
    def level(at: np.ndarray) -> np.ndarray:
        weekday = np.array([datetime.fromtimestamp(int(s) * STEP_S, BERLIN).weekday() for s in at])
        working = (local_hours(at) >= 8) & (local_hours(at) < 17) & (weekday < 5)
        return np.where(working, 1000.0, 100.0)

    monday = step("2026-02-23T08:00")
    for afternoon in ("14:00", "16:30"):
        past = Known({GREEN: level}, step(f"2026-02-20T{afternoon}"))
        assert tell(past, now=monday)[1].min() > 2000


def test_a_new_network_learns_alone_and_a_new_protocol_does_not():
    levels = {
        GREEN: flat(),
        GREEN._replace(protocol="udp"): flat(0),
        Series("New", "in", "tcp"): flat(),
    }
    told = expect(Known(levels, firsts={"New": NOW - DAY}), NOW * STEP_NS, floors={"Green": FLOOR})
    by_network = {
        one.network: bool(learns) for one, learns in zip(told.series, told.learning, strict=True)
    }
    assert by_network == {"Green": False, "New": True}


def test_a_changed_network_learns_anew():
    level = during(NOW - 5 * WEEK, NOW - DAY, 9000, flat())
    past = Known({GREEN: level, Series("Blue", "in", "udp"): flat()})
    since = {"Green": (NOW - DAY) * STEP_NS + 1}
    told = expect(past, NOW * STEP_NS, since=since)
    learning = {
        one.network: bool(learns) for one, learns in zip(told.series, told.learning, strict=True)
    }
    assert learning == {"Green": True, "Blue": False}
    assert tell(past, since=since)[1].max() == 3000
    changed_just_now = expect(past, NOW * STEP_NS, since={"Green": NOW * STEP_NS + 1})
    assert {one.network for one in changed_just_now.series} == {"Blue"}


def test_silence_that_was_watched_is_zero():
    rare = during(NOW - 3 * WEEK - 40, NOW - 3 * WEEK - 39, 10**6, flat(0))
    expected, upper = tell(Known({GREEN: rare}))
    np.testing.assert_array_equal(expected, 0)
    np.testing.assert_array_equal(upper, FLOOR)


def test_without_a_floor_there_is_one():
    _, upper = tell(Known({GREEN: flat(0)}), floors={})
    np.testing.assert_array_equal(upper, normal.FLOOR)


def test_the_noise_of_sampling_leaves_room():
    _, upper = tell(Known({GREEN: flat()}), intervals={"Green": 1000.0})
    noise = np.sqrt(1000 * STEP_S * 1000 * 1000) / STEP_S
    assert upper.min() == pytest.approx(1000 + 3 * noise)


def test_what_is_small_beside_the_whole_is_not_worth_a_word():
    icmp = GREEN._replace(protocol="icmp")
    past = Known({GREEN: flat(100_000), icmp: flat(10)})
    assert tell(past, one=icmp)[1].min() == pytest.approx(10 + 0.05 * 100_010)


def test_bursts_that_come_on_several_days_are_normal():
    level = flat(100)
    for back in (2, 5, 9):
        level = during(NOW - back * DAY + 3, NOW - back * DAY + 6, 2000, level)
    assert tell(Known({GREEN: level}))[1].min() > 2100


def test_nothing_is_remembered():
    past = Known({GREEN: noisy()})
    first = tell(past)
    tell(past, now=NOW - 3 * HOUR)
    np.testing.assert_array_equal(first, tell(past))


def test_nobody_seen_is_nothing_told():
    told = expect(Known({}), NOW * STEP_NS)
    assert told.series == ()
    assert told.upper.shape == (0, 2 * HOUR)


def test_a_generated_site_in_small():
    """The whole proof is `python bench/normal.py --seeds 10`."""
    bench = Path(__file__).resolve().parents[2] / "bench" / "normal.py"
    done = subprocess.run(
        [sys.executable, bench, "--networks", "4", "--anomalies", "20", "--seed", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_days_are_counted_on_the_wall():
    now = np.array([step("2026-03-30T09:00"), step("2026-03-30T02:30")])
    assert days_before(now, (1, 2), BERLIN).tolist() == [
        [step("2026-03-29T09:00"), step("2026-03-29T03:30")],
        [step("2026-03-28T09:00"), step("2026-03-28T02:30")],
    ]
    assert days_before(now, (1,), UTC).tolist() == [(now - DAY).tolist()]
    assert days_before(now[:1], (2,), BERLIN, behind=2 * DAY)[0, 0] == now[0] - 2 * DAY


def test_without_a_zone_it_is_the_machine_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = np.arange(step("2026-03-29T00:00"), step("2026-03-30T12:00"), 3)
        days = (1, 2, 7)
        np.testing.assert_array_equal(days_before(now, days, None), days_before(now, days, BERLIN))
    finally:
        monkeypatch.undo()
        time.tzset()
