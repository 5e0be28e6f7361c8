"""SIGHUP while datagrams arrive: real processes, a real InfluxDB, every byte there once."""

import os
import random
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest
import yaml
from exporters.collecting import PATIENCE, collecting
from services import eventually

from .exporters import Exporters

GREEN = {"name": "Green", "prefixes": ["10.0.0.0/24"]}
LOW = {"name": "Low", "prefixes": ["10.0.0.0/29"]}
HIGH = {"name": "High", "prefixes": ["10.0.0.8/29"], "site": "hq"}
FAR = {"name": "Far", "prefixes": ["203.0.113.0/24"]}
CHOICES = ([GREEN], [LOW, GREEN], [HIGH, LOW], [FAR], [{**GREEN, "prefixes": ["10.0.0.0/30"]}])


SLOW = 4 * PATIENCE
"""Seconds for a worker to start or to reload where many tests run beside."""


class Site:
    """A running collector whose configuration can be rewritten."""

    def __init__(self, collector):
        self.collector = collector
        self.file = collector.log.with_name("flowsleuth.yaml")

    def rewrite(self, **settings):
        written = yaml.safe_load(self.file.read_text())
        self.file.write_text(yaml.safe_dump(written | settings))

    def hang_up(self, text="configuration read again", times=1):
        """Send SIGHUP, and wait until the log says so."""
        before = self.log.count(text)
        self.collector.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: self.log.count(text) >= before + times, SLOW), self.log

    @property
    def log(self):
        return self.collector.log.read_text()


@contextmanager
def sending(exporters):
    """Send all the time, from a thread of its own."""
    stopping = threading.Event()

    def send():
        while not stopping.wait(0.01):
            exporters.export()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.fixture
def site(influx_config, tmp_path):
    @contextmanager
    def run(workers=1, **settings):
        more = {"networks": [GREEN], **settings}
        with collecting(influx_config, tmp_path, "--workers", str(workers), **more) as collector:
            eventually(lambda: collector.log.read_text().count("listening on") >= workers, PATIENCE)
            yield Site(collector)

    return run


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_cost_no_byte_and_count_none_twice(site, workers):
    chosen = random.Random(workers).sample(CHOICES, 4)
    with site(workers) as run, Exporters(run.collector.port) as exporters:
        collector = run.collector
        exporters.announce()
        time.sleep(0.5)
        with sending(exporters):
            for networks in chosen:
                run.rewrite(networks=networks)
                run.hang_up(times=workers)
                time.sleep(0.7)
        collector.stop()
        assert exporters.datagrams > 1000
        assert collector.total("datagrams", "ingester") == exporters.datagrams
        assert collector.total("datagrams", "exporters") == exporters.datagrams
        assert collector.total("lost", "exporters") == 0
        assert collector.total("missing_template", "exporters") == 0
        assert collector.total("bytes", "profiles", "profile = 'all'") == exporters.bytes
        assert collector.total("flows", "profiles", "profile = 'all'") == exporters.flows
        inside = "direction != 'transit'"
        for name in ("bytes", "flows"):
            traffic = {
                row["network"]: row["n"]
                for row in collector.ask(
                    f'SELECT sum("{name}") AS n FROM "traffic" GROUP BY network'
                )
            }
            talkers = {
                row["network"]: row["n"]
                for row in collector.ask(
                    f'SELECT sum("{name}") AS n FROM {{detail}}"talkers" GROUP BY network'
                )
            }
            assert talkers == traffic
            # Only exporters' own 10.0.0.x is in a network here: each flow has one row.
            assert sum(traffic.values()) == getattr(exporters, name)
        assert collector.total("bytes", "traffic", inside) > 0
        # Datagrams wait in no queue for InfluxDB, and nothing was told by a traceback.
        assert "Traceback" not in run.log
        reloads = collector.ask("SELECT text FROM events WHERE kind = 'reload'")
        assert len(reloads) == len(chosen)
        assert all(len(row["text"]) <= 200 for row in reloads)


def test_a_network_that_changes_is_told_in_an_event(site):
    with site() as run:
        run.rewrite(networks=[{**GREEN, "prefixes": ["10.0.0.0/25"]}, FAR])
        run.hang_up()
        run.collector.stop()
        (event,) = run.collector.ask("SELECT text FROM events WHERE kind = 'networks'")
        assert event["text"].startswith("network Green: its prefixes changed")
    with site(networks=[GREEN, FAR]) as run:
        run.collector.stop()
        events = run.collector.ask("SELECT text FROM events WHERE kind = 'networks'")
        assert [event["text"].partition(":")[0] for event in events] == ["network Green"] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_configuration_is_one_line_and_changes_nothing(site, workers):
    with site(workers) as run, Exporters(run.collector.port) as exporters:
        exporters.announce()
        good = run.file.read_text()
        run.file.write_text("networks: [{name: Green, prefixes: [10.0.0.0/99]}]")
        run.hang_up("all stays as it was")
        exporters.export()
        run.collector.wait_for("bytes", exporters.bytes)
        (line,) = [line for line in run.log.splitlines() if "all stays as it was" in line]
        assert "networks[0].prefixes[0]: 10.0.0.0/99: allowed: " in line
        run.file.write_text(good)
        run.rewrite(share=0.5, window="5s")
        run.hang_up(times=workers)
        assert run.log.count("window: a change needs a restart; it stays as it was") == 1
        run.collector.stop()
        assert run.collector.total("bytes", where="network = 'Green'") == exporters.bytes
        assert run.collector.ask("SELECT text FROM events WHERE kind = 'networks'") == []


def test_a_worker_that_starts_after_a_reload_has_the_new_configuration(site):
    with site(2) as run, Exporters(run.collector.port) as exporters:
        run.rewrite(networks=[FAR, LOW, HIGH], window="10s")
        run.hang_up(times=2)
        pids = dict(re.findall(r"worker (\d) is process (\d+)", run.log))
        os.kill(int(pids["1"]), signal.SIGKILL)
        assert eventually(lambda: run.log.count("listening on") >= 3, SLOW)
        exporters.announce()
        exporters.export()
        run.collector.wait_for("bytes", exporters.bytes)
        run.collector.stop()
        rows = run.collector.ask('SELECT sum("bytes") AS n FROM traffic GROUP BY network')
        assert {row["network"] for row in rows} == {"Low", "High"}
        assert sum(row["n"] for row in rows) == exporters.bytes


def test_a_reload_takes_the_new_names_of_hosts_and_networks_of_a_file(site, tmp_path):
    (tmp_path / "hosts").write_text("10.0.0.2 old-name\n")
    (tmp_path / "n.csv").write_text("name,prefix\nGreen,10.0.0.0/24\n")
    files = {"hosts_file": "hosts", "networks_file": "n.csv", "networks": []}
    with site(**files) as run, Exporters(run.collector.port) as exporters:
        exporters.announce()
        (tmp_path / "hosts").write_text("10.0.0.2 new-name\n")
        (tmp_path / "n.csv").write_text("name;prefix;site\nGreen;10.0.0.0/24;hq\n")
        run.hang_up()
        exporters.export()
        run.collector.stop()
        hosts = run.collector.ask('SELECT count("bytes") FROM {detail}"hosts" GROUP BY host, site')
        assert "new-name" in {row["host"] for row in hosts}
        assert "old-name" not in {row["host"] for row in hosts}
        assert {row["site"] for row in hosts} == {"hq"}
