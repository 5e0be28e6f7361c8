"""Files of every container, order and link layer; cut, packed, joined, foreign and senseless."""

import gzip
import io
import random
import struct

import pytest
from dpkt import pcap as dpkt_pcap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_captures import (
    ADDRESS4,
    COLLECTOR4,
    LINKS,
    PORT,
    Pcapng,
    ethernet,
    ipfix,
    ipv4,
    ipv4_fragments,
    ipv6,
    ipv6_fragments,
    pcap,
    v5,
    v9,
    with_extensions,
)

from flowsleuth.errors import InputError
from flowsleuth.receive import files, fragments, streams, zstd
from flowsleuth.receive.datagrams import NO_RECEIPT, Sources
from flowsleuth.receive.files import expand, read, total_bytes
from flowsleuth.receive.frames import LINK_LAYERS, Frames, Tally

T = 1_700_000_000_123_456_789


def gathered(paths, **options):
    """Return ([(address, port, time, payload)], Tally, error text or None)."""
    sources, tally, found, error = Sources(), Tally(), [], None
    try:
        for batch in read([str(p) for p in paths], sources, tally=tally, **options):
            for i in range(len(batch)):
                source = sources.table[batch.source[i]]
                time_ns = int(batch.received_ns[i])
                found.append((source.address, source.port, time_ns, batch.payload(i)))
    except InputError as raised:
        error = str(raised)
        assert "\n" not in error
    assert tally.datagrams == len(found)
    return found, tally, error


@pytest.fixture
def reads(tmp_path):
    def write_and_read(data, name="capture", **options):
        path = tmp_path / name
        path.write_bytes(data)
        return gathered([path], **options)

    return write_and_read


def payloads(found):
    return [item[3] for item in found]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("family", [4, 6])
