"""The records that a filter chooses are those which Debian's nfdump chooses."""

import nfcapd
import pytest
from golden.catalogue import CAPTURES

from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

from . import flows, reexported
from .expressions import EXPRESSIONS
from .stored import Stored

AS_THEY_ARE = {
    "derived/isp_sample_v9.pcap": "",
    "akvorado/netflow/nfv5.pcap": "mask",
    "graylog-plugin-netflow/pmacctd-netflow5.pcap": "",
    "logstash/netflow5.dat": "",
    "pmacct/100-IPFIXv10-CISCO/traffic-00.pcap": "",
    "pmacct/103-IPFIXv10-CISCO-pretag-JSON_encoding/traffic-00.pcap": "",
    "scapy/netflowv9.pcap": "",
    "telegraf/issue_14370/message.bin": "",
    "telegraf/netflow_v5_example/netflow_v5.bin": "",
}
"""Captures of unsampled flows which nfcapd 1.7.1 stores as they are, and the word whose field it
does not store (it has no prefix lengths of v5)."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Stored:
    nfcapd.demand()
    return Stored(flows.datagrams(), tmp_path_factory.mktemp("generated"))


def test_both_have_the_generated_flows(generated: Stored):
    assert generated.ours("any") == generated.theirs("any")
    assert generated.size == generated.ours("any").total() == 600


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_chooses_what_nfdump_chooses(expression: str, generated: Stored):
    chosen = generated.ours(expression)
    assert chosen == generated.theirs(expression)
    assert 0 < chosen.total() < generated.size


@pytest.mark.parametrize("file", AS_THEY_ARE)
@pytest.mark.usefixtures("captures")
def test_captures_as_they_are(file: str, tmp_path):
    nfcapd.demand()
    batches = read([str(CAPTURES / file)], Sources())
    datagrams = [batch.payload(i) for batch in batches for i in range(len(batch))]
    assert_agree(Stored(datagrams, tmp_path), AS_THEY_ARE[file])


@pytest.mark.usefixtures("captures")
def test_all_captures_sent_again(tmp_path):
    nfcapd.demand()
    assert_agree(Stored(reexported.datagrams(), tmp_path))


def assert_agree(stored: Stored, not_stored: str = "") -> None:
    assert stored.size
    for expression in ("any", *EXPRESSIONS):
        if not not_stored or not_stored not in expression:
            assert stored.ours(expression) == stored.theirs(expression), expression
