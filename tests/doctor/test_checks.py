"""The checks beside the twelve: each kind in the table is found by one test or another."""

import json
import re
import time

import pytest
from health.showing import slate
from services import drop

from flowsleuth.cli.doctor import command
from flowsleuth.config import Config
from flowsleuth.config.units import DAY
from flowsleuth.doctor import arriving, host, kinds, traffic
from flowsleuth.doctor import influxdb as checks
from flowsleuth.doctor.arriving import Arrival, Running
from flowsleuth.doctor.kinds import KINDS, SYMPTOMS, Level
from flowsleuth.doctor.traffic import Traffic
from flowsleuth.health.server import serving
from flowsleuth.schema import BY_NAME
from flowsleuth.write import server
from flowsleuth.write.influx import Standing

from .site import Exporter


def names(found):
    return {f.kind.name for f in found if f.kind is not None}


def test_every_kind_has_a_symptom_and_a_name_of_its_own():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert {kind.symptom for kind in KINDS} == set(SYMPTOMS)
    assert all(re.fullmatch(r"[a-z-]+", kind.name) for kind in KINDS)


# what arrives


@pytest.fixture
def taken(site):
    """The site's port, which somebody else has."""
    other = arriving.UdpReceiver([("127.0.0.1", site.port)], arriving.Sources())
    other.start()
    yield
    other.stop()


def test_a_port_that_is_taken_is_no_silence(site, taken):
    assert site.names(seconds=0.2) == {"port-taken"}


@pytest.fixture
def collect(site, monkeypatch, caplog):
    """`collect(**totals)`: it runs, and its counters move while doctor waits."""
    servers = []

    def start(rise=100, writing=Standing.TAKEN, **totals):
        shown = slate(writing=writing, **totals)
        site.settings["health"] = "127.0.0.1:0"
        caplog.set_level("INFO")
        servers.append(serving(site.config, [shown]))
        servers[-1].__enter__()
        port = re.findall(r"http://127.0.0.1:(\d+)/healthz", caplog.text)[-1]
        site.settings["health"] = f"127.0.0.1:{port}"

        def moves(seconds):
            later = shown.totals()
            later["datagrams"] += rise
            later["unlisted"] += totals.get("unlisted", 0)
            shown.show(later, 1, writing)

        monkeypatch.setattr(arriving.time, "sleep", moves)

    yield start
    for running in servers:
        running.__exit__(None, None, None)


def series(name, rows, **tags):
    """What InfluxDB answers: one series with these rows as dictionaries."""
    columns = list(rows[0])
    return {
        "name": name,
        "tags": tags,
        "columns": columns,
        "values": [[row[c] for c in columns] for row in rows],
    }


def stream(**fields):
    """A stream that is well, but for these fields."""
    well = dict.fromkeys((f.name for f in BY_NAME["exporters"].fields), 0)
    well |= {"records": 1000, "sampling_state": 0, "networks": "[]", "time": 0}
    return well | fields


def test_a_running_collect_is_asked_and_the_rest_is_asked_of_influxdb(site, collect):
    collect(receive_buffer=64.0 * 1024)
    site.influx.rows = {
        'FROM "ingester"': [series("ingester", [{"time": time.time_ns(), "last": 7, "n": 0}])],
        'FROM "exporters"': [
            series("exporters", [stream()], exporter="core-1", domain="0", version="v9"),
            series("exporters", [stream(lost=50)], exporter="core-2", domain="0", version="v9"),
        ],
        'FROM "traffic"': [series("traffic", [{"time": 0, "bytes": 10}], network="Green")],
    }
    found = site.findings()
    assert names(f for f in found if f.level is Level.WRONG) == {"loss"}
    said = "\n".join(f.said for f in found)
    assert "100 datagrams in 0.8 s" in said
    assert "receive buffer of 64 KiB" in said
    assert "core-2: sequence numbers miss 50 beside 1000 records received in the last hour" in said
    assert "1 of 2 exporters send as they should" in said


@pytest.mark.parametrize(
    ("totals", "name"),
    [
        ({"rise": 0}, "no-datagrams"),
        ({"unlisted": 5.0}, "unlisted"),
        ({"writing": Standing.WAITING}, "not-alive"),
        ({"receive_buffer": 4096.0}, "buffer"),
    ],
)
def test_what_a_running_collect_says(site, collect, totals, name):
    collect(**totals)
    site.influx.rows = {'FROM "ingester"': [series("ingester", [{"time": time.time_ns(), "n": 0}])]}
    assert name in names(site.findings(seconds=0.1))


