"""What reads compose files here: Docker's plugin, or the library that it is made of, built with Go.

Both load the whole model: includes, interpolation, profiles, what depends on what.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from services import unavailable

from flowsleuth.demo.influxd import cache_folder

DOCKER = Path(__file__).resolve().parents[2] / "docker"
FILES = ("compose.yaml", "compose.influxdb.yaml", "compose.existing.yaml")
MODULE = "github.com/compose-spec/compose-go/v2/cmd@v2.9.0"


def _has_plugin() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return asked.returncode == 0


def _built() -> Path | None:
    """Return compose-go's command, built once into the user's cache folder."""
    folder = cache_folder() / "compose-go"
    if not (folder / "cmd").exists() and (go := shutil.which("go")):
        environment = os.environ | {"GOBIN": str(folder)}
        command = [go, "install", MODULE]
        subprocess.run(command, env=environment, capture_output=True, timeout=280, check=False)
    return folder / "cmd" if (folder / "cmd").exists() else None


@functools.cache
def reader() -> tuple[str, ...] | None:
    """Return the command before the file's name."""
    if _has_plugin():
        return ("sh", "-c", 'docker compose --profile "*" -f "$0" config --format json')
    built = _built()
    return None if built is None else (str(built), "-format", "json")


def model(name: str) -> dict[str, Any]:
    """Return a file of docker/ as compose understands it, or skip."""
    if (command := reader()) is None:
        unavailable("compose", "neither `docker compose` nor Go is here")
    command = (*command, name)
    ran = subprocess.run(
        command, cwd=DOCKER, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    read: dict[str, Any] = json.loads(ran.stdout)
    return read
