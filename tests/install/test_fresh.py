"""The wheel in an empty environment: it has everything, it is small, and it writes and retries."""

import json
import os
import re
import subprocess
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from write.conftest import FakeServer, Told, fake

from flowsleuth import __version__
from flowsleuth.cli import COMMANDS

__all__ = ["fake"]

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 2**20
LIMIT_MB = 120


def run(fresh: Path, *command: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment away from the project's folder."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("FLOWSLEUTH", "PYTHON"))
    }
    return subprocess.run(
        [fresh / "bin" / command[0], *command[1:]],
        capture_output=True, text=True, timeout=120, cwd=fresh, check=False,
        env=environment | more.pop("env", {}), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(fresh: Path) -> dict[str, Distribution]:
    (site,) = fresh.glob("lib/python*/site-packages")
    return {d.metadata["Name"]: d for d in distributions(path=[str(site)])}


def size(files: list[Path]) -> float:
    """Megabytes on disk: whole blocks, as `du` counts them."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in files) / MEGABYTE


def own(distribution: Distribution) -> list[Path]:
    paths = (Path(str(distribution.locate_file(file))) for file in distribution.files or ())
    return [path for path in paths if path.is_file() and path.suffix != ".pyc"]


def test_the_commands_are_there_and_know_their_version(fresh):
    assert run(fresh, "flowsleuth", "--version").stdout == f"flowsleuth, version {__version__}\n"
    for name in COMMANDS:
        ran = run(fresh, "flowsleuth", name, "--help")
        assert (ran.returncode, ran.stderr) == (0, ""), name
        assert f"flowsleuth {name}" in ran.stdout


def test_everything_together_stays_small(fresh, installed):
    (site,) = fresh.glob("lib/python*/site-packages")
    everything = [p for p in site.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    total = size(everything)
    print(f"installed: {total:.1f} MB in {len(installed)} packages")  # noqa: T201
    assert total < LIMIT_MB
    assert "zstandard" not in installed  # 24 MB for what 2 MB do


def documented() -> dict[str, float]:
    """The packages of docs/design.md, "Dependencies", with their sizes in MB."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("\n## Dependencies\n")[2].partition("\n## ")[0]
    return {
        n: float(s) for n, s in re.findall(r"^\| `([^`]+)` \| ([\d.]+) \|", table, re.MULTILINE)
    }


def brought_by(name: str, installed: dict[str, Distribution]) -> set[str]:
    """Return the package and all that it needs here, in normal form."""
    known = {canonicalize_name(n): d for n, d in installed.items()}
    found, waiting = set(), [canonicalize_name(name)]
    while waiting:
        if (name := waiting.pop()) in found or name not in known:
            continue
        found.add(name)
        needs = map(Requirement, known[name].requires or ())
        waiting += [canonicalize_name(r.name) for r in needs if not r.marker or r.marker.evaluate()]
    return found


def test_the_documented_sizes_are_those_installed(installed):
    """Each with what it brings along, the largest first."""
    files = {canonicalize_name(n): own(d) for n, d in installed.items()}
    said = {n: mb for n, mb in documented().items() if canonicalize_name(n) in files}
    measured = {
        name: size([path for n in brought_by(name, installed) for path in files[n]])
        for name in said
    }
    print(measured)  # noqa: T201
    assert len(measured) >= 9
    for name, megabytes in measured.items():
        assert said[name] == pytest.approx(megabytes, rel=0.3, abs=1.5), name
    largest = sorted(measured, key=measured.__getitem__, reverse=True)[:3]
    assert list(said)[:3] == largest


def test_urllib3_is_the_one_that_grafana_client_brings(fresh):
    """niquests brings urllib3-future, whose files lie where influxdb-client looks for urllib3."""
    program = "import urllib3, influxdb_client.rest; print(urllib3.__version__)"
    version = run(fresh, "python", "-c", program).stdout.strip()
    assert int(version.split(".")[2]) >= 900, version


def test_writes_are_retried_there_until_they_are_taken(fresh, fake: FakeServer, tmp_path):
    """503 with Retry-After, a connection that is closed without an answer, then success."""
    capture = tmp_path / "five.nf"
    capture.write_bytes(v5())
    refusals = [
        Told(503, {"message": "busy"}, {"Retry-After": "0"}),
        None,
        Told(429, {"message": "slow"}),
    ]
    taken: list[bytes] = []

    def answer(asked):
        if asked.path == "/ping":
            return Told(headers={"X-Influxdb-Version": "1.8.10"})
        if asked.path == "/query":
            databases = {"name": "databases", "columns": ["name"], "values": [["flowsleuth"]]}
            policies = {"columns": ["name"], "values": [["autogen"], ["detail"]]}
            found = databases if "DATABASES" in asked.query["q"] else policies
            return Told(200, {"results": [{"series": [found]}]})
        if refusals:
            refusal = refusals.pop(0)
            if refusal is None:
                raise ConnectionAbortedError
            return refusal
        taken.append(asked.body)
        return Told()

    fake.answer = answer
    ran = run(
        fresh, "flowsleuth", "load", "--rebase", str(capture),
        env={"FLOWSLEUTH_CONFIG": configured(tmp_path, fake.url)},
    )  # fmt: skip
    assert (ran.returncode, refusals) == (0, []), ran.stderr
    lines = [line for body in taken for line in body.decode().splitlines()]
    assert lines
    assert len(set(lines)) == len(lines)
    traffic = [line for line in lines if line.startswith("traffic,")]
    assert sum(int(re.search(r"bytes=(\d+)i", line)[1]) for line in traffic) == 30 * 1000
    bodies = [a.raw for a in fake.asked if a.path == "/api/v2/write"]
    assert bodies[:4] == [bodies[0]] * 4  # the very same bytes each time


def configured(folder: Path, url: str) -> str:
    file = folder / "flowsleuth.yaml"
    file.write_text(json.dumps({"influx": {"url": url, "timeout_s": 5}}))
    return str(file)


def v5() -> bytes:
    """A datagram of 30 flows of 1000 bytes each (Cisco's NetFlow v5 format)."""
    head = b"".join(
        n.to_bytes(size, "big")
        for n, size in ((5, 2), (30, 2), (100_000, 4), (1_700_000_000, 4), (0, 4), (1, 4), (0, 4))
    )
    flow = b"\x0a\x01\x00\x01\xc0\x00\x02\x01" + bytes(8)
    flow += b"".join(n.to_bytes(4, "big") for n in (10, 1000, 50_000, 60_000))
    flow += (40_000).to_bytes(2, "big") + (443).to_bytes(2, "big") + b"\0\x18\x06" + bytes(9)
    assert len(flow) == 48
    return head + 30 * flow


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(fresh, shell):
    source = run(fresh, "flowsleuth", env={"_FLOWSLEUTH_COMPLETE": f"{shell}_source"})
    assert source.returncode == 0, source.stderr
    assert "flowsleuth" in source.stdout
    for words, completed in (
        ("flowsleuth col", "collect"),
        ("flowsleuth collect --wor", "--workers"),
    ):
        asked = words.split()
        ran = run(
            fresh, "flowsleuth",
            env={
                "_FLOWSLEUTH_COMPLETE": f"{shell}_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(asked) - 1) if shell != "fish" else asked[-1],
            },
        )  # fmt: skip
        assert completed in ran.stdout, (words, ran.stdout, ran.stderr)
