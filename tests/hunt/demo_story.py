"""The demo's two weeks at a time that docs/hunt.md prints, as a capture and a configuration.

docs/take_pictures.py takes the picture of the report from the same.
"""

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


def write_story(folder: Path, **more: object) -> Path:
    """Write CAPTURE and CONFIG into a folder, and return it. more: of the configuration."""
    with PcapWriter(folder / CAPTURE) as writer:
        for batch in Site(int(NOW.timestamp()) * 1_000_000_000, seed=1).history():
            writer.write(batch)
    settings = {"timezone": "UTC", "networks": networks(), **more}
    (folder / CONFIG).write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder
