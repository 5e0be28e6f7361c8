"""What things are called, whom the pipeline hears, and what the configuration says of them."""

import numpy as np
from decode import wire

from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.receive.datagrams import Datagrams, Sources

from .made import SECOND, config, lines_of, read

NOW = wire.SECONDS * SECOND


class Fed:
    """A pipeline that hears payloads, and its points."""

    def __init__(self, names=None, **settings):
        self.pipeline = Pipeline(config(**settings), names or {})
        self.sources = Sources()

    def hear(self, *payloads, exporter="192.0.2.1", at=NOW):
        batch = Datagrams.pack(
            [(p, self.sources.number(exporter, 2055), at) for p in payloads], self.sources
        )
        return self.pipeline.feed(batch)

    def points(self, measurement):
        lines = lines_of(self.pipeline.finish(Stamp()))
        return [(tags, fields) for name, tags, fields, _ in map(read, lines) if name == measurement]


def exporters(fed):
    return [
        (tags["exporter"], tags["domain"], tags["version"]) for tags, _ in fed.points("exporters")
    ]


CORE = {"192.0.2.1": {"name": "core-1", "sampling": 1000}}


def test_an_exporter_has_its_configured_name_else_its_address():
    fed = Fed(exporters=CORE)
    fed.hear(wire.legacy(5))
    fed.hear(wire.legacy(5), exporter="192.0.2.2")
    fed.hear(wire.legacy(1), exporter="2001:db8::1")
    assert sorted(exporters(fed)) == [
        ("192.0.2.2", "0", "v5"),
        ("2001:db8::1", "0", "v1"),
        ("core-1", "0", "v5"),
    ]


def test_domains_are_told_apart_up_to_a_limit():
    fed = Fed(max_domains=2)
    fed.hear(*(wire.v9(wire.template(256, wire.BASIC, 9), domain=d) for d in (1, 2, 3, 4)))
    assert sorted(domain for _, domain, _ in exporters(fed)) == ["1", "2", "other"]


def test_bare_datagrams_come_from_an_unknown_exporter():
    fed = Fed()
    fed.hear(wire.legacy(7), exporter="")
    assert exporters(fed) == [("unknown", "0", "v7")]


def test_the_configured_rate_and_direction_apply_to_their_exporter_only():
    fed = Fed(
        exporters={
            "192.0.2.1": {"name": "core-1", "sampling": 1000},
            "192.0.2.3": {"name": "edge", "count": "egress"},
            "192.0.2.4": {"name": "named only"},
        }
    )
    fields = [*wire.BASIC, (61, 1)]
    for number in (1, 2, 3, 4):
        ingress = [0x0A010001, 0xC0000201, 50_000, 53, 17, 100, 1, 0]
        fed.hear(
            wire.v9(wire.template(256, fields, 9), wire.data(256, wire.record(fields, ingress))),
            exporter=f"192.0.2.{number}",
        )
    assert [f["bytes"] for _, f in fed.points("traffic")] == [100_000 + 100 + 100]
    assert fed.pipeline.records == 4


def test_interfaces_are_called_by_the_configuration_the_exporter_or_their_number():
    told = wire.v9(
        wire.options_template(300, [(2, 4)], [(82, 4)], 9),
        wire.data(300, wire.number(3, 4) + b"eth3", wire.number(4, 4) + b"eth4"),
    )
    interfaces = {3: {"name": "uplink"}, 9: {"speed": "1G"}}
    fed = Fed(exporters={"192.0.2.1": {"name": "core-1", "interfaces": interfaces}})
    fed.hear(told, wire.legacy(5))
    fed.hear(told, wire.legacy(5), exporter="192.0.2.2")
    fed.hear(wire.legacy(5), exporter="192.0.2.3")
    names = {
        (tags["exporter"], tags["direction"]): tags["interface"]
        for tags, _ in fed.points("interfaces")
    }
    assert names == {
        ("core-1", "ingress"): "uplink",
        ("core-1", "egress"): "eth4",
        ("192.0.2.2", "ingress"): "eth3",
        ("192.0.2.2", "egress"): "eth4",
        ("192.0.2.3", "ingress"): "3",
        ("192.0.2.3", "egress"): "4",
    }


def test_an_interface_configured_without_a_name_has_its_number():
    interfaces = {3: {"speed": "1G"}}
    fed = Fed(exporters={"192.0.2.1": {"name": "core-1", "interfaces": interfaces}})
    fed.hear(wire.legacy(5))
    assert {tags["interface"] for tags, _ in fed.points("interfaces")} == {"3", "4"}


def test_exporters_that_are_not_listed_are_dropped_and_counted():
    fed = Fed(exporters=CORE, exporters_only=True)
    fed.hear(wire.legacy(5), wire.legacy(5))
    fed.hear(wire.legacy(5), exporter="192.0.2.66")
    fed.hear(wire.legacy(5))
    fed.hear(wire.legacy(5), exporter="192.0.2.66")
    assert fed.pipeline.unlisted == 2
    assert fed.pipeline.datagrams == 5
    assert fed.pipeline.records == 3
    assert {exporter for exporter, _, _ in exporters(fed)} == {"core-1"}


def test_what_is_no_netflow_is_counted():
    fed = Fed()
    fed.hear(b"\0\x2axxxx", wire.legacy(5))
    assert (fed.pipeline.not_netflow, fed.pipeline.datagrams, fed.pipeline.records) == (1, 2, 1)
    assert fed.pipeline.datagram_bytes == 6 + 72


def test_hosts_are_named_by_the_hosts_file():
    fed = Fed({"10.0.0.1": "printer"}, networks=[{"name": "Site", "prefixes": ["10.0.0.0/8"]}])
    fed.hear(wire.legacy(5))
    hosts = {tags["address"]: tags.get("host") for tags, _ in fed.points("hosts")}
    assert hosts == {"10.0.0.1": "printer"}


def test_gauges_of_the_decoder_reach_the_exporters():
    fed = Fed()
    fed.hear(wire.legacy(5, sampling=1 << 14 | 50), wire.v9(wire.data(256, bytes(8))))
    points = {tags["version"]: fields for tags, fields in fed.points("exporters")}
    assert points["v5"]["sampling_interval"] == 50
    assert points["v5"]["sampling_state"] == 1
    assert points["v9"]["template_wait"] == 1
    assert np.isfinite(points["v5"]["clock_skew_ms"])
