"""The unit: systemd takes it without a word, it has no rights, and the daemon needs none."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from exporters.collecting import PATIENCE, free_port
from services import eventually, unavailable

from flowsleuth.config import Config

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = (SYSTEMD / "flowsleuth.service").read_text(encoding="utf-8")
LOWEST_EXPOSURE = 2.0
"""`systemd-analyze security` gives 0 for no rights to 10 for all; below 4.9 it says OK."""


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Z]\w+)=(.*)$", UNIT, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_it_is_hardened_as_promised():
    said = settings()
    assert said["DynamicUser"] == ["yes"]
    assert said["ProtectSystem"] == ["strict"]
    assert said["CapabilityBoundingSet"] == said["AmbientCapabilities"] == [""]
    assert said["StateDirectory"] == ["flowsleuth"]


@pytest.fixture
def analyze():
    program = shutil.which("systemd-analyze")
    return program or unavailable("systemd", "systemd-analyze comes with Debian's package systemd")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    copy = tmp_path / "flowsleuth.service"
    copy.write_text(UNIT.replace("/opt/flowsleuth/bin/flowsleuth", sys.executable))
    return copy


def test_systemd_has_nothing_to_say_about_it(analyze, unit):
    ran = subprocess.run(
        [analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_it_exposes_little(analyze, unit):
    ran = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "offline" in ran.stderr:
        unavailable("systemd", "its systemd-analyze is older than 250")
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", ran.stdout)[1]) <= LOWEST_EXPOSURE


def test_the_kernel_gives_the_buffer_that_is_asked_for():
    text = (SYSTEMD / "90-flowsleuth.conf").read_text(encoding="utf-8")
    assert re.findall(r"^net\.core\.rmem_max = (\d+)$", text, re.MULTILINE) == [
        str(Config().receive_buffer)
    ]


PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65

WITHOUT_RIGHTS = f"""
import ctypes, os, sys
prctl = ctypes.CDLL(None).prctl
for capability in range(64):
    prctl({PR_CAPBSET_DROP}, capability, 0, 0, 0)
prctl({PR_SET_NO_NEW_PRIVS}, 1, 0, 0, 0)
if prctl({PR_SET_MDWE}, 1, 0, 0, 0):
    sys.exit("this kernel knows no MDWE")
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_the_daemon_runs_without_capabilities_and_without_writable_code(tmp_path):
    """What CapabilityBoundingSet=, NoNewPrivileges= and MemoryDenyWriteExecute= leave."""
    config, log = tmp_path / "flowsleuth.yaml", tmp_path / "log"
    config.write_text(
        yaml.safe_dump(
            {
                "listen": [f"127.0.0.1:{free_port()}"],
                "influx": {"url": "http://127.0.0.1:9"},
                "health": "127.0.0.1:0",
                "state_dir": str(tmp_path / "state"),
            }
        )
    )
    command = [sys.executable, "-c", WITHOUT_RIGHTS, sys.executable, "-m", "flowsleuth"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "collect", "-c", str(config), "--workers", "2"],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        started = eventually(
            lambda: log.read_text().count("listening on") == 2 or process.poll() is not None,
            PATIENCE,
        )
        said = log.read_text()
        if "knows no MDWE" in said:
            unavailable("kernel", "Linux 6.3 is the first with PR_SET_MDWE")
        assert started, said
        assert process.poll() is None, said
        process.terminate()
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
