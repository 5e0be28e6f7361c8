"""How long the pages take, with a month of data and 100 000 series in the database.

Makes an InfluxDB of its own (pages_world.py says what is in it), fills in the variables of every
query as Grafana does, and asks what a browser asks for each page: its variables first, then each
panel's queries in turn, six panels at a time; also the annotations. Collapsed rows are not asked,
panels below the fold are. What Grafana and the browser do with the answers is not in it.

A row for each page and choice, a column for each range: seconds until the last answer came, and CPU
seconds of influxd, which a busy machine cannot lengthen much. The better of two turns counts: a
page that is looked at has been looked at before. Demanded are two seconds at 6 h and 24 h, at 14
and 30 days where a network, a port or an address is chosen. Exit status 1 where that is missed.

    python bench/pages.py [--folder DIR] [--page NAME] [-v]

Making the data takes five to ten minutes. They stay in a folder of the system's for temporary files
and are used again, with what has become past since then added.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pages_world
from pages_world import ADDRESS, AHEAD, CHOSEN, DAY, HOUR, PORT

from flowsleuth.config import Config
from flowsleuth.demo.influxd import LocalInfluxd, build_influxd, find_influxd
from flowsleuth.grafana.write import files
from flowsleuth.write.setup import prepare

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grafana.filling import Page, Window

Json = dict[str, Any]

DEMANDED_S = 2.0
CONNECTIONS = 6
"""Of a browser to one server."""

PAGE_PX, LEAST_INTERVAL_S = 1880, 15
"""Of a screen of 1920 pixels; and the data source's interval."""

RANGES = {"6 h": 6 * HOUR, "24 h": DAY, "14 d": 14 * DAY, "30 d": 30 * DAY}
NARROWED = frozenset({"14 d", "30 d"})
"""Where something must be chosen, or nothing is demanded."""

NETWORK = {"network": CHOSEN}
CHOICES = {
    "flowsleuth-networks": [{}, NETWORK],
    "flowsleuth-network": [NETWORK, NETWORK | {"port": PORT}, NETWORK | {"address": ADDRESS}],
    "flowsleuth-hunt": [NETWORK, NETWORK | {"port": PORT}, NETWORK | {"address": ADDRESS}],
    "flowsleuth-host": [NETWORK | {"address": ADDRESS}],
    "flowsleuth-exporters": [{}, {"exporter": "192.0.2.0"}],
}
"""What is chosen on a page; elsewhere nothing is."""

FIXED = {"flowsleuth-wall": ["6 h"]}
"""Pages that have a range of their own."""

ROUNDED_S = (
    (15, 22), (30, 45), (60, 75), (120, 225), (300, 450), (600, 750), (900, 1050), (1200, 1500),
    (1800, 2700), (3600, 5400), (7200, 9000), (10_800, 16_200), (21_600, 32_400),
)  # fmt: skip
"""Grafana's intervals, each with what it is no longer chosen for (rangeutil.ts, roundInterval)."""

DATABASE = "flowsleuth"


@dataclass(frozen=True)
class Asked:
    """What a page took: wall and CPU seconds; each query's seconds, title and text, falling."""

    wall: float
    cpu: float
    each: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True)
class Job:
    """The queries of one panel, which are asked one after the other, and its interval."""

    title: str
    queries: tuple[str, ...]
    interval_s: int = LEAST_INTERVAL_S


class Browser:
    """Asks an influxd as Grafana does for a page that somebody looks at."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid

    def open(self, page: Page, seconds: int) -> Asked:
        """Ask all that a page asks at a range that ends now."""
        end = time.time_ns()
        window = Window(end - seconds * 10**9, end)
        cpu, begun = self.cpu_s(), time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            asked = list(pool.map(lambda job: self._ask(page, job, window), variables(page)))
            page = replace(page, board=_with(page.board, _found(asked)))
            asked += list(
                pool.map(lambda job: self._ask(page, job, window), panels(page.board, seconds))
            )
        took = tuple(sorted((one for job, _ in asked for one in job), reverse=True))
        return Asked(time.perf_counter() - begun, self.cpu_s() - cpu, took)

    def _ask(
        self, page: Page, job: Job, window: Window
    ) -> tuple[list[tuple[float, str, str]], tuple[str, str]]:
        took, answer = [], ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        for query in job.queries:
            filled = page.fill(query, replace(window, interval_s=job.interval_s))
            begun = time.perf_counter()
            form = urlencode({"q": filled, "db": DATABASE, "epoch": "ms"})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/query", form, headers)
            answer = connection.getresponse().read().decode()
            if '"error"' in answer[:2000]:
                raise RuntimeError(f"{job.title}: {answer[:500]}: {filled}")
            took.append((time.perf_counter() - begun, job.title, filled))
        connection.close()
        return took, (job.title, answer)

    def cpu_s(self) -> float:
        """Return the CPU seconds that influxd has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def variables(page: Page) -> Iterator[Job]:
    """Yield what the variables ask; one whose value is chosen is asked all the same."""
    for variable in page.board["templating"]["list"]:
        if variable["type"] == "query":
            yield Job(f"variable {variable['name']}", (variable["query"],))


def _found(asked: list[tuple[Any, tuple[str, str]]]) -> dict[str, str]:
    """Return values of the hidden variables that no one chooses."""
    found = {}
    for _, (title, answer) in asked:
        name = title.removeprefix("variable ")
        if name == "lag" or name.startswith("leading"):
            rows = [
                str(row[-1])
                for series in json.loads(answer)["results"][0].get("series", [])
                for row in series["values"]
            ]
            found[name] = rows[0] if name == "lag" else f"({'|'.join(map(re.escape, rows))})"
    return found


