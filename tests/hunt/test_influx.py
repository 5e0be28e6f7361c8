"""The hunt in InfluxDB finds what the hunt in the same capture finds."""

import json
import secrets
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import yaml
from acceptance.ingesting import Ingester
from services import drop

from flowsleuth.baseline.publisher import Server
from flowsleuth.cli.hunt import command
from flowsleuth.cli.identify import command as identify
from flowsleuth.config import Config
from flowsleuth.errors import InputError
from flowsleuth.hunt.hunting import hunt
from flowsleuth.hunt.points import PointsEvidence, Range, quoted
from flowsleuth.hunt.reading import settings
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read
from flowsleuth.write import setup
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode

from .demo_story import CAPTURE, CONFIG, TOLD, networks, write_story
from .made import BEGIN_NS, MINUTE, NETWORKS, UDP, Made, found
from .printed import printed
from .test_kinds import AT, KINDS, LENGTH, put_host, told


def load(config, batches):
    """Write the points of datagrams as `load` does."""
    pipeline = Pipeline(config, {})
    with InfluxWriter(config.influx, patient=True) as writer:
        for tables in file_points.points(pipeline, batches):
            for table in tables:
                writer.submit(table.measurement, encode(table, {"ingester": "main"}))
        writer.finish()
        assert writer.totals().points_refused == 0


def collect(config, batches):
    """Write the points as `collect` does: minute by minute as the datagrams arrive."""
    ingester = None
    with InfluxWriter(config.influx, patient=True) as writer:

        def write(lines):
            for measurement, mine in groupby(lines, lambda line: line.split(b",")[0].decode()):
                writer.submit(measurement, list(mine))

        for batch in batches:
            minutes = batch.received_ns // MINUTE
            ingester = ingester or Ingester(config, int(batch.received_ns[0]))
            for minute in np.unique(minutes).tolist():
                write(ingester.feed(_rows(batch, minutes == minute)))
                write(ingester.flush((minute + 1) * MINUTE))
            newest = int(batch.received_ns[-1])
        write(ingester.finish(newest + MINUTE))
        writer.finish()
        assert writer.totals().points_refused == 0


def _rows(batch, chosen):
    names = ("start", "length", "source", "received_ns")
    return replace(batch, **{name: getattr(batch, name)[chosen] for name in names})


@pytest.fixture
def site(influx_config):
    """The configuration of the small site, with a database of its own."""
    return influx_config.model_copy(
        update={"networks": Config.model_validate({"networks": NETWORKS}).networks,
                "timezone": "UTC"}
    )  # fmt: skip


def in_points(config, since_ns=None, until_ns=None, chosen=()):
    server = Server(config.influx)
    try:
        evidence = PointsEvidence(server.ask, config, Range(since_ns, until_ns), chosen)
        return hunt(evidence, settings(config))
    finally:
        server.close()


def alike(findings):
    """What two ways of looking must agree on."""
    return [(told(one), [(e.first, e.last, e.address, e.port) for e in one.earlier])
            for one in findings]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "ingest"),
    [*((kind, collect) for kind in [*KINDS, "none"]), ("host", load)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_kind_is_found_in_points_as_in_the_capture(site, kind, ingest):
    made = Made(minutes=180)
    if kind != "none":
        KINDS[kind][0](made)
    ingest(site, [made.batch()])
    in_capture = found(made, site)
    assert len(in_capture) == (kind != "none")
    assert alike(in_points(site)) == alike(in_capture)


def test_a_range_and_networks_are_chosen(site):
    made = Made(minutes=400)
    put_host(made)
    KINDS["flood"][0](made)
    load(site, [made.batch()])
    assert len(in_points(site)) == 2
    assert [told(one)[0] for one in in_points(site, chosen=["Blue"])] == ["flood"]
    after = BEGIN_NS + (AT + LENGTH + 10) * MINUTE
    assert in_points(site, since_ns=after) == []
    assert len(in_points(site, until_ns=after)) == 2


def test_no_points_is_one_line(site):
    with pytest.raises(InputError, match="no points of `traffic`"):
        in_points(site)


def test_names_are_quoted():
    assert quoted("O'Hara\\") == "'O\\'Hara\\\\'"


def test_identify_knows_what_the_points_know(site, tmp_path):
    made = Made(minutes=600)
    for minute in (60, 240, 420):
        made.talk("10.1.42.17", "198.18.7.7", minute, LENGTH, 60_000_000,
                  ports=(14857, 50_000), protocol=UDP)  # fmt: skip
    load(site, [made.batch()])
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump({
        "networks": NETWORKS, "timezone": "UTC", "services": {"14857/udp": "acme-sync"},
        "influx": site.influx.model_dump(mode="json", exclude_defaults=True),
    }))  # fmt: skip
    out = printed(identify, "-c", path, "10.1.42.17", "--port", "14857/udp")
    assert out.splitlines() == [
        "service      udp port 14857 (acme-sync): named in the configuration",
        "first seen   Mon 16 Nov 2026 09:00",
        "last seen    Mon 16 Nov 2026 15:19",
        "regularity   3 stretches, 20 min in the median, about every 3.0 h",
        (
            "out          udp, Green: 3.60 GB in 60 flow records, "
            "packets of 1000 bytes in the mean, up to 1 peers in a window"
        ),
        "peers        198.18.7.7                                 3.60 GB  100.0 %",
    ]
    out = printed(identify, "-c", path, "10.1.42.17", "--port", "9999")
    assert out.count("port 9999") == 2  # tcp and udp
    assert out.endswith("it was never among the largest of its network.\n")


@pytest.fixture(scope="module")
def story(tmp_path_factory, influxdb):
    """The demo's capture, as `load` writes it into a database of its own."""
    influx = influxdb.settings(database=f"test_{secrets.token_hex(6)}")
    folder = write_story(
        tmp_path_factory.mktemp("story"),
        TOLD,
        influx=influx.model_dump(mode="json", exclude_defaults=True),
    )
    config = Config(influx=influx, networks=networks())
    setup.prepare(config)
    load(config, read([str(folder / CAPTURE)], Sources()))
    yield folder
    drop(config)


@pytest.mark.timeout(600)  # with its fixture: some minutes where the machine is busy
def test_the_story_is_the_same_in_influxdb_as_in_its_file(story):
    """The contract's fields; bytes and shares up to what the talkers fold."""
    found = [
        json.loads(printed(command, "-c", story / CONFIG, "--json", *where))["findings"]
        for where in ([story / CAPTURE], ["--influx"])
    ]
    in_file, in_influx = found
    assert in_file[0]["address"] == "10.1.42.17"
    assert len(in_file) == len(in_influx) == 3
    names = ("network", "direction", "protocol", "address", "port", "kind", "start", "end", "bytes")
    for one, other in zip(in_file, in_influx, strict=True):
        assert {name: one[name] for name in names} == {name: other[name] for name in names}
        assert other["share"] == pytest.approx(one["share"], abs=0.02)
        assert other["expected_bytes"] == pytest.approx(one["expected_bytes"], rel=0.05)
        where = ("start", "end", "address", "network", "port")
        assert [[e[n] for n in where] for e in one["earlier"]] == [
            [e[n] for n in where] for e in other["earlier"]
        ]
