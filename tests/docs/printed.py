"""Every block that the documents print: the page, its language, its text."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if p.is_file())
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block. line: where it begins."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path | None = None) -> list[Block]:
    """Return the blocks of a page, or of all."""
    found = []
    for path in PAGES if page is None else [page]:
        text = path.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            inner = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
            found.append(Block(path.relative_to(ROOT).as_posix(), line, match[2], inner))
    return found


def commands(block: Block) -> list[str]:
    """Return the command lines of a block: continued lines joined, here-documents left out."""
    lines, until = [], ""
    for line in block.text.replace("\\\n", " ").splitlines():
        if until:
            until = "" if line == until else until
            continue
        if here := re.search(r"<<'(\w+)'", line):
            until = here[1]
        if line.strip() and not line.lstrip().startswith("#"):
            lines.append(line.strip())
    return lines
