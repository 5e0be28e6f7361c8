"""Twelve ways of being misconfigured: doctor names each, and nothing else, with a remedy."""

import re
import time
from contextlib import ExitStack, contextmanager

import pytest
from exporters.collecting import free_port
from services import unavailable

from flowsleuth.doctor import arriving
from flowsleuth.doctor.kinds import Level
from flowsleuth.doctor.wire import Wire
from flowsleuth.receive.steering import SO_ATTACH_FILTER, attach
from flowsleuth.receive.udp import UdpReceiver

from .site import Exporter

DROP_ALL = [(6, 0, 0, 0)]
"""A classic BPF program: return 0, keep nothing."""


@contextmanager
def exporting(*exporters):
    with ExitStack() as stack:
        for exporter in exporters:
            stack.enter_context(exporter)
        yield


def test_a_site_that_is_well_has_nothing_wrong(site):
    with exporting(Exporter(site.port)):
        found = site.findings()
    wrong = [f for f in found if f.level is Level.WRONG]
    assert wrong == []
    said = "\n".join(f.said for f in found)
    for words in (
        "datagrams in 0.8 s from 127.0.0.21", "InfluxDB v2.7.12 answers", "1 of 1 exporters send",
        "all 1 networks have traffic", "dashboards are there, of version", "rules are there",
    ):  # fmt: skip
        assert words in said


def test_1_no_datagrams(site):
    assert site.names(seconds=0.3) == {"no-datagrams"}


def test_2_wrong_port(site, monkeypatch):
    astray = free_port()
    monkeypatch.setattr(arriving, "USUAL_PORTS", (astray,))
    with exporting(Exporter(astray)):
        found = site.findings()
    (finding,) = (f for f in found if f.level is Level.WRONG)
    assert finding.kind.name == "wrong-port"
    assert f"127.0.0.21 sends NetFlow to port {astray}" in finding.said
    assert str(site.port) in finding.mend[0]


class Deaf(UdpReceiver):
    """Its socket gets nothing of what reaches the card, as behind a firewall of this machine."""

    def start(self) -> None:
        super().start()
        for sock in self._sockets:
            attach(sock, SO_ATTACH_FILTER, DROP_ALL)


def test_3_a_firewall_that_keeps_silent(site, monkeypatch):
    monkeypatch.undo()
    with Wire() as wire:
        if wire.heard is None:
            unavailable("packet socket", "hearing the wire needs CAP_NET_RAW")
    monkeypatch.setattr(arriving, "USUAL_PORTS", ())
    monkeypatch.setattr(arriving, "UdpReceiver", Deaf)
    with exporting(Exporter(site.port)):
        found = site.findings()
    named = {f.kind.name: f for f in found if f.level is Level.WRONG}
    assert "firewall" in named
    assert "no-datagrams" not in named
    assert f"NetFlow from 127.0.0.21 reaches this machine at port {site.port}" in (
        named["firewall"].said
    )


def test_4_a_wrong_token(site):
    site.influx.token = "another"
    with exporting(Exporter(site.port)):
        assert site.names() == {"token-refused"}


@pytest.mark.parametrize("there", [True, False])
def test_5_a_token_without_an_organisations_view(site, there):
    """That is well where the buckets are there, and names the commands where they are not."""
    site.influx.sees = False
    if not there:
        site.influx.buckets.clear()
    with exporting(Exporter(site.port)):
        found = site.findings()
    named = {f.kind.name: f for f in found if f.kind is not None}
    assert "token-without-organisation" in named
    if there:
        assert not any(f.level is Level.WRONG for f in found)
        return
    assert "it cannot create what is missing" in named["token-without-organisation"].said
    assert named["database-missing"].mend == (
        "influx bucket create -o netops -n flowsleuth -r 17520h",
    )


def test_6_no_dbrp(site):
    site.influx.mapped.clear()
    with exporting(Exporter(site.port)):
        found = site.findings()
    wrong = [f for f in found if f.level is Level.WRONG]
    assert {f.kind.name for f in wrong} == {"no-dbrp"}
    assert [f.mend[0].partition(" --bucket-id")[0] for f in wrong] == [
        "influx v1 dbrp create -o netops --db flowsleuth --rp autogen --default",
        "influx v1 dbrp create -o netops --db flowsleuth --rp detail",
    ]


def test_7_a_missing_retention_policy(site):
    site.influx.buckets.remove("flowsleuth/detail")
    site.influx.mapped.remove("flowsleuth/detail")
    with exporting(Exporter(site.port)):
        assert site.names() == {"retention-missing"}


def test_8_networks_without_a_match(site):
    with exporting(Exporter(site.port, inside=0xAC100000)):
        assert site.names() == {"networks-without-match"}


@pytest.mark.parametrize(("late", "word"), [(3600, "behind"), (-3600, "ahead")])
def test_9_a_clock_that_is_off_by_an_hour(site, late, word):
    with exporting(Exporter(site.port, late_s=late)):
        found = site.findings()
    (finding,) = (f for f in found if f.level is Level.WRONG)
    assert finding.kind.name == "clock"
    assert finding.said.startswith(f"127.0.0.21: its clock is 1 h {word}, whole hours")


def test_10_sampling_unknown(site):
    with exporting(Exporter(site.port, sampler=True)):
        found = site.findings()
    (finding,) = (f for f in found if f.level is Level.WRONG)
    assert finding.kind.name == "sampling-unknown"
    assert "exporters: {127.0.0.21: {sampling: N}}" in finding.mend[0]


def test_11_an_active_timeout_of_half_an_hour(site):
    with exporting(Exporter(site.port, lasts_s=1800)):
        found = site.findings()
    (finding,) = (f for f in found if f.level is Level.WRONG)
    assert finding.kind.name == "active-timeout"
    assert re.search(r"only after (29|30|31)(\.\d)? min", finding.said)  # bins are 4 % wide


def test_12_old_dashboards(site):
    site.grafana.version = "0.0.9"
    with exporting(Exporter(site.port)):
        found = site.findings()
    (finding,) = (f for f in found if f.level is Level.WRONG)
    assert finding.kind.name == "dashboards-old"
    assert "Wall (0.0.9)" in finding.said
    assert finding.mend == (f"flowsleuth provision --grafana {site.config.grafana.url}",)


def test_it_does_not_wait_longer_than_told(site):
    started = time.monotonic()
    site.findings(seconds=0.2)
    assert time.monotonic() - started < 10
