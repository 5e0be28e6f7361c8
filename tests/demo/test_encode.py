"""The encoder, read back by a reader that shares nothing with it."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.independent import Reader
from flowsleuth.demo.encode import Encoded, Encoder, Exporter, FlowColumns

SECOND, MILLISECOND = 1_000_000_000, 1_000_000
NOW = 1_800_000_000 * SECOND
EXPORTERS = {
    "v5": Exporter(5, 7, NOW - 10**6 * SECOND, sampling=512),
    "v9": Exporter(9, 7, NOW - 10**6 * SECOND),
    "v9 sampled": Exporter(9, 7, NOW - 10**6 * SECOND, 1000, {1: "lan", 2: "wan"}),
    "ipfix": Exporter(10, 2**32 - 1, NOW, interfaces={1: "lan"}),
    "ipfix sampled": Exporter(10, 8, NOW, sampling=100),
}
LONGEST = 1472


def flows(n: int, seed: int, *, v6: bool) -> FlowColumns:
    rng = np.random.default_rng(seed)
    is_v6 = rng.random(n) < (0.4 if v6 else 0)
    ends = rng.integers(0, 2**63, (2, n, 2)).astype(np.uint64)
    ends[:, ~is_v6, 0] = 0
    ends[:, ~is_v6, 1] %= np.uint64(2**32)
    end = NOW - rng.integers(0, 10**6, n) * MILLISECOND
    return FlowColumns(
        is_v6=is_v6, src=ends[0], dst=ends[1],
        src_port=rng.integers(0, 2**16, n), dst_port=rng.integers(0, 2**16, n),
        protocol=rng.integers(0, 256, n), tcp_flags=rng.integers(0, 256, n),
        in_if=rng.integers(0, 2**16, n), out_if=rng.integers(0, 2**16, n),
        bytes=rng.integers(0, 2**32, n), packets=rng.integers(0, 2**32, n),
        start_ns=end - rng.integers(0, 10**5, n) * MILLISECOND, end_ns=end,
    )  # fmt: skip


def datagrams(encoded: Encoded) -> list[bytes]:
    whole = encoded.data.tobytes()
    spans = zip(encoded.start.tolist(), encoded.length.tolist(), strict=True)
    return [whole[start : start + length] for start, length in spans]


def read(encoded: Encoded, reader: Reader | None = None) -> Counter:
    reader = reader or Reader()
    return Counter(
        tuple(vars(record).values())
        for payload in datagrams(encoded)
        for record in reader.read(("198.51.100.1", 1), payload)
    )


def expected(columns: FlowColumns, rate: int) -> Counter:
    def text(end: np.ndarray, is_v6: bool) -> str:
        number = int(end[0]) << 64 | int(end[1])
        return str(ip_address(number.to_bytes(16) if is_v6 else number))

    names = ("src_port", "dst_port", "protocol", "tcp_flags", "in_if", "out_if", "bytes",
             "packets", "start_ns", "end_ns")  # fmt: skip
    return Counter(
        (
            text(columns.src[i], bool(columns.is_v6[i])),
            text(columns.dst[i], bool(columns.is_v6[i])),
            *(int(getattr(columns, name)[i]) for name in names),
            rate,
        )
        for i in range(len(columns))
    )


@pytest.mark.parametrize("name", EXPORTERS)
@given(n=st.integers(0, 300), seed=st.integers(0, 2**32), ticks=st.integers(1, 5))
def test_what_is_encoded_is_read(name: str, n: int, seed: int, ticks: int) -> None:
    exporter = EXPORTERS[name]
    columns = flows(n, seed, v6=exporter.version != 5)
    export_ns = NOW + np.random.default_rng(seed).integers(0, ticks, n) * SECOND
    encoded = Encoder(exporter).encode(columns, export_ns)
    assert read(encoded) == expected(columns, exporter.sampling)
    assert set(encoded.export_ns.tolist()) == set(export_ns.tolist())
    assert encoded.length.max(initial=0) <= LONGEST
    assert encoded.length.sum() == len(encoded.data)


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_sequence_goes_on_in_the_unit_of_the_version(name: str) -> None:
    exporter = EXPORTERS[name]
    encoder, reader = Encoder(exporter), Reader()
    for call in range(3):
        columns = flows(200, call, v6=exporter.version != 5)
        read(encoder.encode(columns, np.full(200, NOW + call * SECOND)), reader)
    seen = reader.sequences["198.51.100.1", 1, exporter.domain]
    if exporter.version == 9:
        assert [sequence for sequence, _ in seen] == list(range(len(seen)))
    else:
        assert all(sequence == records for sequence, records in seen)


@pytest.mark.parametrize(
    ("name", "names"), [("v9 sampled", {1: "lan", 2: "wan"}), ("ipfix", {1: "lan"})]
)
def test_interface_names_are_announced(name: str, names: dict[int, str]) -> None:
    reader = Reader()
    read(Encoder(EXPORTERS[name]).encode(flows(3, 0, v6=True), np.full(3, NOW)), reader)
    assert {key[-1]: value for key, value in reader.names.items()} == names


def test_templates_come_first_and_again_when_it_is_time() -> None:
    exporter = replace(EXPORTERS["v9"], refresh_ns=60 * SECOND)
    encoder = Encoder(exporter)
    times = NOW // (60 * SECOND) * 60 * SECOND + np.arange(120) * SECOND
    with_templates = [
        d[20:22] == b"\0\0" for d in datagrams(encoder.encode(flows(120, 1, v6=False), times))
    ]
    assert [i for i, has in enumerate(with_templates) if has] == [0, 60]
    later = encoder.encode(flows(1, 2, v6=False), times[-1:])
    assert datagrams(later)[0][20:22] != b"\0\0"
    encoder.refresh()
    later = encoder.encode(flows(1, 2, v6=False), times[-1:])
    assert datagrams(later)[0][20:22] == b"\0\0"


def test_v5_has_no_ipv6() -> None:
    with pytest.raises(ValueError, match="no IPv6"):
        Encoder(EXPORTERS["v5"]).encode(flows(50, 1, v6=True), np.full(50, NOW))
