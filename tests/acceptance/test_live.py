"""The long programs of bench/ in small: the real `collect` before a real InfluxDB.

Their full sizes (10 million pairs, ten minutes) are `python bench/scan.py --full` and
`python bench/away.py --full`; what they demand is the same.
"""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


def run(*arguments: str) -> str:
    """Run a program of bench/; return what it says."""
    ran = subprocess.run(
        [sys.executable, BENCH / arguments[0], *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.usefixtures("influxd")
def test_a_scan_is_bounded_and_hides_nobody():
    said = run("scan.py", "--pairs", "100000")
    assert said.count("series") == 4
    assert said.count("dropped by the kernel: 0") == 2


@pytest.mark.usefixtures("influxd")
def test_what_came_while_influxdb_was_away_is_there_once():
    assert "left in it 0 bytes" in run("away.py", "--seconds", "5")