@pytest.mark.parametrize("last", [None, 3600])
def test_points_that_do_not_come_are_stale(site, collect, last):
    collect()
    rows = [] if last is None else [{"time": time.time_ns() - last * 10**9, "last": 1, "n": 0}]
    site.influx.rows = {'FROM "ingester"': [series("ingester", rows)] if rows else []}
    found = [f for f in site.findings(0.1) if f.kind is kinds.STALE]
    assert len(found) == 1
    assert ("no point of" in found[0].said) == (last is None)


def test_what_the_kernel_dropped_is_counted(site, collect):
    collect(receive_buffer=64.0 * 1024)
    site.influx.rows = {
        'FROM "ingester"': [series("ingester", [{"time": time.time_ns(), "n": 12}])]
    }
    assert "kernel-drops" in names(site.findings(0.1))


def test_what_the_kernel_would_give_is_read_where_nobody_listens(monkeypatch, tmp_path):
    (tmp_path / "rmem").write_text("4096\n")
    monkeypatch.setattr(host, "RMEM_MAX", tmp_path / "rmem")
    (finding,) = host.check(Config(), Arrival(1.0), 0)
    assert finding.kind is kinds.BUFFER
    monkeypatch.setattr(host, "RMEM_MAX", tmp_path / "none")
    assert list(host.check(Config(), Arrival(1.0), 0)) == []


def test_a_wildcard_address_is_asked_at_the_loopback():
    config = Config.model_validate({"health": "0.0.0.0:9"})
    assert arriving.metrics(config.health) is None
    assert arriving.metrics(None) is None


def test_counters_never_move_backwards():
    restarted = Running({"flowsleuth_datagrams_total": 9.0}, {"flowsleuth_datagrams_total": 2.0})
    assert restarted.moved("datagrams") == 0


# exporters and networks


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"template_wait": 3}, "templates"),
        ({"missing_template": 3}, "templates"),
        ({"duplicate_share": 0.5}, "duplicates"),
        ({"silent_s": 900}, "silent"),
        ({"lost": 50}, "loss"),
        ({"clock_skew_ms": -200_000}, "clock"),
        ({"clock_skew_ms": None, "silent_s": None, "active_timeout_s": None}, None),
    ],
)
def test_exporters_are_judged(fields, name):
    row = stream(**fields) | {"exporter": "core-1"}
    found = list(traffic.judge(Config(), Traffic("an hour", [row])))
    assert names(found) == ({name} if name else set())
    assert all("core-1" in f.said for f in found if f.kind is not None)


def test_a_clock_that_is_off_for_everybody_may_be_ours():
    rows = [stream(clock_skew_ms=7_200_000) | {"exporter": name} for name in "ab"]
    found = [f for f in traffic.judge(Config(), Traffic("", rows)) if f.kind is kinds.CLOCK]
    assert len(found) == 2
    assert all("this machine's" in f.said and "set-ntp" in f.mend[0] for f in found)


def test_an_exporter_is_named_and_its_address_is_in_the_remedy():
    config = Config.model_validate({"exporters": {"192.0.2.1": {"name": "core-1"}}})
    row = stream(sampling_state=2) | {"exporter": "core-1"}
    (finding, *_) = traffic.judge(config, Traffic("", [row]))
    assert finding.said.startswith("core-1 samples")
    assert "{192.0.2.1: {sampling: N}}" in finding.mend[0]


@pytest.mark.parametrize(
    ("carried", "found"),
    [
        ({"Green": 10, "Blue": 10}, set()),
        ({"Green": 10, "unassigned": 5}, {"network-empty"}),
        ({"Green": 10, "Blue": 1, "unassigned": 90}, {"unassigned"}),
        ({"unassigned": 90}, {"networks-without-match"}),
        ({}, set()),
    ],
)
def test_networks_are_judged_by_what_they_carry(carried, found):
    prefixes = {"Green": ["10.1.0.0/16"], "Blue": ["10.2.0.0/16"]}
    config = Config.model_validate(
        {"networks": [{"name": n, "prefixes": p} for n, p in prefixes.items()]}
    )
    row = stream() | {"exporter": "a"}
    assert names(traffic.judge(config, Traffic("", [row], carried))) == found


# InfluxDB


def test_an_influxdb_that_is_away_is_one_finding(site):
    site.settings["influx"] = {"url": "http://127.0.0.1:9", "timeout_s": 2}
    assert names(checks.check(site.config)) == {"influxdb-away"}


@pytest.mark.parametrize("org", ["", "another"])
def test_an_organisation_that_is_missing_or_wrong(site, org):
    site.settings["influx"] = site.settings["influx"] | {"org": org}
    assert "organisation" in names(checks.check(site.config))


