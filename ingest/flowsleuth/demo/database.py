"""Where the demo's points go: the first InfluxDB that can be had here, or none.

A container where a Docker engine answers; else an influxd that is there, or that Go builds once;
else none, and the points go into a file.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flowsleuth.config import Influx
from flowsleuth.demo.influxd import LocalInfluxd, build_influxd, find_influxd
from flowsleuth.errors import ServiceError
from flowsleuth.write.server import Trouble, connect, request

IMAGE = "influxdb:1.8"
ENGINE_LIMIT_S, PULL_LIMIT_S, ANSWER_LIMIT_S = 20, 300, 60

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Database:
    """A running InfluxDB: what it is, and what `influx:` in a configuration takes."""

    what: str
    url: str
    token: str = ""
    org: str = ""


@contextmanager
def open_database(say: Say) -> Iterator[Database | None]:
    """Yield an InfluxDB which ends with the block, or None when none can be had; `say` hears why.

    Nothing of it outlives the block: its data are the demo's own.
    """
    if _docker_answers():
        try:
            container = _run_container(say)
        except ServiceError as error:
            say(f"{error}; looking for influxd instead")
        else:
            try:
                yield _wait_for(container)
            finally:
                _docker("rm", "--force", "--volumes", container, limit=60)
            return
    try:
        binary = find_influxd() or build_influxd(say)
    except ServiceError as error:
        say(f"{error}: the points go into a file as line protocol")
        yield None
        return
    with LocalInfluxd(binary) as server:
        yield Database(f"InfluxDB {server.kind} ({binary})", server.url, server.token, server.org)


def _docker(*arguments: str, limit: float) -> str:
    """Return what `docker ARGUMENTS` prints; raises ServiceError with its last line."""
    docker = shutil.which("docker")
    if docker is None:
        raise ServiceError("no docker here")
    try:
        return subprocess.run(  # noqa: S603  docker, with our own arguments
            [docker, *arguments], capture_output=True, text=True, check=True, timeout=limit
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        raise ServiceError(f"docker {arguments[0]}: no answer in {limit:.0f} s") from None
    except (subprocess.CalledProcessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise ServiceError(f"docker {arguments[0]}: {said[-1] if said else error}") from None


def _docker_answers() -> bool:
    """Return whether an engine is there, not only its client."""
    try:
        _docker("info", limit=ENGINE_LIMIT_S)
    except ServiceError:
        return False
    return True


def _run_container(say: Say) -> str:
    say(f"starting a container of {IMAGE} (the first time it is pulled)")
    return _docker("run", "--detach", "--publish", "127.0.0.1::8086", IMAGE, limit=PULL_LIMIT_S)


def _wait_for(container: str) -> Database:
    """Return the container's database when it answers; raises ServiceError."""
    address = _docker("port", container, "8086/tcp", limit=ENGINE_LIMIT_S).splitlines()[0]
    found = Database(f"InfluxDB 1.8 (container of {IMAGE})", f"http://{address}")
    deadline = time.monotonic() + ANSWER_LIMIT_S
    with connect(Influx(url=found.url)) as client:
        while time.monotonic() < deadline:
            with suppress(*Trouble):
                if request(client, "GET", "/ping")[0] == 204:
                    return found
            time.sleep(0.2)
    raise ServiceError(f"{found.what} at {found.url} does not answer")