def test_each_link_layer_gives_the_datagram(reads, link, family):
    number, wrap = LINKS[link]
    packet = ipv4(v5(1)) if family == 4 else ipv6(v5(1))
    found, tally, error = reads(pcap([(T, wrap(packet))], link=number))
    address = "192.0.2.1" if family == 4 else "2001:db8::1"
    assert (error, tally.packets, tally.not_udp) == (None, 1, 0)
    assert found == [(address, PORT, T // 1000 * 1000, v5(1))]


def test_every_link_layer_of_the_table_is_tested():
    assert {number for number, _ in LINKS.values()} | {50} == set(LINK_LAYERS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["micro", "nano", "modified"])
def test_each_pcap_variant(reads, order, kind):
    made = pcap(
        [(T, ethernet(ipv4(v5(i)))) for i in range(3)],
        order=order,
        nano=kind == "nano",
        modified=kind == "modified",
    )
    found, _, error = reads(made)
    assert error is None
    assert payloads(found) == [v5(i) for i in range(3)]
    assert {item[2] for item in found} == {T if kind == "nano" else T // 1000 * 1000}


def test_a_pcap_that_dpkt_wrote(reads):
    out = io.BytesIO()
    writer = dpkt_pcap.Writer(out, nano=True)
    writer.writepkt_time(ethernet(ipv4(v5())), 1_700_000_000.5)
    found, _, error = reads(out.getvalue())
    assert (error, found[0][2:]) == (None, (1_700_000_000_500_000_000, v5()))


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_sections_and_interfaces(reads, order):
    one, two = Pcapng(order), Pcapng("<" if order == ">" else ">")
    made = (
        one.section()
        + one.block(0x0BAD, b"a block of somebody's own")
        + one.interface()
        + one.interface(link=101, resolution=9, offset=100)
        + one.interface(link=113, resolution=0x80 | 10)
        + one.packet(T // 1000, ethernet(ipv4(v5(0))))
        + one.packet(T - 100 * 10**9, ipv4(v5(1)), interface=1)
        + one.packet(1024 * 5, LINKS["cooked"][1](ipv6(v5(2))), interface=2)
        + two.section()
        + two.interface(snap=60)
        + two.packet(T // 1000, ethernet(ipv4(v5(3))), kind=2)
        + two.simple(ethernet(ipv4(b"")))
        + two.packet(2**64 - 1, ethernet(ipv4(v5(4))))
    )
    found, tally, error = reads(made)
    assert error is None
    assert payloads(found) == [v5(0), v5(1), v5(2), v5(3), b"", v5(4)]
    micro = T // 1000 * 1000
    assert [item[2] for item in found] == [micro, T, 5 * 10**9, micro, NO_RECEIPT, NO_RECEIPT]
    assert tally.packets == 6


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (Pcapng().packet(0, b"frame"), "no description of interface 0"),
        (Pcapng().interface() + struct.pack("<III", 6, 13, 0), "block of 13 bytes"),
        (Pcapng().interface() + struct.pack("<III", 6, 16, 0) + bytes(4), "type 6 and 16 bytes"),
        (Pcapng().interface() + struct.pack("<III", 6, 2**31, 0), "type 6 and 2147483648 bytes"),
        (Pcapng().interface() + struct.pack("<III", 99, 2**31, 0), "ends within a block"),
        (
            Pcapng().interface() + Pcapng().block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)),
            "packet of 99 bytes",
        ),
    ],
)
def test_damaged_pcapng_names_the_packet(reads, body, says):
    good = Pcapng().section() + Pcapng().interface() + Pcapng().packet(0, ethernet(ipv4(v5())))
    found, _, error = reads(good + Pcapng().section() + body)
    assert payloads(found) == [v5()]
    assert says in error
    assert "packet 2" in error


def small_captures():
    frame_list = [(T + i, ethernet(ipv4(v5(i)))) for i in range(3)]
    ng = Pcapng()
    blocks = b"".join(ng.packet(t // 1000, frame) for t, frame in frame_list)
    return {
        "pcap": pcap(frame_list),
        "pcapng": ng.section() + ng.interface() + blocks,
    }


@pytest.mark.parametrize("container", ["pcap", "pcapng"])
def test_cut_at_every_byte(tmp_path, container):
    whole = small_captures()[container]
    path = tmp_path / "cut"
    counts, silent = [], 0
    for length in range(4, len(whole)):
        path.write_bytes(whole[:length])
        found, _, error = gathered([path])
        assert payloads(found) == [v5(i) for i in range(len(found))]
        counts.append(len(found))
        silent += error is None
        if error is not None and length > 60:
            assert f"byte {length}" in error or "packet" in error
    assert counts == sorted(counts)
    assert counts[-1] == 2
    # Between two packets (pcapng: two blocks) is no cut that anyone could see.
    assert silent == (3 if container == "pcap" else 4)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gz", "zst"])
@pytest.mark.parametrize("container", ["pcap", "pcapng", "bare"])
def test_packed_files_are_told_by_their_magic(reads, pack, container):
    data = small_captures().get(container, b"".join(v5(i) for i in range(3)))
    found, _, error = reads(pack(data), name="capture.pcap")
    assert (error, payloads(found)) == (None, [v5(i) for i in range(3)])
    # Members one after another, as `cat a.gz b.gz` makes them; zeros are a tape's padding.
    padding = bytes(512) if pack is gzip.compress else b""
    found, _, error = reads(pack(data[:50]) + padding + pack(data[50:]))
    assert (error, payloads(found)) == (None, [v5(i) for i in range(3)])


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gz", "zst"])
def test_a_cut_packed_file_gives_what_lies_before(reads, pack):
    noise = random.Random(1)  # incompressible, so that half the file is half the packets
    sent = [v5(i)[:24] + noise.randbytes(480) for i in range(200)]
    packed = pack(pcap([(T, ethernet(ipv4(p))) for p in sent]))
    found, _, error = reads(packed[: len(packed) // 2])
    # zstd gives whole blocks of 128 KiB only, and this file is one.
    assert len(found) > 80 or pack is zstd.compress
    assert payloads(found) == sent[: len(found)]
    assert "cut off" in error
    assert "of the unpacked data" in error


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gz", "zst"])
def test_damaged_packed_data(reads, pack):
    packed = bytearray(pack(random.Random(2).randbytes(50_000)))
    packed[-6] ^= 0xFF
    packed[20:40] = bytes(20)
    _, _, error = reads(bytes(packed))
    assert error is not None


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_are_read_or_named(tmp_path, data):
    path = tmp_path / "any"
    path.write_bytes(data)
    gathered([path])


MAGICS = [
    pcap([], order=o, nano=n, link=link)
    for o in "<>"
    for n in (True, False)
    for link in LINK_LAYERS
] + [Pcapng(o).section() + Pcapng(o).interface() for o in "<>"]
MAGICS += [gzip.compress(b"")[:10], zstd.compress(b"")[:5], v5(), v9(), ipfix()]


@given(st.sampled_from(MAGICS), st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_bytes_behind_any_magic(tmp_path, magic, data):
    path = tmp_path / "any"
    path.write_bytes(magic + data)
    gathered([path])


@given(st.sampled_from(sorted(LINK_LAYERS)), st.binary(max_size=120), st.booleans())
@settings(max_examples=300)
def test_any_frame_never_raises(link, data, framed):
    tally = Tally()
    reader = Frames(tally)
    for frame in (data, ethernet(ipv4(b""))[:40] + data, ethernet(ipv6(b""))[:54] + data):
        reader.datagram(T, link if not framed else 1, frame)
    reader.finish()
    assert tally.packets == 3


@pytest.mark.parametrize("cut", [ipv4_fragments, ipv6_fragments])
@pytest.mark.parametrize("shuffle", [False, True])
def test_fragments_are_put_together(reads, cut, shuffle):
    sent = [v5(i, records=30) for i in range(3)]
    pieces = [cut(p, 504, number=i) for i, p in enumerate(sent)]
    # Interleaved, and each piece twice.
    packets = [group[k] for k in range(3) for group in pieces] * (1 if shuffle else 2)
    if shuffle:
        random.Random(3).shuffle(packets)
    found, tally, error = reads(pcap([(T, ethernet(p)) for p in packets], nano=True))
    assert error is None
    assert set(payloads(found)) == set(sent)
    assert tally.fragments_lost == 0
    assert {item[1] for item in found} == {PORT}


def test_fragments_that_never_come_are_counted(reads):
    first, _, third = ipv4_fragments(v5(0, records=30), 504)
    late = ipv4_fragments(v5(1, records=30), 504, number=2)
    wait = fragments.MAX_WAIT_NS
    times = [T, T, T, T + wait + 9999, T + wait + 9999]
    packets = [first, third, late[0], late[1], late[2]]
    found, tally, _ = reads(pcap([(t, ethernet(p)) for t, p in zip(times, packets, strict=True)]))
    assert found == []
    assert tally.fragments_lost == 3  # both, and what came too late for the second


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, True, bytes(16)), (8, True, bytes(16)), (24, False, bytes(8))],
        [(0, True, bytes(16)), (32, True, bytes(40)), (16, False, bytes(8))],
        [(65_528, False, bytes(16))],
        [(0, True, b"")],
    ],
    ids=["overlap", "beyond the end", "too long", "empty"],
)
def test_fragments_that_contradict_are_refused(pieces):
    waiting = fragments.Fragments()
    key = (ADDRESS4, COLLECTOR4, 1, 17)
    assert [waiting.add(key, at, more, data, T) for at, more, data in pieces][-1] is None
    assert waiting.lost == 1


def test_fragments_wait_in_bounded_memory():
    waiting = fragments.Fragments()
    for number in range(20_000):
        waiting.add((ADDRESS4, COLLECTOR4, number, 17), 0, True, bytes(1480), T)
    assert waiting._cost <= fragments.MAX_WAITING + 2_000
    waiting.finish()
    assert waiting.lost == 20_000
    assert waiting._cost == 0


def test_extension_headers(reads):
    found, _, _ = reads(pcap([(T, with_extensions(v5()))], link=101))
    assert payloads(found) == [v5()]


def test_an_unfragmented_fragment_header_is_passed_over(reads):
    found, _, _ = reads(pcap([(T, ipv6_fragments(v5(), 4096)[0])], link=101))
    assert payloads(found) == [v5()]


def test_mapped_addresses_show_as_ipv4(reads):
    mapped = bytearray(ipv6(v5()))
    mapped[8:24] = bytes(10) + b"\xff\xff" + ADDRESS4
    found, _, _ = reads(pcap([(T, bytes(mapped))], link=101))
    assert found[0][0] == "192.0.2.1"


def test_snap_length_cuts_are_counted_and_passed(reads):
    found, tally, error = reads(pcap([(T, ethernet(ipv4(v5(records=30))))], snap=200))
    assert error is None
    assert payloads(found) == [v5(records=30)[: 200 - 42]]
    assert (tally.cut, tally.datagrams) == (1, 1)


def test_lengths_of_zero_mean_all_that_is_there(reads):
    packet = bytearray(ipv4(v5()))
    packet[2:4] = packet[24:26] = b"\0\0"
    six = bytearray(ipv6(v5()))
    six[4:6] = b"\0\0"
    found, _, _ = reads(pcap([(T, bytes(packet)), (T, bytes(six))], link=101))
    assert payloads(found) == [v5(), v5()]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        ethernet(ipv4(v5()))[:30],
        ethernet(ipv4(v5()))[:38],
        bytes(12) + b"\x08\x06" + bytes(28),
        ethernet(b"\x45" + ipv4(v5())[1:9] + b"\x06" + ipv4(v5())[10:]),
        ethernet(b"\x41" + ipv4(v5())[1:]),
        bytes(12) + b"\x86\xdd" + ipv4(v5()),
        ethernet(ipv6(v5())[:6] + b"\x3a" + ipv6(v5())[7:]),
        ethernet(ipv4(v5())[:24] + b"\0\x07" + ipv4(v5())[26:]),
        bytes(12) + b"\x88\x47\0\x01\x01\x40\xff",
    ],
)
def test_what_is_no_udp_is_counted(reads, frame):
    found, tally, error = reads(pcap([(T, frame), (T, ethernet(ipv4(v5())))]))
    assert (payloads(found), error) == ([v5()], None)
    assert tally.not_udp == 1


