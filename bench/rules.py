"""What the alert rules cost InfluxDB: CPU seconds of an evaluation of each, and all together.

Against the database of bench/pages.py: a month of 40 networks, 100 000 series in the detail
measurements. A rule asks everything each time, whether it fires or not. Its answer to Grafana is
not counted: some thousand rows, tenths of a second.

    python bench/rules.py [--folder DIR]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pages
from pages import Browser

from flowsleuth.config import Influx
from flowsleuth.grafana.alerting.constants import Constants
from flowsleuth.grafana.alerting.rule import Ask, Rule
from flowsleuth.grafana.alerting.rules import rules
from flowsleuth.write import server

TURNS = 3


def queries(rule: Rule, at: int) -> list[str]:
    """Return what a rule asks at an instant (epoch seconds)."""
    constants = Constants()
    asked = []
    for node in rule.nodes:
        if isinstance(node, Ask):
            reach = node.span.json(constants)
            begin, end = ((at - reach[edge]) * 1000 for edge in ("from", "to"))
            span = f"time >= {begin}ms and time <= {end}ms"
            asked.append(constants.fill(node.text).replace("$timeFilter", span))
    return asked


def main() -> None:
    """Make the database, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=pages.FOLDER, help="where the data are, or come to be"
    )
    with pages.database(parser.parse_args().folder) as influxd:
        settings = Influx(url=influxd.url, database=pages.DATABASE)
        with server.connect(settings) as client:
            measure(
                lambda query: server.influxql(client, settings, query),
                Browser(influxd.port, influxd.pid).cpu_s,
            )


def measure(ask: Callable[[str], object], used_s: Callable[[], float]) -> None:
    """Print a row for each rule; used_s: the CPU seconds of influxd so far."""
    print("rule                           every s  queries   CPU s   wall s   % of a core")
    whole = 0.0
    for rule in rules():
        costs = []
        for _ in range(TURNS):
            asked = queries(rule, int(time.time()) // 10 * 10)
            cpu, began = used_s(), time.perf_counter()
            for query in asked:
                ask(query)
            costs.append((used_s() - cpu, time.perf_counter() - began))
        cpu_s, wall_s = min(cost[0] for cost in costs), min(cost[1] for cost in costs)
        whole += cpu_s / rule.every
        name = rule.uid.removeprefix("flowsleuth-")
        print(
            f"{name:30} {rule.every:7} {len(asked):8} {cpu_s:7.2f} {wall_s:8.2f} "
            f"{100 * cpu_s / rule.every:13.1f}",
            flush=True,
        )
    print(f"all: {100 * whole:.1f} % of a core")


if __name__ == "__main__":
    main()
