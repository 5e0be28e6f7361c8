"""docker/ where an engine answers: built, started with one command, and traffic arrives."""

import json
import urllib.request

import pytest
from pytest_docker.plugin import DockerComposeExecutor, Services, get_docker_services
from services import docker_answers, eventually, unavailable

from .compose import DOCKER

PATIENCE = 240.0


@pytest.fixture(scope="module", autouse=True)
def engine():
    if not docker_answers():
        unavailable("docker", "no engine answers: the stack of docker/ is not started")


@pytest.fixture
def stack(monkeypatch):
    """`stack(file, setup)` starts one; it is removed with its volumes at the end."""
    started = []

    def start(name: str, setup: str = "up --build --wait -d") -> Services:
        project = f"flowsleuth-test-{name.replace('.', '-')}"
        services = get_docker_services(
            "docker compose", str(DOCKER / name), project, [setup], ["down -v"]
        )
        found = services.__enter__()
        started.append(services)
        return found

    monkeypatch.setenv("NETFLOW_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("GRAFANA_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("INFLUX_LISTEN", "127.0.0.1:0")
    yield start
    for services in started:
        services.__exit__(None, None, None)


def execute(services: Services, command: str) -> str:
    executor: DockerComposeExecutor = services._docker_compose
    return executor.execute(command).decode()


def test_everything_starts_with_one_command_and_shows_the_demos_spike(stack):
    services = stack("compose.yaml", "--profile demo up --build --wait -d")
    password = execute(services, "exec -T flowsleuth cat /secrets/grafana-password")
    url = f"http://127.0.0.1:{services.port_for('grafana', 3000)}"
    query = {
        "queries": [
            {
                "refId": "A",
                "datasource": {"uid": "flowsleuth", "type": "influxdb"},
                "rawQuery": True,
                "resultFormat": "table",
                "query": 'SELECT sum("bytes") FROM "detail"."talkers" WHERE "port" = \'14857\' '
                "AND time > now() - 2h",
            }
        ],
        "from": "now-2h",
        "to": "now",
    }
    manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
    manager.add_password(None, url, "admin", password.strip(), is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))

    def spike() -> bool:
        request = urllib.request.Request(
            f"{url}/api/ds/query", json.dumps(query).encode(), {"Content-Type": "application/json"}
        )
        with opener.open(request, timeout=30) as answer:
            frames = json.load(answer)["results"]["A"].get("frames", [])
        values = [v for f in frames for column in f["data"]["values"][1:] for v in column]
        return sum(values) > 10**9

    assert eventually(spike, PATIENCE)
    with opener.open(f"{url}/api/dashboards/uid/flowsleuth-networks", timeout=30) as answer:
        assert json.load(answer)["dashboard"]["uid"] == "flowsleuth-networks"


def test_the_ingester_is_healthy_and_nobody(stack):
    """`up --wait` returns when the health checks say so."""
    services = stack("compose.influxdb.yaml")
    assert execute(services, "exec -T flowsleuth id -u").strip() == "10001"
    for command in ("touch /etc/x", "which pip gcc"):
        with pytest.raises(Exception, match="Command"):
            execute(services, f"exec -T flowsleuth {command}")
