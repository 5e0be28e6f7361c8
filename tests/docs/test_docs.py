"""The documents cannot lie: what they list is what the code has, and their examples work."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from click import Context

from flowsleuth.cli import COMMANDS, group
from flowsleuth.config import parse

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if p.is_file())
MADE = runpy.run_path(str(ROOT / "docs" / "make_tables.py"))["PAGES"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE_ROW = re.compile(r"^\| `([^`|]+)` \|", re.MULTILINE)


def section(text: str, heading: str) -> str:
    """Return what stands between a heading and the next of its rank."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"no heading {heading!r}"
    return found[2]


@pytest.mark.parametrize("page", MADE)
def test_pages_made_from_tables_are_current(page):
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == MADE[page](), f"docs/{page} is behind: `make docs`"


def test_the_readme_has_a_picture_a_comparison_and_every_page():
    assert README.count("](docs/images/") == 1
    assert section(README, "How does it compare?").count("\n|") > 5
    linked = set(re.findall(r"\]\((docs/[a-z]+\.md)\)", README))
    assert {page.relative_to(ROOT).as_posix() for page in ROOT.glob("docs/*.md")} <= linked


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_an_example(name):
    command = group.get_command(Context(group), name)
    assert command is not None
    # click keeps the help option that it makes first: the same for all who ask in this process
    names = group.context_settings["help_option_names"]
    shown = command.get_help(Context(command, info_name=name, help_option_names=names))
    assert re.search(rf"Examples?:\s+flowsleuth {name}\b", shown)


def test_every_runtime_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=~! ]", entry)[0] for entry in project["dependencies"]}
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert set(TABLE_ROW.findall(section(design, "Dependencies"))) == names


def test_the_readmes_configuration_is_valid(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "secret")
    examples = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert examples
    for example in examples:
        assert parse(example, "README.md").networks


def test_the_readmes_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", texts, re.MULTILINE))
    assert {"demo", "test"} <= named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
