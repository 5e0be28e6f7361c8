"""The dashboards on a screen: with a real Grafana and a real browser, which only clicks."""

import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from local_grafana import GrafanaService
from services import InfluxService, drop, unavailable

from flowsleuth.config import Config
from flowsleuth.grafana.culprits import LINES
from flowsleuth.write import setup
from grafana.screen import CHROMIUM, PANEL, Published, at_rest, chromium, faults, published
from grafana.world import EARLIER, LONG, STORY, World, many_networks

pytestmark = pytest.mark.timeout(900)

CLICKS = 4
WIDTHS = (1280, 1920, 3840)
TALL = 4000
"""So that all panels are in sight: what is not, Grafana does not load."""


@pytest.fixture(scope="session")
def browser(grafana: GrafanaService) -> Iterator[Any]:
    if not grafana.pages:
        unavailable("grafana", "it has no pages (public/build), only its API")
    if not CHROMIUM:
        unavailable("chromium", "not on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    with sync_api.sync_playwright() as playwright, chromium(playwright, grafana) as context:
        yield context


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def demo(grafana: GrafanaService, world: World) -> Iterator[Published]:
    with published(grafana, world.config) as where:
        yield where


@pytest.fixture(scope="module", params=[1, 40], ids=["1 network", "40 networks"])
def site(
    request: pytest.FixtureRequest, grafana: GrafanaService, influxdb: InfluxService
) -> Iterator[Published]:
    made = many_networks(influxdb, request.param)
    with published(grafana, made.config) as where:
        yield where
    drop(made.config)


def panel(page: Any, title: str) -> Any:
    return page.locator(PANEL).filter(has=page.get_by_text(re.compile(title))).first


def in_sight(page: Any, found: Any) -> bool:
    """Return whether all of an element lies on the screen."""
    box = found.bounding_box()
    size = page.viewport_size
    return (
        box is not None
        and box["y"] >= 0
        and box["y"] + box["height"] <= size["height"]
        and box["x"] + box["width"] <= size["width"]
    )


def test_from_the_wall_to_the_culprit_by_mouse(page: Any, demo: Published) -> None:
    page.goto(demo.url("wall", "kiosk"))
    at_rest(page)
    clicks = 0
    line = panel(page, "^Above normal").get_by_text(STORY["address"]).first
    line.click()
    clicks += 1
    page.wait_for_url(re.compile("-hunt"))
    at_rest(page)
    assert clicks <= CLICKS
    shown = page.locator("body").inner_text()
    for value in STORY.values():
        assert value in shown
    page.mouse.move(900, 600)
    page.mouse.wheel(0, 600)
    at_rest(page)
    earlier = panel(page, f"^Earlier occurrences of port {STORY['port']}")
    for address in (*EARLIER, STORY["address"]):
        found = earlier.get_by_text(address).first
        found.wait_for()
        assert in_sight(page, found)


def test_from_a_tile_to_the_culprit_by_mouse(page: Any, demo: Published) -> None:
    page.goto(demo.url("wall", "kiosk"))
    at_rest(page)
    panel(page, "^Networks: ").get_by_text(STORY["network"], exact=True).first.click()
    page.wait_for_url(re.compile("-network\\?"))
    at_rest(page)
    row = panel(page, "^Top talkers").get_by_role("row").filter(has_text=STORY["address"])
    row.get_by_text(STORY["port"], exact=True).first.click()
    page.wait_for_url(re.compile("-hunt"))
    at_rest(page)
    earlier = panel(page, f"^Earlier occurrences of port {STORY['port']}")
    for address in EARLIER:
        earlier.get_by_text(address).first.wait_for()
    earlier.get_by_role("columnheader", name="Hour").wait_for()


BOARDS = ("wall", "networks", "network", "hunt", "host", "exporters")

QUERIES = {
    "wall": "kiosk",
    "network": "var-network=Branch%20office%2001",
    "hunt": "var-network=Branch%20office%2001&var-port=14857&var-protocol=udp&var-direction=out",
    "host": "var-network=Branch%20office%2001&var-address=10.1.0.17",
}


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_is_cut_or_overlaps(page: Any, site: Published, name: str) -> None:
    found = []
    page.goto(site.url(name, QUERIES.get(name, "")))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1080 if name == "wall" else TALL})
        at_rest(page)
        found += [f"{width}: {fault}" for fault in faults(page)]
        if name == "wall" and width == 1920:
            low = page.evaluate("document.scrollingElement.scrollHeight")
            assert low <= 1080, "the Wall scrolls"
    assert not found, "\n".join(found)


