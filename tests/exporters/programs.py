"""Debian's exporters: how each reads a capture, and what it says that it exported.

A program reads the capture as fast as it can, sends, and ends. What it says is the expectation:
softflowd prints statistics, pmacctd each flow that it expires (with `debug`). `watch` has the same
programs on an interface.
"""

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from .page import INTERFACE, printed
from .traffic import Total

SBIN = "/usr/sbin:/sbin"
"""Where Debian puts daemons: not on the PATH of a user."""


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


SOFTFLOWD, PMACCTD = (
    [Exporter(program, version) for version in (5, 9, 10)] for program in ("softflowd", "pmacctd")
)
EXPORTERS = SOFTFLOWD + PMACCTD
WATCHERS = [*EXPORTERS, Exporter("fprobe", 5)]


def find(program: str) -> str | None:
    """Return the program's path, or None."""
    return shutil.which(program) or shutil.which(program, path=SBIN)


def command(text: str) -> list[str]:
    """Return a command line as arguments, its program with the path."""
    program, *arguments = shlex.split(text)
    return [find(program) or program, *arguments]


def softflowd(capture: Path, port: int, version: int, *options: str) -> Total:
    """Let softflowd read the capture; return its own statistics.

    Without `-a` its header has the time of now and SysUptime 0: the flows lie before the boot, in
    the wrap of 32 bits, which is where a collector must find them.
    """
    arguments = command(printed("softflowd reads", version, port, capture=str(capture)))
    arguments += ["-p", str(capture.with_suffix(".pid")), *options]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=True)
    return softflowd_said(ran.stdout + ran.stderr)


_EXPORTED = re.compile(
    r"^Flows exported: \d+ \((\d+) records\) in \d+ packets \(0 failures\)", re.MULTILINE
)
_PROTOCOL = re.compile(r"^\s*\S.*\(\d+\):\s+(\d+)\s+(\d+)\s+[\d.]+s\s+[\d.]+s$", re.MULTILINE)


def softflowd_said(statistics: str) -> Total:
    """Return what softflowd's statistics say of the flows that expired."""
    exported = _EXPORTED.search(statistics)
    assert exported, statistics
    rows = [(int(octets), int(packets)) for octets, packets in _PROTOCOL.findall(statistics)]
    octets, packets = (sum(column) for column in zip(*rows, strict=True))
    return Total(octets, packets, int(exported[1]))


def pmacctd(capture: Path, port: int, exporter: Exporter) -> Total:
    """Let pmacctd with nfprobe read the capture; return what its log says.

    Its status is 1 where the core notices the end of the plugin before it ends itself (one run in
    eight); the plugin has exported everything by then, and the test counts that.
    """
    config = capture.with_suffix(".pmacctd")
    text = printed("pmacctd", exporter.version, port)
    source = f"pcap_interface: {INTERFACE}"
    assert source in text
    config.write_text(text.replace(source, f"pcap_savefile: {capture}") + PMACCTD_TALKS)
    arguments = command(f"pmacctd -f {shlex.quote(str(config))}")
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode in {0, 1}, ran.stderr
    return pmacctd_said(ran.stdout + ran.stderr, exporter)


PMACCTD_TALKS = "daemonize: false\ndebug: true\n"
"""Stay in the foreground and say each flow that expires."""

_EXPIRED = re.compile(
    r"EXPIRED: seq:\d+ \[(\S+)\]:\d+ <> .*"
    r"octets>:(\d+) packets>:(\d+) octets<:(\d+) packets<:(\d+)"
)


def pmacctd_said(log: str, exporter: Exporter) -> Total:
    """Return the sum over the flows that pmacctd's log calls expired.

    A flow has two directions, each a record if it has packets. With v5 the log names IPv6 too.
    """
    counts = [
        (int(octets), int(packets))
        for address, *both in _EXPIRED.findall(log)
        if ip_address(address).version in exporter.families
        for octets, packets in (both[:2], both[2:])
        if packets != "0"
    ]
    return Total(sum(o for o, _ in counts), sum(p for _, p in counts), len(counts))
