"""A Grafana of the tests' own: found, started on a free loopback port, ended by its pid.

A binary alone serves its API; its pages need the folder that Grafana was built or unpacked in,
which GRAFANA_HOME names. All that it writes is in a temporary folder.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_client import GrafanaApi

from flowsleuth.errors import ServiceError

START_LIMIT_S = 120
"""A fresh Grafana makes its database first: 20 s on two busy cores."""

Json = dict[str, Any]


@dataclass(frozen=True)
class GrafanaService:
    """A running Grafana. credential: a token, or user and password.

    pages: whether it has pages for a browser; influx_url: where it finds the tests' InfluxDB, if
    that is not where the tests find it.
    """

    url: str
    credential: str | tuple[str, str]
    pages: bool = True
    influx_url: str = ""

    @property
    def authorization(self) -> str:
        """The header that says who asks: the browser sends it with every request."""
        if isinstance(self.credential, str):
            return f"Bearer {self.credential}"
        return "Basic " + base64.b64encode(":".join(self.credential).encode()).decode()

    @contextlib.contextmanager
    def client(self) -> Iterator[GrafanaApi]:
        """A client of its API."""
        api = GrafanaApi.from_url(self.url, credential=self.credential, timeout=60)
        try:
            yield api
        finally:
            api.client.s.close()

    def ask(self, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Return status and answer of its API: a POST where there is a body."""
        request = urllib.request.Request(
            self.url.rstrip("/") + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": self.authorization},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            try:
                return error.code, json.loads(said)
            except ValueError:
                return error.code, {"message": said}


def named_grafana() -> GrafanaService | None:
    """Return the Grafana that GRAFANA_URL names, with GRAFANA_TOKEN, or _USER and _PASSWORD."""
    if not (url := os.environ.get("GRAFANA_URL")):
        return None
    user = os.environ.get("GRAFANA_USER", "admin")
    password = os.environ.get("GRAFANA_PASSWORD", "admin")
    return GrafanaService(url, os.environ.get("GRAFANA_TOKEN") or (user, password))


@contextlib.contextmanager
def own_grafana() -> Iterator[GrafanaService]:
    """The Grafana that GRAFANA_URL names, else one of our own; raises ServiceError."""
    if (named := named_grafana()) is not None:
        yield named
        return
    with local_grafana() as service:
        yield service


def find_grafana() -> tuple[Path, Path]:
    """Return the binary and its home; raises ServiceError that says what is missing."""
    binary = shutil.which("grafana")
    if binary is None:
        raise ServiceError("set GRAFANA_URL, or start Docker, or put `grafana` on the PATH")
    home = os.environ.get("GRAFANA_HOME")
    # A package puts it there.
    for folder in [Path(home)] if home else [Path("/usr/share/grafana"), Path(binary).parents[1]]:
        if (folder / "conf" / "defaults.ini").is_file():
            return Path(binary), folder
    raise ServiceError(f"{binary} is there, but not its folder: set GRAFANA_HOME")


@contextlib.contextmanager
def local_grafana(
    provisioning: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[GrafanaService]:
    """Run a Grafana until the block ends; raises ServiceError with its last words.

    provisioning: the folder whose files it reads at the start.
    """
    binary, home = find_grafana()
    with tempfile.TemporaryDirectory(prefix="flowsleuth-grafana-") as folder:
        port = _free_port()
        service = GrafanaService(
            f"http://127.0.0.1:{port}",
            ("admin", "admin"),
            pages=(home / "public" / "build").is_dir(),
        )
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [binary, "server", "--homepath", home],
                env=os.environ | _settings(Path(folder), port, provisioning) | (environment or {}),
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait(process, service, Path(folder) / "log")
            yield service
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _settings(folder: Path, port: int, provisioning: Path | None) -> dict[str, str]:
    if provisioning is None:
        provisioning = folder / "provisioning"
        for kind in ("alerting", "dashboards", "datasources", "plugins"):
            (provisioning / kind).mkdir(parents=True)
    return {
        "GF_PATHS_DATA": f"{folder}/data",
        "GF_PATHS_LOGS": f"{folder}/logs",
        "GF_PATHS_PLUGINS": f"{folder}/plugins",
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_SECURITY_ADMIN_USER": "admin",
        "GF_SECURITY_ADMIN_PASSWORD": "admin",
        "GF_LOG_LEVEL": "warn",
        # It evaluates a rule over a past time, which the tests' own evaluator is compared with.
        "GF_FEATURE_TOGGLES_ENABLE": "alertingBacktesting",
        # It asks nobody outside.
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
    }


def _wait(process: subprocess.Popen[bytes], service: GrafanaService, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(service):
            return
        time.sleep(0.2)
    lines = log.read_text(errors="replace").splitlines() or ["it says nothing"]
    raise ServiceError(f"grafana does not start: {lines[-1]}")


def answers(service: GrafanaService) -> bool:
    """Return whether it is up and its database too."""
    with contextlib.suppress(OSError):
        status, said = service.ask("/api/health")
        return status == 200 and said.get("database") == "ok"
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
