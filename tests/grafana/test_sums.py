"""One number of each panel is what the points say, summed without InfluxQL."""

import json
import time
from dataclasses import replace

import pytest

from flowsleuth.grafana.write import files
from grafana.asking import Asking
from grafana.filling import Json, Page, Window
from grafana.sums import SUMS, sum_of
from grafana.test_queries import CHOSEN, panels
from grafana.world import HOUR, MINUTE, SECOND, World

BOARDS = {board["uid"]: board for board in map(json.loads, files().values())}

ATTEMPTS = 5
"""What counts from now may meet the next minute between asking and answering."""


def with_numbers() -> dict[tuple[str, str], Json]:
    return {
        (uid, panel["title"]): panel for uid, board in BOARDS.items() for panel in panels(board)
    }


def test_every_panel_with_numbers_has_its_sum() -> None:
    titles = with_numbers()
    assert [key for key in titles if sum_of(*key) is None] == []
    listed = {(uid, title) for uid, sums in SUMS.items() for title in sums}
    assert listed - set(titles) == set()


@pytest.mark.parametrize(("uid", "title"), with_numbers())
def test_a_panels_number_is_the_sum_of_its_points(
    world: World, asking: Asking, uid: str, title: str
) -> None:
    check(world, asking, (uid, title), world.window)


RATES = [key for key in with_numbers() if (found := sum_of(*key)) and found.span == "rate"]


@pytest.mark.parametrize(("uid", "title"), RATES)
def test_a_rate_is_right_also_where_its_range_is_past(
    world: World, asking: Asking, uid: str, title: str
) -> None:
    # As where it took minutes from the page to the answer, or a spike of an hour ago is chosen.
    check(world, asking, (uid, title), replace(world.window, end_ns=world.now_ns - 10 * MINUTE))


def check(world: World, asking: Asking, key: tuple[str, str], window: Window) -> None:
    uid, _ = key
    panel, wanted = with_numbers()[key], sum_of(*key)
    assert wanted is not None, "sums.py does not say how its number follows from the points"
    page = Page(BOARDS[uid], CHOSEN.get(uid, [{}])[wanted.choice])
    asks = [t for t in panel["targets"] if t.get("rawQuery")]
    needed = [t for t in asks if t["refId"] == wanted.ref] if wanted.ref else asks[:1]
    assert needed, f"no query {wanted.ref}"
    for _ in range(ATTEMPTS):
        asked_ns = time.time_ns()
        rows = asking.answers(needed, page, window)[needed[0]["refId"]]
        expected = wanted.expected(world, page, window, asked_ns)
        if wanted.expected(world, page, window, time.time_ns()) == expected:
            break
    answered = wanted.answered(rows, window, asked_ns)
    assert expected, "no points: this says nothing"
    if not wanted.top:
        assert {k for k, v in answered.items() if v} == {k for k, v in expected.items() if v}
    largest = sorted(expected, key=lambda group: -expected[group])[: wanted.top or None]
    assert {g: answered.get(g) for g in largest} == pytest.approx({g: expected[g] for g in largest})


LENGTHS = [(6, 30), (6, 60), (24, 120), (14 * 24, 1800)]
"""Hours of a range, and seconds of the interval at which a page asks for it."""


@pytest.mark.parametrize(("hours", "interval_s"), LENGTHS)
def test_totals_are_right_at_every_length(
    world: World, asking: Asking, hours: int, interval_s: int
) -> None:
    uid, title = "flowsleuth-networks", "Top networks"
    window = Window(world.now_ns - hours * HOUR, world.now_ns, interval_s)
    page = Page(BOARDS[uid], {})
    wanted = SUMS[uid][title]
    rows = asking.answers(with_numbers()[uid, title]["targets"], page, window)["A"]
    expected = wanted.expected(world, page, window, world.now_ns)
    assert wanted.answered(rows, window, world.now_ns) == pytest.approx(expected)


@pytest.mark.parametrize(("hours", "interval_s"), LENGTHS)
def test_rates_are_right_at_every_length(
    world: World, asking: Asking, hours: int, interval_s: int
) -> None:
    uid, title = "flowsleuth-networks", "All networks: out above, in below"
    begin = world.now_ns - hours * HOUR
    window = Window(begin, world.now_ns, interval_s)
    targets = with_numbers()[uid, title]["targets"]
    rows = asking.answers(targets, Page(BOARDS[uid], {}), window)["A"]
    # What the left edge cuts, Grafana does not draw.
    green = [row for row in rows if row["network"] == "Green" and row["time"] >= begin]
    width = max(interval_s * SECOND, MINUTE)
    first, last = (edge(row["time"] for row in green) for edge in (min, max))
    assert world.now_ns - last < 2 * width + 200 * SECOND
    drawn = sum(row["value"] for row in green) * width / SECOND / 8
    points = world.points
    times, networks, ways = (
        points.times("traffic"),
        *(points.tag("traffic", name) for name in ("network", "direction")),
    )
    counted = (times >= first) & (times < last + width) & (networks == "Green") & (ways == "out")
    assert drawn == pytest.approx(points.values("traffic", "bytes")[counted].sum())
