"""What honest time, exact totals and bounded series cost: this tree beside the first issue's.

BASE is the last commit of the first issue. It is checked out into a git worktree of its own, and
both trees run their own `throughput.ours` over the same traffic, each in its process, turn by turn,
so that a slow moment of the machine slows both. Exit status 1 where the ratio of the flows per CPU
second is below what is demanded.

    python bench/cost.py [FLOWS]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Self

BASE = "d4a6381148a715bdf3df7ea2f1b455bea4327cd0"
DEMANDED = 0.6
VERSIONS = {5: "v5", 9: "v9", 10: "IPFIX"}
ROUNDS = 3
FLOWS = 1_200_000

ROOT = Path(__file__).resolve().parents[1]

_TURNS = """\
import sys
from functools import lru_cache
from throughput import ours
from traffic import batches
batches = lru_cache(1)(batches)
for line in sys.stdin:
    version, flows = map(int, line.split())
    count, seconds = ours(batches(version, flows))
    print(count, seconds, flush=True)
"""
"""What a tree runs: for each line, VERSION FLOWS, it prints flows and CPU seconds."""


class Tree:
    """A source tree in a process of its own; a context manager."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join((str(folder / "ingest"), str(folder / "bench")))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TURNS],
            env={**os.environ, "PYTHONPATH": path},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def turn(self, version: int, flows: int) -> float:
        """Return flows per CPU second."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{version} {flows}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 2:
            sys.exit("a tree's benchmark has ended; its traceback is above")
        return int(answer[0]) / float(answer[1])


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Yield a folder with the tree of a commit, which goes with the block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "base"
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", folder, commit], cwd=ROOT, check=True
        )
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=False)


def is_known(commit: str) -> bool:
    """Return whether this is a clone that holds the commit."""
    if shutil.which("git") is None:
        return False
    asked = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 0


def main() -> None:
    """Print a row for each version."""
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else FLOWS
    if not is_known(BASE):
        print(f"left out: this is no clone with commit {BASE[:12]} (git fetch --unshallow?)")
        return
    missed = []
    print(f"{flows:,} flows, median of {ROUNDS} rounds, turn by turn with {BASE[:12]}")
    print("          this tree       the first issue   ratio   (demanded)")
    with worktree(BASE) as folder, Tree(folder) as base, Tree(ROOT) as here:
        for tree in (base, here):
            tree.turn(5, 100_000)  # imports and first touches are nobody's cost
        for version, name in VERSIONS.items():
            turns = [(here.turn(version, flows), base.turn(version, flows)) for _ in range(ROUNDS)]
            ours, theirs = (median(column) / 1e6 for column in zip(*turns, strict=True))
            ratio = median(a / b for a, b in turns)
            print(
                f"{name:6}  {ours:6.2f} M flows/s  {theirs:6.2f} M flows/s  "
                f"{ratio:6.2f}   ({DEMANDED})"
            )
            if ratio < DEMANDED:
                missed.append(name)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
