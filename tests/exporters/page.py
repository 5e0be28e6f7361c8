"""The commands printed in docs/exporters.md, which are the ones that the tests run.

The page is the only place where an exporter's options stand. A test takes a block of it and puts
its own interface, version and collector where the page has an example's; what it must add, so that
several tests do not meet (a pid file, a filter), stands in `programs` and `watch`.
"""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exporters.md"

USED = {
    "softflowd watches": "softflowd -i",
    "softflowd reads": "softflowd -d -c none -r",
    "pmacctd": "nfprobe_receiver:",
    "fprobe": "fprobe -i",
}
"""The blocks by what they are for, and words that only this block has."""

INTERFACE, CAPTURE, COLLECTOR = "eth0", "traffic.pcap", "192.0.2.10:2055"
"""What the page's examples watch or read, and where they send."""

_BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"(-v |nfprobe_version: )9\b")


def blocks() -> list[str]:
    """Return the page's blocks of code."""
    return _BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def printed(purpose: str, version: int, port: int, **instead: str) -> str:
    """Return a block for one version and a collector on the loopback.

    Keywords: `interface` or `capture`, in place of the page's.
    """
    (block,) = [block for block in blocks() if USED[purpose] in block]
    text = _VERSION.sub(rf"\g<1>{version}", block).replace(COLLECTOR, f"127.0.0.1:{port}")
    examples = {"interface": INTERFACE, "capture": CAPTURE}
    for name, value in instead.items():
        assert examples[name] in text, f"{PAGE.name}: {purpose}: no {examples[name]}"
        text = text.replace(examples[name], value)
    return text