def test_long_names_are_not_cut_on_the_wall(
    page: Any, grafana: GrafanaService, influxdb: InfluxService
) -> None:
    made = many_networks(influxdb, 40, LONG, loud=7)
    found = []
    with published(grafana, made.config) as where:
        page.goto(where.url("wall", "kiosk"))
        # On 1280 pixels five lines of very long names find no room: a link's values cannot be cut.
        for width in WIDTHS[1:]:
            page.set_viewport_size({"width": width, "height": 1080})
            at_rest(page)
            assert panel(page, "^Above normal").get_by_text("udp 14857").count() == LINES
            found += [f"{width}: {fault}" for fault in faults(page)]
    drop(made.config)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("loud", "words"),
    [(0, "Nothing above normal"), (None, "STALE: nothing was written for six hours")],
)
def test_the_wall_says_that_all_is_well_only_where_it_knows(
    page: Any, grafana: GrafanaService, influxdb: InfluxService, loud: int | None, words: str
) -> None:
    settings = influxdb.settings(database=f"test_{secrets.token_hex(6)}")
    config = Config.model_validate({"influx": settings})
    if loud is None:
        setup.prepare(config)
    else:
        config = many_networks(influxdb, 1, loud=loud).config
    with published(grafana, config) as where:
        page.goto(where.url("wall", "kiosk"))
        at_rest(page)
        lines = panel(page, "^Above normal").inner_text().splitlines()
    drop(config)
    assert [line for line in lines[1:] if line.strip()] == [words]


FULL = {
    "wall": "kiosk",
    "network": f"var-network={STORY['network']}",
    "hunt": "from=now-1h&to=now&" + "&".join(f"var-{k}={v}" for k, v in STORY.items()),
    "host": f"var-network={STORY['network']}&var-address={STORY['address']}",
}


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_data_where_there_are_data(page: Any, demo: Published, name: str) -> None:
    page.set_viewport_size({"width": 1920, "height": TALL})
    page.goto(demo.url(name, FULL.get(name, "")))
    at_rest(page)
    empty = [
        words.splitlines()[0]
        for words in (found.inner_text() for found in page.locator(PANEL).all())
        if re.search("no data", words, re.IGNORECASE)
    ]
    assert not empty
    assert not faults(page)


@pytest.mark.parametrize("name", ["hunt", "host"])
def test_the_last_weeks_are_there_when_a_click_has_fixed_the_window(
    page: Any, demo: Published, name: str
) -> None:
    end = time.time_ns() // 1_000_000
    page.set_viewport_size({"width": 1920, "height": TALL})
    query = FULL[name].replace("from=now-1h&to=now&", "")
    page.goto(demo.url(name, f"{query}&from={end - 3_600_000}&to={end}"))
    at_rest(page)
    assert page.get_by_text("Data outside time range").count() == 0


def test_faults_are_found(page: Any) -> None:
    def drawn(inside: str, box: str = "left: 0; width: 300px") -> str:
        return (
            f'<section data-testid="data-testid Panel header P" '
            f'style="position: absolute; top: 0; height: 100px; {box}">{inside}</section>'
        )

    cut = '<div style="width: 20px; overflow: hidden; white-space: nowrap">a long title</div>'
    badge = '<button data-testid="data-testid Panel status error">!</button>'
    for content, said in (
        (drawn("fine"), ""),
        (drawn(cut), "is cut"),
        (drawn(badge), "error badge"),
        (drawn("") + drawn("", "left: 200px; width: 300px"), "overlaps"),
        (drawn("", "left: 0; width: 3000px"), "scrolls sideways"),
        (drawn('<span style="position: absolute; top: 120px">low</span>'), "lies outside"),
    ):
        page.set_content(f"<!doctype html><body>{content}</body>")
        assert said in "\n".join(faults(page))
        assert bool(said) == bool(faults(page))
