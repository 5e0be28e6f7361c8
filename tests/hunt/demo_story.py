"""The demo's two weeks at a time that docs/hunt.md prints, as a capture and a configuration.

docs/take_pictures.py takes the picture of the report from the same.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import yaml

from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.export import Site
from flowsleuth.demo.world import NETWORKS

NOW = datetime(2026, 11, 27, 11, 57, tzinfo=UTC)
"""The story began ten minutes before."""

CAPTURE, CONFIG = "two-weeks.pcap", "demo.yaml"


def networks() -> list[dict[str, object]]:
    """Return the demo's networks as the configuration has them."""
    return [
        {"name": n.name, "prefixes": [str(p) for p in (n.v4, n.v6) if p is not None]}
        for n in NETWORKS
    ]


TOLD = (4, 10, 13)
"""The days that have the story: the earlier occurrences, and the last."""


def write_story(folder: Path, days: Collection[int] = range(14), **more: object) -> Path:
    """Write CAPTURE and CONFIG into a folder, and return it.

    days: of the two weeks, to leave others out. more: of the configuration.
    """
    with PcapWriter(folder / CAPTURE) as writer:
        site = Site(int(NOW.timestamp()) * 1_000_000_000, seed=1)
        for day, batch in enumerate(site.history()):
            if day in days:
                writer.write(batch)
    settings = {"timezone": "UTC", "networks": networks(), **more}
    (folder / CONFIG).write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder
