"""Writes `dashboards/*.json`: run `python -m flowsleuth.grafana.write DIR` after a change."""

import json
import sys
from pathlib import Path

from flowsleuth.grafana import exporters, host, hunt, network, networks, wall
from flowsleuth.grafana.boards import finished

BOARDS = (
    wall.board,
    networks.board,
    network.board,
    hunt.board,
    host.board,
    exporters.board,
)
"""All dashboards; a new one is added here."""


def files() -> dict[str, str]:
    """Return the text of each dashboard's file by its name."""
    boards = (finished(board()) for board in BOARDS)
    return {f"{board['uid']}.json": json.dumps(board, indent=2) + "\n" for board in boards}


def main(folder: str) -> None:
    """Write the files into `folder`."""
    for name, text in files().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
