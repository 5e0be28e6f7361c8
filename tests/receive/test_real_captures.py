"""Every file of shared/captures: as many datagrams as its README counted, or the format's name."""

from pathlib import Path

import pytest

from flowsleuth.errors import InputError
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

FOLDER = Path(__file__).parents[2].parent / "shared" / "captures"

DIFFER = {
    "logstash/netflow5.dat": 12,
    "opennms-lokahi/adapter/netflow5.dat": 12,
    "opennms-lokahi/flows/netflow5.dat": 12,
}
"""The README's walker stopped after the first datagram. Behind it stand eleven more headers, each
where the count of the one before says, and whose flow_sequence goes on (0, 2, 6, 10, 14 ...)."""

NAMES = {
    "nfcapd": "nfcapd",
    "flow-tools": "flow-tools",
    "text": "text",
    "unknown": "unknown format",
}


def listed():
    """Return (file, container, datagrams) of the README's table."""
    readme = FOLDER / "README.md"
    rows = []
    for line in readme.read_text().splitlines() if readme.exists() else []:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 11 and cells[0] != "file" and set(cells[0]) != {"-"}:
            rows.append((cells[0], cells[5], cells[9]))
    return rows


def count(name):
    return sum(len(batch) for batch in read([str(FOLDER / name)], Sources()))


@pytest.mark.skipif(not listed(), reason="../shared/captures is not here")
def test_every_capture():
    wrong = {}
    for name, container, datagrams in listed():
        if "sFlow" in datagrams:
            expected = 1 if container == "pcap" else "sFlow"
        elif datagrams:
            expected = DIFFER.get(name, int(datagrams))
        else:
            expected = next(says for word, says in NAMES.items() if container.startswith(word))
        try:
            found = count(name)
        except InputError as error:
            found = str(error)
        if found != expected and not (isinstance(expected, str) and expected in str(found)):
            wrong[name] = (expected, found)
    assert wrong == {}
    assert len(listed()) >= 155