def test_a_link_layer_that_is_not_read_is_named(reads):
    _, _, error = reads(pcap([(T, b"802.11")], link=105))
    assert "link layer 105" in error
    ng = Pcapng()
    mixed = ng.section() + ng.interface(link=105) + ng.interface()
    mixed += ng.packet(0, b"802.11") + ng.packet(0, ethernet(ipv4(v5())), interface=1)
    found, tally, error = reads(mixed)
    assert (len(found), tally.unknown_link, error) == (1, 1, None)


def test_captures_one_behind_the_other(reads):
    ng = Pcapng()
    parts = [
        pcap([(T, ethernet(ipv4(v5(0))))]),
        pcap([(T, ethernet(ipv4(v5(1))))], order=">", nano=True),
        ng.section() + ng.interface() + ng.packet(0, ethernet(ipv4(v5(2)))),
        pcap([(T, ipv4(v5(3)))], link=101),
    ]
    found, _, error = reads(b"".join(parts))
    assert (error, payloads(found)) == (None, [v5(i) for i in range(4)])
    found, _, error = reads(v5(0) + v9() + parts[1])
    assert (error, payloads(found)) == (None, [v5(0), v9(), v5(1)])


def test_a_damaged_pcap_names_packet_and_offset(reads):
    good = pcap([(T, ethernet(ipv4(v5())))])
    found, _, error = reads(good + struct.pack("<IIII", 1, 1, 2**31, 9))
    assert len(found) == 1
    assert "packet 2 of 2147483648 bytes" in error
    assert f"byte {len(good)}" in error


