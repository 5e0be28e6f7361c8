"""What an hourly computation of what is normal costs: a real InfluxDB with weeks of points.

NETWORKS networks x 3 directions x 6 protocols, a point each minute and series, which is the most
that can be: a quiet protocol has fewer. Printed are seconds and CPU of both sides, twice.

Loaded are the hours that will be asked for, and two around; `--whole` loads the other hours of the
four weeks as well (29 million points at 40 networks: a quarter of an hour on two busy cores).
`--days 7` is a network that learns.

    python bench/normal_cost.py [--networks 40] [--days 29] [--whole] [--hours 4] [--influxd FILE]
"""

import argparse
import time
from pathlib import Path

import numpy as np
import psutil

from flowsleuth.baseline import normal
from flowsleuth.baseline.clock import STEP_NS
from flowsleuth.baseline.history import History
from flowsleuth.config import Config
from flowsleuth.demo.influxd import LocalInfluxd, find_influxd
from flowsleuth.write import server, setup

DIRECTIONS = ("out", "in", "internal")
PROTOCOLS = ("tcp", "udp", "icmp", "esp", "gre", "ipv6-icmp")
HOUR_S, DAY_S = 3600, 86_400


def load(config: Config, networks: int, hours: list[int]) -> int:
    """Write the points of `hours` (epoch seconds), as collect would have; return how many."""
    tags = [
        f"traffic,network=net{n},direction={direction},protocol={protocol},ingester=main bytes="
        for n in range(networks)
        for direction in DIRECTIONS
        for protocol in PROTOCOLS
    ]
    random = np.random.default_rng(1)
    path = {"db": config.influx.database, "precision": "s"}
    api = "/write"
    if config.influx.org:
        path = {"org": config.influx.org, "bucket": config.influx.database, "precision": "s"}
        api = "/api/v2/write"
    written = 0
    with server.connect(config.influx) as client:
        for begin in hours:
            lines = []
            for at in range(begin, begin + HOUR_S, 60):
                sent = random.integers(10**5, 10**9, len(tags)).tolist()
                lines += [
                    f"{tag}{b}i,packets={b // 800}i,flows={b // 9000}i,redated_bytes=0i {at}"
                    for tag, b in zip(tags, sent, strict=True)
                ]
                lines.append(f"ingester,ingester=main datagrams=1000i {at}")
            body = "\n".join(lines).encode()
            status, _, said = server.request(client, "POST", api, path, body)
            if status != 204:
                raise SystemExit(f"InfluxDB does not take the points: {status}: {said[:200]}")
            written += len(lines)
    return written


def hours(until_s: int, days: int, ahead: int, *, whole: bool) -> list[int]:
    """Return the hours of the past that have points, epoch seconds, the oldest first."""
    if whole:
        return list(range(until_s - days * DAY_S, until_s, HOUR_S))
    return sorted(
        until_s - back * DAY_S + hour * HOUR_S
        for back in normal.DAYS
        for hour in range(-2, ahead + 2)
        if back < days
    )


def main() -> None:
    """Load, ask twice, print."""
    options = argparse.ArgumentParser(description="What does it cost to know what is normal?")
    options.add_argument("--days", type=int, default=29)
    options.add_argument("--whole", action="store_true")
    options.add_argument("--networks", type=int, default=40)
    options.add_argument("--hours", type=int, default=4)
    options.add_argument("--influxd", type=Path, default=find_influxd())
    given = options.parse_args()
    until_s = int(time.time()) // 3600 * 3600
    with LocalInfluxd(given.influxd) as local:
        settings = {"url": local.url, "token": local.token, "org": local.org}
        more = {"database": "cost", "timeout_s": 600}
        config = Config.model_validate({"influx": {**settings, **more}})
        setup.prepare(config)
        began = time.monotonic()
        loaded = hours(until_s, given.days, given.hours, whole=given.whole)
        count = load(config, given.networks, loaded)
        print(
            f"{count:,} points of {len(loaded)} hours in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        influxd = psutil.Process(local.pid)
        with server.connect(config.influx) as client:
            asked: list[float] = []

            def ask(statement: str) -> list[server.Series]:
                start = time.monotonic()
                found = server.influxql(client, config.influx, statement)
                asked.append(time.monotonic() - start)
                return found

            for run in ("first", "second"):
                asked.clear()
                start, mine, theirs = (time.monotonic(), time.process_time(), _cpu(influxd))
                told = normal.expect(History(ask), until_s * 10**9, hours=given.hours)
                took = time.monotonic() - start
                print(
                    f"{run} run, InfluxDB {local.kind}: {len(told.series)} series x "
                    f"{len(told.steps)} steps in {took:.1f} s: {len(asked)} queries took "
                    f"{sum(asked):.1f} s, the longest {max(asked):.1f} s; CPU: ours "
                    f"{time.process_time() - mine:.1f} s, InfluxDB's {_cpu(influxd) - theirs:.1f} s"
                )
                assert told.steps[0] == until_s * 10**9 // STEP_NS


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
