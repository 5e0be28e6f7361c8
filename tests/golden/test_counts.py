"""`flowsleuth decode` over every file of the captures: as many records as its README counted."""

import pytest

from . import catalogue
from .catalogue import CAPTURES, OTHER_FORMATS, Group, Row, each
from .command import decode
from .differs import COUNTED

pytestmark = pytest.mark.usefixtures("captures")

MALFORMED = [
    group
    for group in catalogue.NETFLOW
    if group.name not in COUNTED and any("MALFORMED" in row.special for row in group.rows)
]
"""What the README's walker found broken; each must show on stderr, as one of these words."""

SAID = ("malformed", "no version", "without a template")


def test_readme_is_read_whole():
    """Guard the parser: a changed table must not quietly become fewer tests."""
    files = [row.file for group in catalogue.GROUPS for row in group.rows]
    assert len(files) == len(set(files))
    assert len(files) >= 168
    assert all((CAPTURES / file).exists() for file in files)


@pytest.mark.parametrize("group", each(catalogue.NETFLOW))
def test_number_of_records(group: Group):
    outcome = decode(group.paths)
    assert outcome.status == 0, outcome.errors
    expected, _ = COUNTED.get(group.name, (group.records, ""))
    assert len(outcome.records) == expected


def test_counts_that_differ_still_do():
    counts = {group.name: group.records for group in catalogue.GROUPS}
    assert not [file for file, (ours, _) in COUNTED.items() if counts.get(file) == ours]


@pytest.mark.parametrize("group", each(MALFORMED))
def test_malformed_is_counted(group: Group):
    outcome = decode(group.paths)
    assert any(word in line for line in outcome.errors for word in SAID), outcome.errors


@pytest.mark.parametrize("row", each(catalogue.OTHERS))
def test_other_formats_are_named(row: Row):
    outcome = decode([CAPTURES / row.file])
    assert (outcome.status, outcome.records) == (1, [])
    (line,) = outcome.errors
    assert OTHER_FORMATS[row.format].lower() in line.lower()
    assert row.file.rsplit("/", 1)[-1] in line


@pytest.mark.parametrize("file", each(sorted(catalogue.NO_CAPTURE) if catalogue.GROUPS else []))
def test_what_says_nothing_is_refused(file: str):
    outcome = decode([CAPTURES / file])
    assert (outcome.status, outcome.records) == (1, [])
    (line,) = outcome.errors
    assert file.rsplit("/", 1)[-1] in line


@pytest.mark.parametrize("group", each([g for g in catalogue.NETFLOW if "netscaler" in g.name]))
def test_data_without_its_template_is_reported(group: Group):
    """What the logstash codec's golden for missing templates expects: no record, no error."""
    outcome = decode(group.paths[-1:])
    assert (outcome.status, outcome.records) == (0, [])
    assert any("template" in line for line in outcome.errors)