TEMPLATE = struct.pack(">HHHHHH", 256, 2, 8, 4, 12, 4)
BARE = {
    "v1": struct.pack(">HHIII", 1, 2, 0, 0, 0) + bytes(96),
    "v5": v5(3, records=2),
    "v7": struct.pack(">HHIIIII", 7, 1, 0, 0, 0, 0, 0) + bytes(52),
    "v9": v9((0, TEMPLATE), (256, bytes(16)), (1, bytes(20))),
    "v9, empty": v9(),
    "v9 with a reserved set": v9((17, bytes(4)), (256, bytes(8))),
    "IPFIX": ipfix((2, TEMPLATE), (256, bytes(8))),
}


# A v1 header behind v9 reads as an options template set; nobody mixes these.
PAIRS = [(a, b) for a in BARE for b in BARE if "v1" not in (a, b) or a == b or a in ("v5", "IPFIX")]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_bare_datagrams_are_cut_where_the_next_begins(reads, first, second):
    found, _, error = reads(BARE[first] + BARE[second] + BARE[first])
    assert (error, payloads(found)) == (None, [BARE[first], BARE[second], BARE[first]])
    assert {item[:3] for item in found} == {("", 0, NO_RECEIPT)}


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("change", [-5, 3, 6], ids=["short", "3 more", "6 more"])
def test_one_datagram_too_short_or_too_long_goes_whole_to_the_decoder(reads, name, change):
    data = BARE[name] + b"\xee" * change if change > 0 else BARE[name][:change]
    found, _, error = reads(data)
    assert (error, payloads(found)) == (None, [data])


