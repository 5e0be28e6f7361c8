"""docs/install.md by copy and paste, from the wheel, beside an InfluxDB and a Grafana that run.

Taken are the blocks of the page as they are printed, in their order, up to the doctor. Changed is
only what the page itself tells to change (the five lines of step 2), and places: folders of the
system become the test's, the UDP port a free one of the loopback. systemd's block is left out, and
two of the demo's fourteen days do.
"""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from docs.printed import ROOT, blocks
from exporters.collecting import free_port
from grafana.asking import ThroughGrafana
from grafana.filling import Page, Window
from services import drop, eventually

from flowsleuth.config import load
from flowsleuth.config.units import HOUR, MINUTE

PAGE = ROOT / "docs" / "install.md"
PATIENCE = 60.0


def steps() -> list[str]:
    """Return the shell blocks between the first heading of the short way and the next section."""
    text = PAGE.read_text(encoding="utf-8")
    begin = text[: text.index("\n## Beside the stack")].count("\n")
    end = text[: text.index("\n## Completion")].count("\n")
    found = [b.text for b in blocks(PAGE) if b.language == "sh" and begin < b.line < end]
    return [text for text in found if "systemctl" not in text]


@dataclass
class Place:
    """Where the page is followed: a folder for what is the system's, and what already runs."""

    folder: Path
    port: int
    values: dict[str, str]
    wheel: Path

    def here(self, text: str) -> str:
        """Return a block with the system's places replaced by ours."""
        for system in (
            "/opt/flowsleuth",
            "/etc/flowsleuth",
            "/var/lib/flowsleuth",
            "/tmp/demo.pcap",
        ):
            text = text.replace(system, f"{self.folder}{system}")
        text = text.replace("0.0.0.0:2055", f"127.0.0.1:{self.port}")
        return re.sub(
            r"^(INFLUX_URL|INFLUX_TOKEN|INFLUX_ORG|GRAFANA_URL|GRAFANA_TOKEN)=.*$",
            lambda found: f"{found[1]}={self.values[found[1]]}",
            text,
            flags=re.MULTILINE,
        )

    def environment(self) -> dict[str, str]:
        """Return the user's environment: what pip shall take for `flowsleuth` is our wheel."""
        hidden = ("FLOWSLEUTH", "GRAFANA", "PYTHON", "INFLUX", "GF_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        constraint = self.folder / "constraint.txt"
        constraint.write_text(f"flowsleuth @ {self.wheel.as_uri()}\n")
        return kept | {
            "PIP_CONSTRAINT": str(constraint),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",
        }


@pytest.fixture
def place(grafana, influxdb, wheel, tmp_path) -> Place:
    for folder in ("opt", "etc", "var/lib", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    token = grafana.credential
    if not isinstance(token, str):
        token = service_account(grafana)
    values = {
        "INFLUX_URL": influxdb.url,
        "INFLUX_TOKEN": influxdb.token,
        "INFLUX_ORG": influxdb.org,
        "GRAFANA_URL": grafana.url,
        "GRAFANA_TOKEN": token,
    }
    return Place(tmp_path, free_port(), values, wheel)


def service_account(grafana) -> str:
    """Make what step 2 asks for: a service account with the role Admin, and a token of it."""
    name = f"flowsleuth-{time.time_ns()}"
    _, made = grafana.ask("/api/serviceaccounts", {"name": name, "role": "Admin"})
    path = f"/api/serviceaccounts/{made['id']}/tokens"
    return grafana.ask(path, {"name": name})[1]["key"]


def bash(place: Place, script: str, state: Path) -> subprocess.CompletedProcess[str]:
    """Run blocks in one shell after the other, whose variables and PATH go on."""
    whole = f"set -e\n[ -f {state} ] && . {state}\n{place.here(script)}\nexport -p > {state}\n"
    return subprocess.run(
        ["bash", "-c", whole], cwd=place.folder, env=place.environment(),
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip


@pytest.mark.timeout(900)
def test_the_page_leads_to_the_demos_spike_on_the_networks_dashboard(place, grafana):
    state = place.folder / "state.sh"
    collect, doctor = "flowsleuth collect ", "flowsleuth doctor "
    began_ns = time.time_ns()
    try:
        for text in steps():
            if collect in text:
                process = started(place, text, state)
                continue
            text = text.replace("demo --write", "demo --days 2 --write")  # noqa: PLW2901
            if doctor in text:
                text = text.rstrip() + " --wait 2\n"  # noqa: PLW2901  the page waits 20 s
            ran = bash(place, text, state)
            # The doctor may find that nothing arrives: no exporter sends to this one.
            well = {0, 1} if doctor in text else {0}
            assert ran.returncode in well, f"{text}\n{ran.stdout}\n{ran.stderr}"
            assert "Traceback" not in ran.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert_doctor_is_content(ran.stdout)
        assert_spike_is_shown(grafana, began_ns)
    finally:
        bash(place, remove(), state)
        os.environ.update({k: v for k, v in place.values.items() if k.startswith("INFLUX_")})
        config = place.folder / "etc/flowsleuth/flowsleuth.yaml"
        if config.exists():
            for name, value in place.values.items():
                os.environ[name] = value
            drop(load(str(config)))
        for name in place.values:
            os.environ.pop(name, None)


def started(place: Place, text: str, state: Path) -> subprocess.Popen[bytes]:
    """Start the line that goes on until Ctrl-C; return when it listens."""
    log = place.folder / "collect.log"
    whole = f". {state}\nexec {place.here(text).strip()}\n"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", whole], cwd=place.folder, env=place.environment(),
            stdout=output, stderr=output,
        )  # fmt: skip
    assert eventually(
        lambda: "listening on" in log.read_text() or process.poll() is not None, PATIENCE
    )
    assert process.poll() is None, log.read_text()
    return process


def remove() -> str:
    """Return the page's own line that takes everything out of Grafana again."""
    (block,) = (b for b in blocks(PAGE) if "--remove" in b.text)
    return block.text.splitlines()[0]


def assert_doctor_is_content(said: str) -> None:
    wrong = re.findall(r"^wrong  ([a-z-]+):", said, re.MULTILINE)
    assert set(wrong) <= {"no-datagrams", "not-alive", "wrong-port", "stale", "rules-fail"}, said
    for words in ("InfluxDB", "dashboards are there", "the data source flowsleuth reaches"):
        assert words in said


def assert_spike_is_shown(grafana, began_ns: int) -> None:
    """Ask the first graph of Networks as the browser does: Green rises at the end."""
    status, said = grafana.ask("/api/dashboards/uid/flowsleuth-networks")
    assert status == 200, said
    board = said["dashboard"]
    panel = next(p for p in board["panels"] if p["type"] == "timeseries")
    window = Window(began_ns - 6 * HOUR, began_ns + 5 * MINUTE)
    asked = [t for t in panel["targets"] if t.get("rawQuery") or t.get("query")]
    rates: dict[str, list[float]] = {}
    for target, rows in (
        ThroughGrafana(grafana, "flowsleuth").answers(asked, Page(board), window).items()
    ):
        for row in rows:
            value = row.get("value")
            if value is not None:
                key = json.dumps([target, row.get("network"), row.get("direction")])
                rates.setdefault(key, []).append(abs(value))
    green = {key: values for key, values in rates.items() if '"Green"' in key}
    assert green, sorted(rates)
    highest = max(max(values) for values in green.values())
    usual = sorted(max(green.values(), key=max))[len(max(green.values(), key=max)) // 2]
    assert highest > 10 * usual, (highest, usual)
    assert highest > 50_000_000  # 15 GB within some minutes, in bits/s
