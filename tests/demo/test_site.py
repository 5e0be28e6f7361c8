"""The demo's traffic: what the story says is in it, and the truth is the truth."""

from pathlib import Path

import numpy as np
import pytest

from demo.independent import NETWORKS as SAID
from demo.independent import Reader, packets, records, sums
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.export import Site, merge
from flowsleuth.demo.story import SECOND
from flowsleuth.demo.world import ANOMALIES, DEVICES, NETWORKS
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read

NOW = 1_790_000_000 * SECOND + 123_456_789


def one_day(seed: int = 3, now_ns: int = NOW) -> tuple[Site, Datagrams]:
    site = Site(now_ns, seed, days=1)
    return site, merge(list(site.history()))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Datagrams, Path]:
    site, batch = one_day()
    path = tmp_path_factory.mktemp("site") / "day.pcap"
    with PcapWriter(path) as writer:
        writer.write(batch)
    return site, batch, path


def test_the_truth_is_what_an_independent_reader_finds(day) -> None:
    site, _, path = day
    assert dict(sums(path)[0]) == {row: total[0] for row, total in site.truth.rows.items()}
    assert site.truth.anomaly_bytes == sum(
        record.bytes
        for _, record in records(path)
        if record.src_port == 14857 and record.src == "10.1.42.17"
    )


def test_sequences_have_no_gap_and_times_are_plausible(day) -> None:
    _, batch, path = day
    reader = Reader()
    for received_ns, exporter, payload in packets(path):
        for record in reader.read(exporter, payload):
            assert 0 <= record.end_ns - record.start_ns <= 60 * SECOND
            assert 0 <= received_ns - record.end_ns <= 21 * SECOND
    versions = {device.address: device.version for device in DEVICES}
    assert {stream[0] for stream in reader.sequences} == set(versions)
    for stream, seen in reader.sequences.items():
        if versions[stream[0]] == 9:
            assert [sequence for sequence, _ in seen] == list(range(len(seen)))
        else:
            assert all(sequence == count for sequence, count in seen)
    assert (np.diff(batch.received_ns) >= 0).all()
    assert batch.received_ns[-1] < NOW


def test_the_capture_is_the_batch_to_the_microsecond(day) -> None:
    _, batch, path = day
    again = merge(list(read([str(path)], Sources())))
    assert len(again) == len(batch)
    assert (again.received_ns == batch.received_ns // 1000 * 1000).all()
    assert [again.payload(i) for i in range(50)] == [batch.payload(i) for i in range(50)]
    table = again.sources.table
    assert {(s.address, s.port) for s in table[1:]} == {(d.address, d.port) for d in DEVICES}


def test_the_same_seed_tells_the_same_story(day) -> None:
    site, batch, _ = day
    again, same = one_day()
    assert same.data.tobytes() == batch.data.tobytes()
    assert again.truth == site.truth
    assert one_day(seed=4)[1].data.tobytes() != batch.data.tobytes()


def test_live_goes_on_where_the_history_ends_and_the_spike_is_whole(day) -> None:
    site, batch = one_day()
    with pytest.raises(RuntimeError, match="history"):
        Site(NOW, 3, days=1).until(NOW + SECOND)
    parts = [site.until(NOW + second * SECOND) for second in range(0, 1300, 7)]
    whole = merge([batch, *parts])
    assert (np.diff(whole.received_ns) >= 0).all()
    assert site.truth.anomaly_bytes == ANOMALIES[-1].bytes == 15_000_000_000
    reader = Reader()
    for i in range(len(whole)):
        source = whole.sources.table[whole.source[i]]
        for _ in reader.read((source.address, source.port), whole.payload(i)):
            pass
    assert sum(reader.data_records.values()) - len(reader.names) - 1 >= site.truth.records
    # Every live datagram can be read by who has heard nothing before.
    fresh = Reader()
    live = next(part for part in parts if len(part))
    source = live.sources.table[live.source[0]]
    assert list(fresh.read((source.address, source.port), live.payload(0)))


def test_the_pace_of_asking_changes_nothing() -> None:
    often, once = one_day()[0], one_day()[0]
    parts = merge([often.until(NOW + second * SECOND) for second in range(0, 200, 3)])
    often.until(NOW + 240 * SECOND)
    once.until(NOW + 240 * SECOND)
    assert often.truth == once.truth
    assert len(parts)


def test_the_spike_stands_out_and_the_tables_agree(day) -> None:
    site, _, _ = day
    green = site.truth.rows["Green", "out", 17][0]
    assert site.truth.anomaly_bytes > green / 2
    said = {name: [str(p) for p in prefixes] for name, prefixes in SAID.items()}
    assert said == {n.name: [str(p) for p in (n.v4, n.v6) if p] for n in NETWORKS}
