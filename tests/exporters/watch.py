"""Debian's exporters on an interface: known frames go over the loopback, they watch it.

The frames are Ethernet, sent by a packet socket, with a MAC address of their own: the exporter's
filter asks for that one, so that tests side by side do not see each other, and the kernel's IP
stack leaves them alone (they are for another host). What comes before an exporter has opened the
interface, or is still in libpcap's buffer when it ends, is never exported; so markers, flows
between addresses outside Network Green, go before and after the known frames until the exporter
says that it has seen them.

softflowd opens the interface without a timeout (libpcap then hands over a block of its ring only
when it is full, a thousand packets or so): the marker goes on until the known are processed.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services import eventually

from .page import printed
from .programs import (
    PMACCTD_TALKS,
    Exporter,
    command,
    find,
    pmacctd_said,
    softflowd_said,
)
from .traffic import Flow, Total, total

PATIENCE = 30.0
"""Seconds for an exporter to open the interface, to see what was sent, to end."""

FIRST, LAST = (Flow(f"198.51.100.{host}", "203.0.113.1", 17, 9, 9, (100,), 0.0) for host in (1, 2))
"""The markers before and after the known flows."""

_BURST = 200
"""Marker packets between two questions: far less than libpcap's ring (2 MB) holds."""


class Wire:
    """The loopback as a wire with one sender; needs CAP_NET_RAW, else PermissionError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("lo", 0))
        # Locally administered: no vendor has it (IEEE 802, 8.4).
        self._mac = b"\x02" + os.urandom(5)

    @property
    def filter(self) -> str:
        """The pcap filter that takes what this sender sends and nothing else."""
        return f"ether src {self._mac.hex(':')}"

    def send(self, flow: Flow, times: int = 1) -> None:
        for frame in list(flow.packets()) * times:
            self._socket.send(self._mac + self._mac + frame[12:])

    def close(self) -> None:
        self._socket.close()


def watch(exporter: Exporter, wire: Wire, flows: list[Flow], to: int, folder: Path) -> Total:
    """Let an exporter watch the flows on the wire; return what it says that it exported."""
    return _WATCH[exporter.program](exporter, wire, flows, to, folder)


def _softflowd(exporter: Exporter, wire: Wire, flows: list[Flow], to: int, folder: Path) -> Total:
    def control(order: str) -> str:
        # Relative, because the path of a Unix socket has at most 107 bytes.
        asked = [str(find("softflowctl")), "-c", "control", order]
        return subprocess.run(
            asked, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        ).stdout

    def all_seen() -> bool:
        found = re.search(r"^Packets processed: (\d+)$", control("statistics"), re.MULTILINE)
        if found and int(found[1]) > known.packets:
            return True
        wire.send(LAST, times=_BURST)
        return False

    known = total([flow for flow in flows if flow.family in exporter.families])
    arguments = command(printed("softflowd watches", exporter.version, to, interface="lo"))
    arguments += ["-d", "-p", "pid", "-c", "control", wire.filter]
    with _running(arguments, folder, lambda: bool(control("statistics"))) as process:
        for flow in flows:
            wire.send(flow)
        assert eventually(all_seen, PATIENCE), control("statistics")
        # What it read after the answer would be exported, but not be in the answer.
        control("stop-gather")
        control("expire-all")
        statistics = control("statistics")
        control("shutdown")
        process.wait(PATIENCE)
    return softflowd_said(statistics)


def _pmacctd(exporter: Exporter, wire: Wire, flows: list[Flow], to: int, folder: Path) -> Total:
    def seen(marker: Flow) -> bool:
        wire.send(marker)
        return re.search(rf"ADD FLOW .*\[{marker.src}\]", log.read_text()) is not None

    config, log = folder / "watch.pmacctd", folder / _LOG
    text = printed("pmacctd", exporter.version, to, interface="lo")
    config.write_text(f"{text}{PMACCTD_TALKS}pcap_filter: {wire.filter}\n")
    # It misses packets just after it has opened the interface: only the sight of a marker says
    # that it watches.
    with _running(command(f"pmacctd -f {config.name}"), folder, lambda: seen(FIRST)) as process:
        for flow in flows:
            wire.send(flow)
        assert eventually(lambda: seen(LAST), PATIENCE), log.read_text()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    return pmacctd_said(log.read_text(), exporter)


def _fprobe(exporter: Exporter, wire: Wire, flows: list[Flow], to: int, folder: Path) -> Total:
    """fprobe says nothing of what it saw or sent: what was sent is the expectation.

    It drops what its queue has no room for (100 packets unless told), as it would in a burst.
    """
    arguments = command(printed("fprobe", exporter.version, to, interface="lo"))
    arguments[1:1] = ["-l", "2", "-q", "10000", "-f", wire.filter]
    with _running(arguments, folder, lambda: True) as process:
        time.sleep(_FPROBE_NEEDS)
        for flow in flows:
            wire.send(flow)
        time.sleep(_FPROBE_NEEDS)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    return total([flow for flow in flows if flow.family in exporter.families])


_FPROBE_NEEDS = 1.5
"""Seconds until fprobe has opened the interface, and until libpcap's timeout has handed it what was
sent; nothing says when."""

_WATCH: dict[str, Callable[[Exporter, Wire, list[Flow], int, Path], Total]] = {
    "softflowd": _softflowd,
    "pmacctd": _pmacctd,
    "fprobe": _fprobe,
}

_LOG = "exporter.log"


@contextmanager
def _running(
    arguments: list[str], folder: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen]:
    """Run an exporter in `folder`, the block from when it is ready."""
    with (folder / _LOG).open("w") as log:
        process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        started = eventually(lambda: process.poll() is not None or ready(), PATIENCE)
        assert started, (folder / _LOG).read_text()
        assert process.poll() is None, (folder / _LOG).read_text()
        yield process
    finally:
        process.kill()
        process.wait()