def _with(board: Json, values: dict[str, str]) -> Json:
    """Return the board with values of hidden variables."""
    listed = [
        {**v, "allValue": values[v["name"]], "current": {"value": values[v["name"]]}}
        if v["name"] in values
        else v
        for v in board["templating"]["list"]
    ]
    return {**board, "templating": {"list": listed}}


def panels(board: Json, seconds: int) -> Iterator[Job]:
    """Yield what panels and annotations ask, but those of collapsed rows."""
    for note in board["annotations"]["list"]:
        if note.get("enable") and "target" in note:
            yield Job(f"annotation {note['name']}", (note["target"]["query"],), 300)
    for panel in board["panels"]:
        queries = [t["query"] for t in panel.get("targets", []) if "query" in t]
        if queries:
            points = panel.get("maxDataPoints") or PAGE_PX * panel["gridPos"]["w"] // 24
            yield Job(panel["title"], tuple(queries), interval(seconds, points))


def interval(seconds: int, points: int) -> int:
    """Return the seconds that Grafana takes for `$__interval`."""
    exact = seconds / points
    rounded = next((step for step, until in ROUNDED_S if exact < until), 43_200)
    return max(rounded, LEAST_INTERVAL_S)


def measure(browser: Browser, wanted: str, *, verbose: bool) -> list[str]:
    """Print a row for each page and choice; return the cells that took too long."""
    missed = []
    print(f"\n| page | chosen | {' | '.join(RANGES)} |\n|---|---|{'---|' * len(RANGES)}")
    for text in files().values():
        board = json.loads(text)
        name = board["uid"].removeprefix("flowsleuth-")
        for chosen in CHOICES.get(board["uid"], [{}]) if wanted in name else []:
            what = ", ".join(chosen) or "nothing"
            print(f"| {name.capitalize()} | {what} |", end="", flush=True)
            slowest = []
            for reach, seconds in RANGES.items():
                if reach not in FIXED.get(board["uid"], RANGES):
                    print(" |", end="")
                    continue
                turns = [browser.open(Page(board, chosen), seconds) for _ in range(2)]
                wall, cpu = (min(getattr(turn, of) for turn in turns) for of in ("wall", "cpu"))
                demanded = chosen or reach not in NARROWED
                is_slow = demanded and wall >= DEMANDED_S
                print(f" {wall:.1f} / {cpu:.1f}{'!' * is_slow} |", end="", flush=True)
                missed += [f"{name}, {what}, {reach}: {wall:.1f} s"] * is_slow
                slowest += [(reach, *one) for one in turns[1].each[:8]]
            print()
            for reach, took, title, query in slowest if verbose else []:
                print(f"    {reach}: {took:.2f} {title}: {' '.join(query.split())}")
    return missed


DAYS, SERIES = 30, 100_000


def main() -> None:
    """Make the database, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", default="", help="only pages with this in their names")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the data are, or come to be"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="the slowest queries, too")
    options = parser.parse_args()
    with database(options.folder) as influxd:
        print(f"seconds until the last answer / CPU seconds; !: not below {DEMANDED_S:.0f} s")
        browser = Browser(influxd.port, influxd.pid)
        missed = measure(browser, options.page, verbose=options.verbose)
    if missed:
        sys.exit(f"missed: {'; '.join(missed)}")
    print(f"all that is demanded takes less than {DEMANDED_S:.0f} s")


SPAN = "span.json"

FOLDER = Path(tempfile.gettempdir()) / "flowsleuth-bench-pages"


@contextmanager
def database(folder: Path) -> Iterator[LocalInfluxd]:
    """Run an InfluxDB with the month of data in `folder`, which is made or carried on to now."""
    # A month of real data has long been compacted.
    os.environ["INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION"] = "20s"
    os.environ["INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION"] = "10s"
    now = int(time.time()) // 60 * 60
    span = _written(folder)
    if span and span[1] < now - DAY:
        shutil.rmtree(folder)
        span = None
    folder.mkdir(parents=True, exist_ok=True)
    with LocalInfluxd(find_influxd() or build_influxd(print), folder) as influxd:
        if not span or span[1] < now + AHEAD // 3:
            span = _load(influxd, span, now + AHEAD)
            (folder / SPAN).write_text(json.dumps(span))
        print(f"data in {folder}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        yield influxd


def _written(folder: Path) -> tuple[int, int] | None:
    """Return from when to when there are data, in epoch seconds; None if there are none."""
    try:
        begin, end = json.loads((folder / SPAN).read_text())
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return begin, end


def _load(influxd: LocalInfluxd, known: tuple[int, int] | None, end: int) -> tuple[int, int]:
    """Write all the data, or what has become past; return from when to when there are some."""
    prepare(Config.model_validate({"influx": {"url": influxd.url, "database": DATABASE}}))
    begun = time.perf_counter()
    span = known or (end - DAYS * DAY + 2 * HOUR, end)
    more = (known[1], end) if known else span
    points = pages_world.load(influxd.port, DATABASE, SERIES, span, more)
    seconds = time.perf_counter() - begun
    print(f"{points:,} points over {(more[1] - more[0]) / DAY:.1f} days written in {seconds:.0f} s")
    for name, count in pages_world.measurements(pages_world.parts(SERIES)):
        print(f"    {name:14} {count:7,} series", flush=True)
    calm = 0
    while calm < 3:  # until all is compacted
        before = Browser(influxd.port, influxd.pid).cpu_s()
        time.sleep(10)
        calm = calm + 1 if Browser(influxd.port, influxd.pid).cpu_s() - before < 0.5 else 0
    return span[0], end


if __name__ == "__main__":
    main()
