"""`flowsleuth decode` as a test sees it: exit status, one object per record, the lines on stderr.

It runs in this process (a hundred captures, each with half a second of imports, would not be a
fast test); test_process.py runs the few that must be a real process.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

Record = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the command did."""

    status: int
    records: list[Record]
    errors: list[str]


def decode(paths: list[Path]) -> Outcome:
    """Run `flowsleuth decode PATH…`; a bug in the command is raised here, with its traceback."""
    from flowsleuth.cli import DEBUG, main

    status: object = 0
    arguments = ["flowsleuth", "decode", *map(str, paths)]
    with CliRunner(env={DEBUG: "1"}).isolation() as streams, patch.object(sys, "argv", arguments):
        try:
            main()
        except SystemExit as done:
            status = done.code
        stdout, stderr = (stream.getvalue().decode() for stream in streams[:2])
    return Outcome(
        int(status or 0),
        [json.loads(line) for line in stdout.splitlines()],
        [line for line in stderr.splitlines() if line],
    )
