"""Flows per CPU second, from datagram bytes to finished line protocol, beside `netflow`'s decoding.

All measurements are on, with 50 networks, three protocols and random addresses, 20 000 flows a
second; windows close as they would in `collect`. The PyPI package `netflow` only decodes, in the
same process and turn by turn with ours, so that a slow moment of the machine slows both. Read the
ratio; the absolute figures belong to the machine.

    python bench/throughput.py [FLOWS]
"""

import sys
import time
from statistics import median

import netflow
from traffic import NETWORKS, batches

from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.config import Config
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.write.lines import encode

VERSIONS = {5: ("v5", 6), 9: ("v9", 20), 10: ("IPFIX", 40)}
"""Version → its name, and how many times the package's decoding ours must at least be."""

ROUNDS = 5
REFERENCE_FLOWS = {5: 100_000, 9: 40_000, 10: 15_000}
"""What the package decodes in a turn: about half a second's work each."""

CONFIG = Config.model_validate(
    {
        "networks": [
            {"name": f"net-{i}", "prefixes": [f"10.{i}.0.0/16"], "site": f"site-{i % 5}"}
            for i in range(NETWORKS)
        ]
    }
)


def ours(parts: list[Datagrams], config: Config = CONFIG) -> tuple[int, float]:
    """Flows and CPU seconds of the whole way; the lines are made and thrown away."""
    pipeline = Pipeline(config, {})
    began = time.process_time()
    closed = 0
    points = 0
    for part in parts:
        pipeline.feed(part)
        for table in pipeline.take_early():
            points += len(encode(table, {"ingester": "bench"}))
        until = (int(part.received_ns[-1]) - config.grace_ns) // config.window_ns
        if until > closed:
            closed = until
            for table in pipeline.flush(until, Stamp()):
                points += len(encode(table, {"ingester": "bench"}))
    for table in pipeline.finish(Stamp()):
        points += len(encode(table, {"ingester": "bench"}))
    return pipeline.records, time.process_time() - began


def reference(payloads: list[str]) -> tuple[int, float]:
    """Flows and CPU seconds of the package's decoding."""
    templates: dict[str, dict[int, object]] = {"netflow": {}, "ipfix": {}}
    began = time.process_time()
    count = sum(len(netflow.parse_packet(payload, templates).flows) for payload in payloads)
    return count, time.process_time() - began


def main() -> None:
    """Print a row for each version; exit status 1 where a ratio is missed."""
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 2_400_000
    missed = []
    print(f"{flows:,} flows of {flows / 20_000 / 60:.1f} minutes, median of {ROUNDS} rounds")
    print("           flowsleuth, whole way   netflow, decoding    ratio   (demanded)")
    for version, (name, demanded) in VERSIONS.items():
        parts = batches(version, flows)
        few = batches(version, REFERENCE_FLOWS[version])
        payloads = [part.payload(i).hex() for part in few for i in range(len(part))]
        rates, others = [], []
        for _ in range(ROUNDS):
            count, seconds = reference(payloads)
            others.append(count / seconds)
            count, seconds = ours(parts)
            rates.append(count / seconds)
        ratio = median(a / b for a, b in zip(rates, others, strict=True))
        print(
            f"{name:6}  {median(rates) / 1e6:12.2f} M flows/s"
            f"  {median(others) / 1e6:12.3f} M flows/s  {ratio:7.1f}   ({demanded})"
        )
        if ratio < demanded:
            missed.append(name)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
