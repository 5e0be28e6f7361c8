"""A fresh virtual environment with nothing but the built wheel and what it needs."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from services import unavailable

WHEELS = Path(sys.prefix) / "wheel"
"""Where `make wheel` leaves it."""


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one of the tests' processes in at a time."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that is tested."""
    found = sorted(WHEELS.glob("*.whl"))
    return found[0] if found else unavailable("wheel", "`make wheel` builds it")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def fresh(wheel: Path, shared: Path) -> Path:
    """The environment's folder; made once, by `pip install --no-compile`, without pip in it."""
    folder = shared / "fresh"
    with _alone(shared / "fresh.lock"):
        if not (folder / "made").exists():
            _make(folder, wheel)
    return folder


def _make(folder: Path, wheel: Path) -> None:
    run = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)]
    subprocess.run(run, check=True, timeout=60)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder)]
    ran = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", str(wheel)],
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    if ran.returncode:
        last = (ran.stderr.strip() or "pip says nothing").splitlines()[-1]
        unavailable("pip", f"cannot install the wheel's dependencies: {last}")
    (folder / "made").touch()