def test_a_token_that_may_only_read(site):
    site.influx.writable = False
    assert names(checks.check(site.config)) == {"token-refused"}


def test_a_real_1_8_that_is_well_and_one_that_lacks_things(influx_config, influxdb):
    if influxdb.kind != "1.8":
        pytest.skip("left out: this InfluxDB is no 1.8")
    assert names(checks.check(influx_config)) == set()
    settings = influx_config.influx
    five_days = influx_config.retention.model_copy(update={"detail_ns": 5 * DAY})
    longer = influx_config.model_copy(update={"retention": five_days})
    (finding,) = (f for f in checks.check(longer) if f.kind is not None)
    assert finding.kind is kinds.RETENTION_DIFFERS
    assert "kept for 720h0m0s, and retention.detail is 5d" in finding.said
    with server.connect(settings) as client:
        altered = re.search(r"'(ALTER [^']*)'", finding.mend[0])[1]
        server.influxql(client, settings, altered)
        assert names(checks.check(longer)) == set()
        server.influxql(
            client, settings, f'DROP RETENTION POLICY "detail" ON "{settings.database}"'
        )
        (finding,) = (f for f in checks.check(influx_config) if f.kind is not None)
        assert finding.kind is kinds.RETENTION_MISSING
        server.influxql(client, settings, re.search(r"'(CREATE [^']*)'", finding.mend[0])[1])
        assert names(checks.check(influx_config)) == set()
        drop(influx_config)
        (finding,) = (f for f in checks.check(influx_config) if f.kind is not None)
        assert finding.kind is kinds.DATABASE_MISSING
        server.influxql(client, settings, re.search(r"'(CREATE [^']*)'", finding.mend[0])[1])
    assert names(checks.check(influx_config)) == {"retention-missing"}


# Grafana


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"source": False}, "data-source-missing"),
        ({"source_says": "ERROR"}, "data-source-fails"),
        ({"there": False}, "dashboards-missing"),
        ({"rules": False}, "rules-missing"),
        ({"failing": "connection refused"}, "rules-fail"),
    ],
)
def test_grafana_is_looked_at(site, fault, name):
    for knob, value in fault.items():
        setattr(site.grafana, knob, value)
    found = [f for f in site.findings(0.1) if f.kind is not None and f.kind.name == name]
    assert len(found) == 1
    assert found[0].mend[0].startswith("flowsleuth provision --grafana http://127.0.0.1:")


def test_a_grafana_that_is_away_or_unnamed(site, monkeypatch):
    for variable in ("GRAFANA_URL", "GRAFANA_TOKEN", "GRAFANA_USER"):
        monkeypatch.delenv(variable, raising=False)
    site.settings["grafana"] = {"url": "http://127.0.0.1:9", "token": "g", "timeout_s": 2}
    assert "grafana-away" in names(site.findings(0.1))
    site.settings["grafana"] = {}
    assert "grafana-unknown" in names(site.findings(0.1))


# the command


def test_the_command_prints_findings_with_remedies_and_fails(site, runner, tmp_path):
    file = tmp_path / "flowsleuth.yaml"
    site.settings["expected"] = [{"network": "Nowhere", "upto": "1M"}]
    file.write_text(json.dumps(site.settings))
    ran = runner.invoke(command, ["-c", str(file), "--wait", "0.2"])
    assert ran.exit_code == 1, ran.output
    assert re.search(
        r"^note   configuration: .*Nowhere.*\n       > flowsleuth check", ran.output, re.MULTILINE
    )
    assert re.search(
        r"^wrong  no-datagrams: nothing arrived .*\n       > ", ran.output, re.MULTILINE
    )
    assert re.search(r"^ok     InfluxDB v2.7.12", ran.output, re.MULTILINE)
    assert re.search(r"^1 wrong, \d+ to note, \d+ well$", ran.output, re.MULTILINE)


def test_the_command_succeeds_where_all_is_well(site, runner, tmp_path):
    file = tmp_path / "flowsleuth.yaml"
    url = site.config.grafana.url
    site.settings["grafana"] = {"token": "g"}
    file.write_text(json.dumps(site.settings))
    with Exporter(site.port):
        ran = runner.invoke(command, ["-c", str(file), "--wait", "1.2", "--grafana", url])
    assert ran.exit_code == 0, ran.output
    ran = runner.invoke(command, ["-c", str(file), "--grafana", "localhost:3000"])
    assert ran.exit_code == 2
    assert "allowed is a URL" in ran.output
