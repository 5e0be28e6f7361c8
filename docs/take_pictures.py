"""Takes the pictures of docs/images: each dashboard once, with the demo's two weeks.

    GRAFANA_HOME=/usr/share/grafana python docs/take_pictures.py [NAME …]

NAME: some only (wall, networks, …, mail). The mail is the one that tests/alerting/test_delivery.py
gets from a Grafana, as wide as a phone. It needs what the tests on a screen need: a Grafana
with its pages, an InfluxDB, chromium, and the dependency group `test`. The story is ten minutes old
in all of them, and what is normal is what the ingester would have computed from these two weeks.

`report` is the file that `flowsleuth hunt --html` writes: of these it needs chromium alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from grafana.screen import CHROMIUM, at_rest, chromium, published  # noqa: E402  below tests/
from grafana.world import DEMO_DAYS, STORY, demo_world  # noqa: E402
from hunt.demo_story import CAPTURE, CONFIG, write_story  # noqa: E402
from local_grafana import own_grafana  # noqa: E402
from services import drop, own_influxdb  # noqa: E402

IMAGES = ROOT / "docs" / "images"

WIDTH, TALL = 1600, 4000
SCREEN = {"width": 1920, "height": 1080}
"""Pixels; SCREEN is that of the Wall."""

BELOW = 12

NO_CLOCK = '[data-testid="data-testid TimePicker Open Button"] { visibility: hidden }'
"""What the button of the range says depends on how Grafana was built."""

CHOSEN = {
    "network": {"var-network": STORY["network"]},
    "hunt": {"var-direction": "out"} | {f"var-{name}": value for name, value in STORY.items()},
    "host": {"var-network": STORY["network"], "var-address": STORY["address"]},
}
"""What is chosen on each page: as if one had clicked there from the Wall."""

HOURS = {"networks": 3, "network": 2, "hunt": 1, "host": 3, "exporters": 1}

PHONE = (412, 915)
MAIL, REPORT = "mail", "report"

NAMES = ("wall", "networks", "network", "hunt", "host", "exporters", MAIL, REPORT)

REPORT_WIDTH = 900


def main(names: list[str]) -> None:
    """Take these pictures."""
    IMAGES.mkdir(exist_ok=True)
    for name, take in ((MAIL, _mail), (REPORT, _report)):
        if name in names:
            path = IMAGES / f"{name}.png"
            with tempfile.TemporaryDirectory() as folder:
                take(Path(folder), path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    if dashboards := [name for name in names if name not in (MAIL, REPORT)]:
        _dashboards(dashboards)


def _mail(folder: Path, path: Path) -> None:
    """Take the picture of what a phone shows of the mail that arrived."""
    test = ROOT / "tests" / "alerting" / "test_delivery.py"
    mail = folder / "mail.html"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", test, "-k", "the_mail"]
    subprocess.run(words, check=True, env=os.environ | {"FLOWSLEUTH_MAIL": str(mail)})  # noqa: S603
    with _plain_page(*PHONE) as page:
        page.goto(mail.as_uri())
        page.screenshot(path=path)


def _report(folder: Path, path: Path) -> None:
    """Take the picture of the hunt's report: its first finding."""
    write_story(folder)
    command = [sys.executable, "-m", "flowsleuth", "hunt", "-c", CONFIG, CAPTURE]
    subprocess.run([*command, "--html", "report.html"], cwd=folder, check=True)  # noqa: S603
    with _plain_page(REPORT_WIDTH, TALL) as page:
        page.goto((folder / "report.html").as_uri())
        first = page.locator("section").first.bounding_box()
        assert first is not None
        clip = {"x": 0, "y": 0, "width": REPORT_WIDTH, "height": first["y"] + first["height"]}
        page.screenshot(path=path, clip=clip)


@contextmanager
def _plain_page(width: int, height: int) -> Iterator[Page]:
    """Open a page of a browser for files, twice as fine as its pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=2)
        browser.close()


def _dashboards(names: list[str]) -> None:
    """Take the pictures of these dashboards."""
    with ExitStack() as stack:
        influxdb = stack.enter_context(own_influxdb())
        service = stack.enter_context(own_grafana())
        playwright = stack.enter_context(sync_playwright())
        page = stack.enter_context(chromium(playwright, service)).new_page()
        # The menu at the side is Grafana's, and takes room.
        page.add_init_script("localStorage.setItem('grafana.navigation.docked', 'false')")
        print("loading two weeks into InfluxDB", flush=True)
        world = demo_world(influxdb, days=DEMO_DAYS, as_live=True)
        stack.callback(drop, world.config)
        where = stack.enter_context(published(service, world.config))
        for name in names:
            began = time.monotonic()
            path = IMAGES / f"{name}.png"
            if name == "wall":
                page.set_viewport_size(SCREEN)
                page.goto(where.url(name, "kiosk=true"))
                at_rest(page)
                page.screenshot(path=path)
            else:
                page.set_viewport_size({"width": WIDTH, "height": TALL})
                span = {"from": f"now-{HOURS[name]}h", "to": "now"}
                page.goto(where.url(name, urlencode({**span, **CHOSEN.get(name, {})})))
                at_rest(page)
                page.screenshot(path=path, clip=_content(page), style=NO_CLOCK)
            size = path.stat().st_size
            print(f"{path.relative_to(ROOT)}: {size:,} bytes, {time.monotonic() - began:.0f} s")


def _content(page: Page) -> dict[str, float]:
    """Return the rectangle from the top of the page to the end of its last panel."""
    low = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.react-grid-item')]"
        ".map((item) => item.getBoundingClientRect().bottom))"
    )
    return {"x": 0, "y": 0, "width": WIDTH, "height": low + BELOW}


if __name__ == "__main__":
    main(sys.argv[1:] or list(NAMES))
