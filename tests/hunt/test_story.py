"""The demo's capture: the first finding is the story's, on a terminal and in the report."""

import re
from datetime import datetime
from html import unescape

import pytest

from flowsleuth.cli.hunt import command
from flowsleuth.demo.world import ANOMALIES, STORY_PORT
from hunt.demo_story import CAPTURE, CONFIG, NOW, write_story

from .printed import printed


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The folder with capture, configuration and report, and what was printed on stdout."""
    folder = write_story(tmp_path_factory.mktemp("story"))
    return folder, printed(
        command, "-c", folder / CONFIG, folder / CAPTURE, "--html", folder / "report.html"
    )


def test_the_first_finding_is_the_storys_with_both_recurrences(story):
    _, out = story
    first = out.split("\n\n2 of 3")[0]
    culprit = ANOMALIES[-1]
    assert first.startswith(f"1 of 3  host {culprit.address}: udp port {STORY_PORT} out of Green\n")
    assert "Fri 27 Nov 2026 11:47 to 11:57 (10 min)" in first
    assert "The third time within 9 days, on 3 hosts." in first
    for earlier in ANOMALIES[:-1]:
        begin = datetime.fromtimestamp(NOW.timestamp() + earlier.start_s, NOW.tzinfo)
        assert re.search(rf"{begin:%a %d %b %Y %H:%M} to .*  {earlier.address}  1\d\.\d GB", first)


def test_the_page_prints_what_the_command_prints(story, pytestconfig):
    _, out = story
    page = (pytestconfig.rootpath / "docs" / "hunt.md").read_text(encoding="utf-8")
    assert f"```text\n{out}```\n" in page


def test_the_report_shows_it_and_loads_nothing(story):
    folder, _ = story
    text = (folder / "report.html").read_text(encoding="utf-8")
    first = unescape(text.split("<section>")[1])
    for anomaly in ANOMALIES:
        assert anomaly.address in first
    assert f"host {ANOMALIES[-1].address}: udp port {STORY_PORT} out of Green" in first
    assert first.count("<polygon") == 2
    assert not re.search(r"https?://|src=|href=|url\(|<script|<link|@import", text)
