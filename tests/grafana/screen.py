"""What a browser sees: Debian's chromium on dashboards that were put into Grafana for the test.

The dashboards get uids of the test's own, so that those of somebody's Grafana stay as they are.
"""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_grafana import GrafanaService

from flowsleuth.config import Config
from flowsleuth.grafana.write import files
from grafana.asking import data_source
from grafana.filling import Json

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""

QUIET_MS, LIMIT_MS = 1_000, 60_000
"""A page is at rest when no panel has been loading for so long; two busy cores take their time."""


@dataclass(frozen=True)
class Published:
    """Dashboards in a Grafana: where they are."""

    service: GrafanaService
    prefix: str

    def url(self, name: str, query: str = "") -> str:
        return f"{self.service.url.rstrip('/')}/d/{self.prefix}-{name}?{query}"


@contextmanager
def published(service: GrafanaService, config: Config) -> Iterator[Published]:
    """Put the dashboards into a folder of their own, on a database's own data source."""
    prefix = f"t{secrets.token_hex(4)}"
    with data_source(service, config) as source, service.client() as api:
        folder = api.folder.create_folder(f"FlowSleuth test {prefix}", uid=prefix)["uid"]
        try:
            for text in files().values():
                board = _renamed(text, prefix, source)
                api.dashboard.update_dashboard(
                    {"dashboard": board, "folderUid": folder, "overwrite": True}
                )
            yield Published(service, prefix)
        finally:
            api.folder.delete_folder(folder)


def _renamed(text: str, prefix: str, source: str) -> Json:
    board: Json = json.loads(
        text.replace('"uid": "flowsleuth-', f'"uid": "{prefix}-').replace(
            "/d/flowsleuth-", f"/d/{prefix}-"
        )
    )
    board["tags"] = [prefix]
    for link in board["links"]:
        if link["type"] == "dashboards":
            link["tags"] = [prefix]
    for variable in board["templating"]["list"]:
        if variable["name"] == "datasource":
            variable["current"] = {"text": source, "value": source}
    return board


@contextmanager
def chromium(playwright: Any, service: GrafanaService) -> Iterator[Any]:
    """A browser's window, signed in; time zone and language are set, so that texts are the same."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    try:
        context = browser.new_context(
            viewport={"width": 1920, "height": 1080},
            timezone_id="UTC",
            locale="en-US",
            reduced_motion="reduce",
            extra_http_headers={"Authorization": service.authorization},
        )
        context.set_default_timeout(LIMIT_MS)
        yield context
    finally:
        browser.close()


def at_rest(page: Any) -> None:
    """Wait until all panels in sight have loaded."""
    page.wait_for_selector(PANEL)
    page.wait_for_function(
        """([selector, quiet]) => {
            const busy = document.querySelector('[aria-label="Panel loading bar"], .panel-loading');
            const now = performance.now();
            if (busy || !document.querySelector(selector)) { window.restingSince = now; }
            window.restingSince ??= now;
            return now - window.restingSince > quiet;
        }""",
        arg=[PANEL, QUIET_MS],
        timeout=LIMIT_MS,
        polling=100,
    )
    page.evaluate("window.restingSince = undefined")


PANEL = '[data-testid^="data-testid Panel header"]'
"""A panel as a whole, by the name that Grafana's own tests give it since 9.4."""

FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")


def faults(page: Any) -> list[str]:
    """Return what is wrong with the page as it lies on the screen."""
    return list(page.evaluate(FAULTS))
