"""What things are called, whom the pipeline hears, and what the configuration says of them."""

import numpy as np
import pytest
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


def test_a_speed_is_the_configured_one_and_says_nothing_of_the_name():
    interfaces = {3: {"speed": "1G"}, 4: {"speed": "2.5G", "name": "uplink"}}
    told = wire.ipfix(
        wire.options_template(300, [(10, 4)], [(82, 65535)]),
        wire.data(300, wire.number(3, 4) + b"\x04eth3"),
    )
    fed = Fed(exporters={"192.0.2.1": {"name": "core-1", "interfaces": interfaces}})
    fed.hear(told, wire.legacy(5))
    fed.hear(wire.legacy(5), exporter="192.0.2.3")
    found = {
        (tags["exporter"], tags["interface"]): fields.get("speed")
        for tags, fields in fed.points("interfaces")
    }
    assert found == {
        ("core-1", "eth3"): 10**9,
        ("core-1", "uplink"): 2_500_000_000,
        ("192.0.2.3", "3"): None,
        ("192.0.2.3", "4"): None,
    }


def test_without_speeds_there_is_no_such_field():
    fed = Fed()
    fed.hear(wire.legacy(5))
    assert all(
        set(fields) == {"bytes", "packets", "flows"} for _, fields in fed.points("interfaces")
    )


def test_sampling_is_assumed_known_unknown_or_configured():
    mode_without_rate = [*wire.BASIC, (35, 1)]
    values = [0x0A010001, 0xC0000201, 50_000, 53, 17, 100, 1, 2]
    fed = Fed(exporters={"192.0.2.4": {"sampling": 1000}})
    fed.hear(wire.legacy(5))
    fed.hear(wire.legacy(5, sampling=1 << 14 | 50), exporter="192.0.2.2")
    for exporter in ("192.0.2.3", "192.0.2.4"):
        fed.hear(
            wire.v9(
                wire.template(256, mode_without_rate, 9),
                wire.data(256, wire.record(mode_without_rate, values)),
            ),
            exporter=exporter,
        )
    found = {
        tags["exporter"]: tuple(
            fields[name] for name in ("sampling_state", "sampling_interval", "sampling_unknown")
        )
        for tags, fields in fed.points("exporters")
    }
    assert found == {
        "192.0.2.1": (0, 1, 0),
        "192.0.2.2": (1, 50, 0),
        "192.0.2.3": (2, 0, 1),
        "192.0.2.4": (1, 1000, 0),
    }


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


def dated(count, *, start_ago=300, end_ago=0, sequence=0, skew=0, first=0):
    """A v9 datagram of flows that began and ended so many seconds before it was exported."""
    fields = [*wire.ADDRESSES, (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (152, 8), (153, 8)]
    exported = wire.SECONDS - skew
    times = [1000 * (exported - ago) for ago in (start_ago, end_ago)]
    records = [
        wire.record(fields, [0x0A010001, 0xC0000201, 1024 + first + i, 443, 6, 1000, 2, *times])
        for i in range(count)
    ]
    return wire.v9(
        wire.template(256, fields, 9), wire.data(256, *records), seconds=exported, sequence=sequence
    )


def trust(fed):
    return {tags["exporter"]: fields for tags, fields in fed.points("exporters")}


def test_lag_active_timeout_and_skew_are_what_the_exporter_shows():
    fed = Fed()
    fed.hear(dated(30, start_ago=1800))
    fed.hear(dated(30, start_ago=60, skew=90), exporter="192.0.2.2")
    fed.hear(dated(30, start_ago=5), exporter="192.0.2.3")
    found = trust(fed)
    assert found["192.0.2.1"]["export_lag_s"] == pytest.approx(1800, rel=0.05)
    assert found["192.0.2.1"]["active_timeout_s"] == pytest.approx(1800, rel=0.05)
    assert found["192.0.2.1"]["clock_skew_ms"] == 0
    assert found["192.0.2.2"]["clock_skew_ms"] == 90_000
    assert found["192.0.2.2"]["export_lag_s"] == pytest.approx(150, rel=0.05)
    assert found["192.0.2.3"]["export_lag_s"] == pytest.approx(5, abs=0.3)
    assert "active_timeout_s" not in found["192.0.2.3"]  # no long flow tells it


def test_a_clock_beyond_repair_is_named_and_its_flows_redated():
    fed = Fed()
    fed.hear(dated(30, skew=3600))
    (found,) = trust(fed).values()
    assert (found["clock_skew_ms"], found["redated"]) == (3_600_000, 30)
    assert "export_lag_s" not in found


def test_what_was_lost_and_what_waits_is_counted():
    fed = Fed()
    for sequence in (10, 13, 14, 15):
        fed.hear(dated(1, sequence=sequence))
    fed.hear(wire.v9(wire.data(999, bytes(8)), domain=1), exporter="192.0.2.2")
    found = trust(fed)
    assert [found[e]["lost"] for e in sorted(found)] == [2, 0]
    assert [found[e]["template_wait"] for e in sorted(found)] == [0, 1]
    fed.hear(wire.v9(domain=1), exporter="192.0.2.2", at=NOW + 3600 * SECOND)
    (late,) = [f for _, f in fed.points("exporters")]
    assert (late["template_wait"], late["missing_template"]) == (0, 1)


def test_the_same_flows_from_two_exporters_are_suspected():
    fed = Fed()
    for exporter in ("192.0.2.1", "192.0.2.2"):
        fed.hear(dated(25, first=0), dated(25, first=25), exporter=exporter)
    fed.hear(dated(30, first=5000), exporter="192.0.2.3")
    shares = {exporter: fields["duplicate_share"] for exporter, fields in trust(fed).items()}
    assert shares == {"192.0.2.1": 0.5, "192.0.2.2": 0.5, "192.0.2.3": 0.0}
