"""What all tests share: the captures, the command line, Hypothesis's profiles, what was left out.

Tests leave out what cannot be had here (the captures of ../shared, a real InfluxDB, Debian's
exporters) by skipping with the reason; the summary's section "left out" says it once per reason.
FLOWSLEUTH_REQUIRE (`influxdb,captures`) turns the skip of what it names into a failure.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["services"]

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "captures"

hypothesis.settings.register_profile("default", deadline=None)
# The same examples on every run: a submission is judged by its own faults, not by luck.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures; without it the test is left out."""
    if CAPTURES.is_dir():
        return CAPTURES
    reason = "../shared/captures is not there"
    if "captures" in re.split(r"[ ,]+", os.environ.get("FLOWSLEUTH_REQUIRE", "")):
        pytest.fail(f"FLOWSLEUTH_REQUIRE names captures: {reason}", pytrace=False)
    pytest.skip(f"left out: {reason}")


@pytest.fixture
def run_cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_cli("decode", path)` runs the installed `flowsleuth` in an empty folder.

    Keywords: `stdin` (bytes or str), `timeout` in seconds, and others as environment variables.
    """
    command = Path(sys.executable).with_name("flowsleuth")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FLOWSLEUTH_")}

    def run(
        *arguments: object, stdin: str | bytes = "", timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [command, *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=tmp_path,
            env=inherited | environment,
            timeout=timeout,
            check=False,
        )
        return subprocess.CompletedProcess(
            ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode()
        )

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out and why, one line per reason."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        # (path, line, "Skipped: reason") is how pytest hands on a skip.
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ").removeprefix("left out: ")] += 1
    if reasons:
        terminalreporter.section("left out")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count} test{'s'[: count > 1]}: {reason}")