@pytest.mark.parametrize(
    "data", [b"\x0e", b"\xff" * 21, b"\0", b"\0\x05", ipfix()[:3], b"\0\x0a\0\x03"]
)
def test_what_is_shorter_than_any_container_goes_to_the_decoder(reads, data):
    found, _, error = reads(data)
    assert (error, payloads(found)) == (None, [data])


def test_an_endless_datagram_is_an_error_with_its_offset(reads):
    found, _, error = reads(v5() + v5() + b"\xee" * 70_000)
    assert payloads(found) == [v5()]
    assert "byte 72" in error


@given(st.lists(st.sampled_from(sorted(set(BARE) - {"v1"})), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_row_of_datagrams(tmp_path, names):
    path = tmp_path / "row"
    path.write_bytes(b"".join(BARE[name] for name in names))
    found, _, error = gathered([path])
    assert (error, payloads(found)) == (None, [BARE[name] for name in names])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\x0c\xa5\x01\0" + bytes(40), "nfcapd"),
        (b"\xa5\x0c\0\x01" + bytes(40), "nfcapd"),
        (b"\xcf\x10\x01\x03" + bytes(40), "flow-tools"),
        (struct.pack(">II", 5, 1) + bytes(40), "sFlow"),
        (b"StartTime,Dur,Proto\n", "Argus"),
        (b"hello, this is no capture\n" * 20, "is text"),
        ("Grüße vom Netz\n".encode() * 60, "is text"),
        (b"BZh91AY" + bytes(30), "bzip2"),
        (b"PK\x03\x04" + bytes(30), "zip"),
        (bytes(257) + b"ustar" + bytes(300), "tar"),
        (b"\x7fELF" + bytes(40), "unknown format (it begins with 7f 45 4c 46)"),
        (gzip.compress(b"text in gzip", mtime=0), "is text"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\x1f\x8b", "cut off"),
    ],
)
def test_what_is_no_capture_is_named(reads, data, says):
    found, _, error = reads(data)
    assert found == []
    assert says in error
    assert "capture: " in error


def test_paths_that_are_wrong(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "good").write_bytes(v5())
    for path, says in (
        (tmp_path / "missing", "No such file"),
        (tmp_path / "empty", "no file in this folder"),
        ("nul\0byte", "give a capture"),
    ):
        # Before anything is read: no half of a result where a name is mistyped.
        found, _, error = gathered([tmp_path / "good", path])
        assert found == []
        assert says in error


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    (tmp_path / "good").write_bytes(v5())

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(streams.Path, "open", refuse)
    assert "Permission denied" in gathered([tmp_path / "good"])[2]


def test_a_disk_that_fails_is_named(tmp_path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, n=-1):
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(100)

    (tmp_path / "capture").write_bytes(b"x")
    data = v5() + v5()
    monkeypatch.setattr(streams, "_open", lambda _: Failing(data))
    found, _, error = gathered([tmp_path / "capture"])
    assert payloads(found)[0] == v5()
    assert "Input/output error" in error


def test_a_folder_is_its_files_by_name(tmp_path):
    for name, i in (("b.pcap", 1), ("a.bin", 0), ("c.gz", 2), (".hidden", 3)):
        data = v5(i) if i != 1 else pcap([(T, ethernet(ipv4(v5(1))))])
        (tmp_path / name).write_bytes(gzip.compress(data) if i == 2 else data)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d").write_bytes(v5(4))
    found, _, error = gathered([tmp_path])
    assert (error, payloads(found)) == (None, [v5(0), v5(1), v5(2)])
    assert len(expand([str(tmp_path)])) == 3
    assert total_bytes([str(tmp_path)]) == sum(
        (tmp_path / n).stat().st_size for n in ("a.bin", "b.pcap", "c.gz")
    )


class OnlyForwards(io.RawIOBase):
    """Stdin of a pipe: no seeking, short reads."""

    def __init__(self, data):
        self.rest = data

    def readable(self):
        return True

    def readinto(self, into):
        n = min(len(into), 100, len(self.rest))
        into[:n], self.rest = self.rest[:n], self.rest[n:]
        return n


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_stdin(monkeypatch, pack):
    data = pack(pcap([(T, ethernet(ipv4(v5(i)))) for i in range(5)]))
    stdin = io.TextIOWrapper(io.BufferedReader(OnlyForwards(data)))
    monkeypatch.setattr("sys.stdin", stdin)
    found, _, error = gathered(["-"])
    assert (error, payloads(found)) == (None, [v5(i) for i in range(5)])
    assert total_bytes(["-"]) is None
    assert not stdin.closed


def test_stdin_that_is_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    assert "is a terminal" in gathered(["-"])[2]


def test_batches_and_progress(tmp_path, monkeypatch):
    path = tmp_path / "many"
    path.write_bytes(pcap([(T, ethernet(ipv4(v5(i), port=i % 7 + 1))) for i in range(25)]))
    seen = []
    sources = Sources()
    batches = list(read([str(path)] * 2, sources, batch=10, on_progress=seen.append))
    assert [len(batch) for batch in batches] == [10, 10, 10, 10, 10]
    assert sum(seen) == total_bytes([str(path)] * 2) == 2 * path.stat().st_size
    assert len(sources.table) == 8
    monkeypatch.setattr(files, "BATCH_BYTES", 200)
    assert [len(batch) for batch in read([str(path)], Sources())][:2] == [3, 3]


def test_forged_sources_take_bounded_memory(reads, monkeypatch):
    monkeypatch.setattr(files, "_NAMED_SOURCES", 4)
    made = pcap([(T, ethernet(ipv4(v5(i), port=i % 9 + 1))) for i in range(30)])
    found, _, _ = reads(made)
    assert [item[1] for item in found] == [i % 9 + 1 for i in range(30)]


def test_a_stream_skips_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", 64)
    ng = Pcapng()
    (tmp_path / "f").write_bytes(
        ng.section() + ng.interface() + ng.block(0x0BAD, bytes(1000))
        + ng.packet(0, ethernet(ipv4(v5())))
    )  # fmt: skip
    assert payloads(gathered([tmp_path / "f"])[0]) == [v5()]
