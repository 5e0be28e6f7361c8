"""`load --only-profile` on a real InfluxDB: what the profile would have been from the beginning."""

import re
import secrets
from datetime import UTC, datetime

import pytest
from pipeline.made import HOUR, NETWORKS, SECOND, START, batches, traffic
from services import drop, rows

from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.config import parse
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode

PROFILES = (
    "profiles: [{name: web, filter: 'proto tcp and port 443'}, "
    "{name: big, filter: 'bytes > 10M and src net 10.1.0.0/16'}]"
)
NAMED = [
    f"{{name: {network['name']}, prefixes: [{', '.join(map(repr, network['prefixes']))}]}}"
    for network in NETWORKS
]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "made.pcap"
    with PcapWriter(path) as writer:
        for batch in batches(traffic(count=400), 100):
            writer.write(batch)
    return path


@pytest.fixture
def database(influxdb, tmp_path):
    """`database(ingester, more)` writes a configuration for a database of the test's own."""
    name = f"test_{secrets.token_hex(6)}"
    texts = []

    def write(ingester, more=""):
        path = tmp_path / f"{ingester}-{len(texts)}.yaml"
        texts.append(
            f"influx: {{url: '{influxdb.url}', token: '{influxdb.token}', org: '{influxdb.org}', "
            f"database: {name}}}\nretention: {{detail: 100y, long: 100y}}\n"
            f"networks: [{', '.join(NAMED)}]\ningester: {ingester}\n{more}\n"
        )
        path.write_text(texts[-1])
        return path

    yield write
    drop(parse(texts[0]))


def sums(config, ingester):
    """{(time, profile, direction, protocol): (bytes, packets, flows)} by minute."""
    found = rows(
        parse(config.read_text()),
        'SELECT sum("bytes") AS "bytes", sum("packets") AS "packets", sum("flows") AS "flows" '
        f'FROM "profiles" WHERE "ingester" = \'{ingester}\' '
        f"AND time >= {START - 48 * HOUR} AND time < {START + 48 * HOUR} "
        'GROUP BY time(1m), "profile", "direction", "protocol" fill(none)',
    )
    return {
        (r["time"], r["profile"], r["direction"], r["protocol"]): (
            r["bytes"], r["packets"], r["flows"]
        )
        for r in found
    }  # fmt: skip


def moment(hours):
    """A time within the capture, as --from and --to read it."""
    return datetime.fromtimestamp((START + int(hours * HOUR)) // SECOND, UTC).isoformat()


def test_a_profile_filled_afterwards_is_what_it_would_have_been(cli, capture, database):
    late = database("late", PROFILES)
    assert cli("load", "-c", database("early", PROFILES), capture).status == 0
    expected = sums(late, "early")
    assert {key[1] for key in expected} == {"all", "web", "big"}
    assert cli("load", "-c", database("late"), capture).status == 0
    known = sums(late, "late")
    assert {key[1] for key in known} == {"all"}
    for _ in range(2):  # the second time changes nothing
        ran = cli("load", "-c", late, "--only-profile", "web", capture)
        assert ran.status == 0, ran.err
        assert sums(late, "late") == {k: v for k, v in expected.items() if k[1] != "big"}
    assert re.match(r"flowsleuth: loaded 1200 flow records as \d+ points\n", ran.err)
    # In two parts, by receipt: they add up, though flows reach over the cut.
    cut = moment(0.9)
    for part in (("--to", cut), ("--from", cut)):
        ran = cli("load", "-c", late, "--only-profile", "big", *part, capture)
        assert ran.status == 0, ran.err
    assert sums(late, "late") == expected


def counted_live(path, items):
    """Write what `collect` would have written of these datagrams."""
    config = parse(path.read_text())
    pipeline = Pipeline(config, {})
    for batch in batches(items, 100):
        pipeline.feed(batch)
    with InfluxWriter(config.influx, patient=True) as writer:
        for table in pipeline.finish(Stamp(first=3)):
            writer.submit(table.measurement, encode(table, {"ingester": config.ingester}))
        writer.finish()


def test_what_collect_counted_itself_is_not_loaded_on_top(cli, capture, database, monkeypatch):
    monkeypatch.setattr("flowsleuth.write.live._PAGE", 50)
    config = database("main", PROFILES)
    items = traffic(count=400)
    begun = START + HOUR
    assert (
        cli("load", "-c", config, "--only-profile", "big", "--to", moment(0.5), capture).status == 0
    )
    before = sums(config, "main")
    counted_live(config, [item for item in items if item[2] >= begun])
    ran = cli("load", "-c", config, "--only-profile", "web", capture)
    assert ran.status == 2
    (said,) = (line for line in ran.err.splitlines() if line.startswith("Error: "))
    assert said.startswith("Error: profile web: collect counted it itself at 20")
    (last,) = re.findall(r"--to '(.*?)'", said)
    # Flows were going on when it began: their windows before are live as well, as far as they go.
    assert abs(datetime.fromisoformat(last).timestamp() * SECOND - begun) <= 300 * SECOND
    after = sums(config, "main")
    assert set(before) <= set(after)
    assert cli("load", "-c", config, "--only-profile", "web", "--to", last, capture).status == 0
    added = {key for key in sums(config, "main") if key not in after}
    assert added
    assert {key[1] for key in added} == {"web"}
