"""Debian's exporters: how each is run over a capture or an interface, and what it says it sent.

Each stands in one table with the version it speaks, so that a test is one row. A program reads the
capture as fast as it can, sends, and ends; its own statistics are the expectation where it prints
some (softflowd), the known traffic where it does not (pmacctd, fprobe).
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SBIN = "/usr/sbin:/sbin"
"""Where Debian puts daemons: not on the PATH of a user."""


@dataclass(frozen=True)
class Said:
    """Bytes, packets and flow records which an exporter says that it exported."""

    bytes: int
    packets: int
    flows: int


@dataclass(frozen=True)
class Exporter:
    """A program and the version of NetFlow it is told to send (10 is IPFIX)."""

    program: str
    version: int

    @property
    def name(self) -> str:
        return f"{self.program}-v{self.version}"

    @property
    def families(self) -> tuple[int, ...]:
        """NetFlow v5 has no IPv6."""
        return (4,) if self.version == 5 else (4, 6)


EXPORTERS = [Exporter(p, v) for p in ("softflowd", "pmacctd") for v in (5, 9, 10)]
WATCHERS = [Exporter("pmacctd", 9), Exporter("pmacctd", 10), Exporter("fprobe", 5)]
"""Those that watch an interface. softflowd 1.1.0 asks libpcap for blocks without a timeout, so
little traffic stays in the ring (100 packets received, none processed): it reads captures."""


def find(program: str) -> str | None:
    """Return the program's path, or None."""
    return shutil.which(program) or shutil.which(program, path=SBIN)


def softflowd(capture: Path, port: int, version: int, sampling: int = 1) -> Said:
    """Let softflowd read the capture; return its own statistics.

    Without `-a` its header has the time of now and SysUptime 0: the flows lie before the boot, in
    the wrap of 32 bits, which is where a collector must find them.
    """
    command = [find("softflowd"), "-d", "-r", str(capture), "-n", f"127.0.0.1:{port}"]
    command += ["-v", str(version), "-p", str(capture.with_suffix(".pid")), "-c", "none"]
    if sampling > 1:
        command += ["-s", str(sampling)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return _softflowd_statistics(ran.stdout + ran.stderr)


_EXPORTED = re.compile(
    r"^Flows exported: \d+ \((\d+) records\) in \d+ packets \(0 failures\)", re.MULTILINE
)
_PROTOCOL = re.compile(r"^\s*\S.*\(\d+\):\s+(\d+)\s+(\d+)\s+[\d.]+s\s+[\d.]+s$", re.MULTILINE)


def _softflowd_statistics(text: str) -> Said:
    exported = _EXPORTED.search(text)
    assert exported, text
    rows = [(int(octets), int(packets)) for octets, packets in _PROTOCOL.findall(text)]
    octets, packets = (sum(column) for column in zip(*rows, strict=True))
    return Said(octets, packets, int(exported[1]))


_PMACCTD = """\
daemonize: false
{source}
plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tos
nfprobe_receiver: 127.0.0.1:{port}
nfprobe_version: {version}
"""


def pmacctd(capture: Path, port: int, version: int) -> None:
    """Let pmacctd with nfprobe read the capture; it says nothing of what it exported.

    Its status is 1 where the core notices the end of the plugin before it ends itself (one run in
    eight); the plugin has exported everything by then, and the test counts that.
    """
    config = capture.with_suffix(".pmacctd")
    config.write_text(
        _PMACCTD.format(source=f"pcap_savefile: {capture}", port=port, version=version)
    )
    command = [find("pmacctd"), "-f", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode in {0, 1}, ran.stderr


@contextmanager
def watching(exporter: Exporter, udp_port: int, to: int, folder: Path) -> Iterator[None]:
    """Let an exporter watch one UDP port of the loopback; when the block ends it flushes."""
    seen = f"udp port {udp_port}"
    if exporter.program == "pmacctd":
        config = folder / "watch.pmacctd"
        source = f"pcap_interface: lo\npcap_filter: {seen}"
        config.write_text(_PMACCTD.format(source=source, port=to, version=exporter.version))
        command = [find("pmacctd"), "-f", str(config)]
    else:
        command = [find("fprobe"), "-i", "lo", "-f", seen, f"-n{exporter.version}"]
        command += ["-l", "2", f"127.0.0.1:{to}"]
    with (folder / "exporter.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        time.sleep(_OPENING)
        assert process.poll() is None, (folder / "exporter.log").read_text()
        yield
        time.sleep(_OPENING)
        process.send_signal(signal.SIGINT if exporter.program == "pmacctd" else signal.SIGTERM)
        process.wait(15)
    finally:
        process.kill()
        process.wait()


_OPENING = 1.5
"""Seconds until an exporter has opened the interface, and until the kernel has handed it what
was sent (libpcap's block timeout); neither says when."""
