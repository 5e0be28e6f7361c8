"""`collect --workers N` as real processes with a real InfluxDB: every byte there once."""

import json
import os
import re
import signal
import time

import psutil
import pytest
from exporters.collecting import PATIENCE, collecting
from services import eventually

from flowsleuth.receive.steering import worker_of

from .exporters import Exporters

GREEN = {"networks": [{"name": "Green", "prefixes": ["10.0.0.0/24"]}]}
MAX_WORKERS = 8


@pytest.fixture
def collect(influx_config, tmp_path):
    """`collect(workers)` runs it on one database and one state directory."""

    def run(workers, **settings):
        return collecting(influx_config, tmp_path, "--workers", str(workers), **GREEN | settings)

    return run


def processes(collector):
    """The process id that each worker has had, from the log, the last start last."""
    return re.findall(r"worker (\d) is process (\d+)", collector.log.read_text())


def until_logged(collector, text, times=1):
    assert eventually(lambda: collector.log.read_text().count(text) >= times, PATIENCE), (
        collector.log.read_text()
    )


def listening(collector, workers):
    """Wait until all workers receive: only to kill one that does."""
    until_logged(collector, "listening on", workers)


def has_templates(collector, name):
    path = collector.log.parent / "state" / f"{name}.state.json"
    return path.exists() and bool(json.loads(path.read_text())["decoder"]["sessions"])


def workers_of(collector, measurement, field, tag=None):
    """The workers that wrote a measurement, for each value of a tag: a timestamp tells them."""
    groups = f' GROUP BY "{tag}"' if tag else ""
    found = {}
    for row in collector.ask(f'SELECT "{field}" FROM "{measurement}"{groups}'):
        found.setdefault(row.get(tag), set()).add(row["time"] % MAX_WORKERS)
    return found


def test_every_byte_is_there_once_and_each_exporter_has_one_worker(collect):
    workers = 3
    with collect(workers) as collector, Exporters(collector.port) as exporters:
        exporters.announce()
        for _ in range(3):
            exporters.export()
            time.sleep(0.4)
        exporters.export()
        collector.stop()
        detail = '{detail}"talkers"'
        assert collector.total("bytes") == exporters.bytes
        assert collector.total("flows") == exporters.flows
        assert collector.ask(f'SELECT sum("bytes") AS n FROM {detail}')[0]["n"] == exporters.bytes
        assert collector.total("lost", "exporters") == 0
        assert collector.total("records", "exporters") == exporters.flows
        assert collector.total("datagrams", "ingester") == exporters.datagrams
        assert workers_of(collector, "exporters", "datagrams", "exporter") == {
            exporter.address: {worker_of(exporter.address, workers)} for exporter in exporters
        }
        assert workers_of(collector, "ingester", "datagrams") == {None: {0, 1, 2}}
        assert len(collector.ask('SELECT "text" FROM "events"')) == 2
        budget = 'SELECT "series_budget" FROM "ingester"'
        assert {row["series_budget"] for row in collector.ask(budget)} == {100_000 // workers}


def test_a_worker_that_is_killed_is_named_and_started_again(collect):
    with collect(2) as collector, Exporters(collector.port) as exporters:
        listening(collector, 2)
        exporters.announce()
        exporters.export()
        collector.wait_for("bytes", exporters.bytes)
        assert eventually(lambda: has_templates(collector, "main.w1"), PATIENCE)
        os.kill(int(dict(processes(collector))["1"]), signal.SIGKILL)
        until_logged(collector, "worker 1 was killed by SIGKILL; again in 1 s")
        exporters.export()  # no template: those of worker 1 wait in the kernel until it is back
        until_logged(collector, "is process", 3)
        collector.wait_for("bytes", exporters.bytes)
        collector.stop()
        assert collector.total("bytes") == exporters.bytes
        assert collector.total("flows") == exporters.flows
        assert [number for number, _ in processes(collector)] == ["0", "1", "1"]


def test_templates_follow_their_exporters_when_the_number_of_workers_changes(collect):
    sent = 0
    for workers in (1, 3):
        with collect(workers) as collector, Exporters(collector.port) as exporters:
            if not sent:
                exporters.announce()
            exporters.export()
            collector.stop()
            sent += exporters.bytes
            assert collector.total("bytes") == sent
    state = collector.log.parent / "state"
    assert sorted(path.name for path in state.iterdir()) == [
        *(f"main.w{worker}.state.json" for worker in range(3)),
        *(f"spool-main.w{worker}" for worker in range(3)),
    ]


def test_workers_whose_parent_is_killed_write_everything_and_end(collect):
    with collect(2) as collector, Exporters(collector.port) as exporters:
        listening(collector, 2)
        exporters.announce()
        exporters.export()
        numbers = [int(number) for _, number in processes(collector)]
        collector.process.kill()
        assert eventually(lambda: not any(map(psutil.pid_exists, numbers)), PATIENCE)
        assert collector.total("bytes") == exporters.bytes


def test_a_worker_that_cannot_start_is_one_line_and_stops_the_others(collect, tmp_path):
    (tmp_path / "state" / "spool-main.w0").mkdir(parents=True)
    (tmp_path / "state" / "spool-main.w1").write_text("a file where a folder should be")
    with collect(2) as collector:
        assert collector.process.wait(PATIENCE) == 1
        log = collector.log.read_text()
    assert "Traceback" not in log
    assert re.search(r"worker 1: .*spool-main.w1: File exists; state_dir must be", log)
    assert log.endswith("flowsleuth: worker 1 cannot start; its last line says why\n")
