"""Debian's nfcapd and nfdump: what they make of datagrams, for tests that compare with them."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from services import eventually, unavailable

PATIENCE = 20
PACE = 0.002
"""Seconds between datagrams: nfcapd asks for no large receive buffer."""


def demand() -> None:
    """Leave the test out where they are not installed."""
    if not (shutil.which("nfcapd") and shutil.which("nfdump")):
        unavailable("nfdump", "not installed (Debian: apt install nfdump)")


def collected(datagrams: list[bytes], folder: Path) -> Path:
    """Return the file in which nfcapd stored what it received over UDP."""
    store = folder / "nfcapd"
    store.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(store), "-t", "3600"]
    with (folder / "nfcapd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        assert eventually(lambda: _bound(port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, ("127.0.0.1", port))
                time.sleep(PACE)
        time.sleep(0.5)
        process.terminate()
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    (stored,) = store.glob("nfcapd.2*")
    return stored


def _bound(port: int) -> bool:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def records(stored: Path) -> list[dict[str, Any]]:
    """Return all records as nfdump shows them in JSON."""
    found: list[dict[str, Any]] = json.loads(_nfdump(stored, "-o", "json"))
    return found


def chosen(stored: Path, expression: str, columns: str) -> list[list[str]]:
    """Return some columns (nfdump's %sa and so on) of the records that its filter chooses.

    Times are UTC. nfdump 1.7.1 refuses to filter by AS numbers, exported ones too, without a
    database of places (-G): the stored flows serve as one, in which it finds nothing.
    """
    shown = "fmt:" + columns.replace(" ", "|")
    text = _nfdump(stored, "-G", str(stored), "-q", "-N", "-6", "-o", shown, expression)
    if text.strip() == "No matching flows":
        return []
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]


def _nfdump(stored: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["nfdump", "-r", str(stored), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"TZ": "UTC"},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
