"""What is in the wheel and the sdist: everything that a user needs, and nothing else."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import flowsleuth

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHARE = "flowsleuth/share"


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {n: archive.read(n) for n in archive.namelist() if not n.endswith("/")}


@pytest.fixture(scope="module")
def content(wheel: Path) -> dict[str, bytes]:
    return files_of(wheel)


@pytest.mark.parametrize("folder", ["dashboards", "provisioning", "systemd"])
def test_the_wheel_has_what_grafana_and_systemd_read(content, folder):
    ours = {
        f"{SHARE}/{path.relative_to(ROOT)}": path.read_bytes()
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert ours
    assert {n: c for n, c in content.items() if n.startswith(f"{SHARE}/{folder}/")} == ours


def test_the_wheel_has_types_a_licence_and_nothing_of_the_tests(content):
    assert "flowsleuth/py.typed" in content
    assert any(name.endswith("/licenses/LICENSE") for name in content)
    tops = {
        name.split("/")[0].removesuffix(f"-{flowsleuth.__version__}.dist-info") for name in content
    }
    assert tops == {"flowsleuth"}
    assert not [name for name in content if "__pycache__" in name or "test" in name]


def test_the_version_stands_in_one_place(content):
    (metadata,) = (c.decode() for n, c in content.items() if n.endswith(".dist-info/METADATA"))
    assert f"\nVersion: {flowsleuth.__version__}\n" in metadata
    assert "version" not in PROJECT
    stated = re.compile(rf"version\S* *[:=] *[\"']{re.escape(flowsleuth.__version__)}[\"']")
    written = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.toml", "ingest/**/*.py", "docker/*", "docs/**/*", "provisioning/**/*")
        for path in ROOT.glob(pattern)
        if path.is_file() and path.suffix != ".png"
        if stated.search(path.read_text(encoding="utf-8"))
    ]
    assert written == ["ingest/flowsleuth/__init__.py"]


def test_only_what_keeps_heavy_things_away_is_an_extra():
    assert "optional-dependencies" not in PROJECT  # nothing that is left out would be heavy


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist, built and unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    name = build("build_sdist", folder, ROOT)
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


def build(hook: str, into: Path, source: Path) -> str:
    """Call a hook of PEP 517 in a process of its own; return the name of what it made."""
    program = f"import sys, hatchling.build as b; print(b.{hook}(sys.argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(into)],
        cwd=source, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return ran.stdout.strip().splitlines()[-1]


def test_the_sdist_gives_the_same_wheel(sdist, content, tmp_path):
    again = files_of(tmp_path / build("build_wheel", tmp_path, sdist))
    records = [name for name in content if name.endswith("/RECORD")]
    assert {n: c for n, c in again.items() if n not in records} == {
        n: c for n, c in content.items() if n not in records
    }


def test_the_sdist_has_what_a_packager_wants(sdist):
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        assert (sdist / name).read_bytes() == (ROOT / name).read_bytes()
    for folder in ("tests", "docs", "docker", "systemd"):
        assert any((sdist / folder).iterdir()), folder
