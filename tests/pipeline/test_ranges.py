"""A range out of an archive: the records of what was received in it, as if all had been read."""

import pytest
from decode import wire

from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoder
from flowsleuth.pipeline.ranges import LEARNED_NS, learned_from, read_range
from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read, total_bytes
from flowsleuth.receive.frames import Tally

from .made import HOUR, SECOND, START, batches, traffic

MINUTE = 60 * SECOND


@pytest.fixture(scope="module")
def items():
    """Two hours of three exporters, the templates at the beginning and every ten minutes or so."""
    return traffic(600)


@pytest.fixture(scope="module")
def folder(items, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive")
    archive = Archive(ArchiveFolder(path, 10**18, 10**18), lambda: START)
    archive.start()
    for batch in batches(items, 37):
        archive.add(batch)
    archive.close()
    return path


def asked(folder, since=None, until=None, **options):
    """The records of a range, each with the receipt of its datagram; and the decoder's counts."""
    decoder, records, counts = Decoder(), [], {}
    for batch in read_range([str(folder)], Sources(), decoder, since, until, **options):
        decoded = decoder.decode(batch)
        records += json_records(decoded)
        for name, count in decoded.counts.items():
            counts[name] = counts.get(name, 0) + int(count.sum())
    return records, counts


def key(shown):
    return sorted((name, str(value)) for name, value in shown.items())


@pytest.mark.parametrize("minutes", [(31, 32), (45, 75), (60, None), (None, 45), (118.5, 300)])
def test_a_range_is_as_if_all_had_been_read(folder, items, minutes):
    since, until = (None if m is None else START + int(m * MINUTE) for m in minutes)
    everything = [[], []]
    decoder = Decoder()
    for batch in batches(items, 1):
        at = int(batch.received_ns[0])
        inside = (since is None or at >= since) and (until is None or at < until)
        everything[inside] += json_records(decoder.decode(batch))
    records, counts = asked(folder, since, until, batch=23)
    assert sorted(map(key, records)) == sorted(map(key, everything[True]))
    assert counts["lost"] == counts["missing_template"] == counts["malformed"] == 0
    assert {shown["sampling_rate"] for shown in records} >= {10}


def test_what_was_sent_longer_before_is_not_read(tmp_path):
    path = tmp_path / "archive"
    archive = Archive(ArchiveFolder(path, 10**18, 10**18), lambda: START)
    archive.start()
    lesson = wire.ipfix(wire.template(256, wire.BASIC))
    flow = wire.ipfix(wire.data(256, wire.basic()))
    heard_at = [(lesson, START), (flow, START + LEARNED_NS), (flow, START + LEARNED_NS + 1)]
    sources = Sources()
    source = sources.number("192.0.2.1", 2055)
    archive.add(Datagrams.pack([(p, source, at) for p, at in heard_at], sources))
    archive.close()
    assert len(asked(path, START + LEARNED_NS)[0]) == 2
    assert len(asked(path, START + LEARNED_NS + 1)[0]) == 0
    assert len(asked(path)[0]) == 2
    assert learned_from(None) is None
    assert learned_from(5) == 0


def test_progress_and_tally_count_what_is_learned_from_too(folder):
    since, until = START + HOUR, START + HOUR + 10 * MINUTE
    told, tally = [], Tally()
    asked(folder, since, until, on_progress=told.append, tally=tally)
    whole = total_bytes([str(folder)], learned_from(since), until)
    assert sum(told) == whole < total_bytes([str(folder)])
    part = read([str(folder)], Sources(), since_ns=since - LEARNED_NS, until_ns=until)
    assert tally.datagrams == sum(map(len, part))


def test_nothing_in_the_range_is_nothing(folder):
    assert asked(folder, START + 100 * HOUR) == ([], {})
    assert asked(folder, None, START - HOUR) == ([], {})


def test_several_captures_are_taken_one_by_one(folder, items):
    once, _ = asked(folder, START + HOUR)
    decoder, count = Decoder(), 0
    paths = [str(folder), str(folder)]
    for batch in read_range(paths, Sources(), decoder, START + HOUR):
        count += sum(1 for _ in json_records(decoder.decode(batch)))
    assert count == 2 * len(once)
