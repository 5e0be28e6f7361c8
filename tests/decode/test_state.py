"""The state that is kept over a restart."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.limits import Limits

from .wire import (
    BASIC,
    VARIABLE,
    Collector,
    basic,
    data,
    ipfix,
    options_template,
    record,
    template,
    v9,
)

FLOW = [*BASIC, (48, 1), (82, VARIABLE)]


def taught():
    collector = Collector()
    collector.hear(
        ipfix(
            template(256, FLOW),
            options_template(300, [(48, 2)], [(34, 4)]),
            data(300, record([(48, 2), (34, 4)], [3, 100])),
            options_template(301, [(10, 4)], [(82, 4)]),
            data(301, record([(10, 4), (82, 4)], [9, b"eth9"])),
        ),
        v9(options_template(300, [(1, 4)], [(34, 4)], 9)),
    )
    return collector


def restarted(state, limits=None):
    collector = Collector(limits)
    collector.decoder.import_state(state)
    return collector


def test_templates_samplers_and_names_survive():
    state = json.loads(json.dumps(taught().decoder.export_state()))
    collector = restarted(state)
    row = record(FLOW, [1, 2, 3, 4, 6, 7, 8, 3, b"x"])
    collector.hear(ipfix(data(256, row)), port=999)
    (seen,) = collector.records
    assert (seen["bytes"], seen["sampling_rate"], seen["interface_name"]) == (7, 100, "x")
    assert collector.decoder.interface_names == {("192.0.2.1", 9): "eth9"}
    assert collector.decoder.export_state()["sessions"][:2] == state["sessions"]


def test_sessions_that_learned_nothing_are_not_kept():
    collector = Collector()
    collector.hear(ipfix(data(256, basic())))
    assert collector.decoder.export_state() == {"version": 1, "sessions": [], "interface_names": []}


DAMAGED = {
    "another version": lambda s: s | {"version": 2},
    "no sessions": lambda s: {k: v for k, v in s.items() if k != "sessions"},
    "an extra key": lambda s: s | {"more": 1},
    "a template id": lambda s: damaged(s, "id", 3),
    "a field": lambda s: damaged(s, "fields", [[1, 2]]),
    "text": lambda s: damaged(s, "fields", [["a", 0, 4]]),
    "no dictionary": lambda s: [],
}


def damaged(state, key, value):
    state["sessions"][0]["templates"][0][key] = value
    return state


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_state_is_a_value_error_and_changes_nothing(name):
    state = json.loads(json.dumps(taught().decoder.export_state()))
    decoder = Decoder()
    with pytest.raises(ValueError, match="validation error"):
        decoder.import_state(DAMAGED[name](state))
    assert decoder.export_state()["sessions"] == []


def test_limits_hold_for_what_is_imported():
    state = taught().decoder.export_state()
    small = restarted(state, Limits(sessions=1, fields=2, samplers=0, interface_names=0)).decoder
    again = small.export_state()
    assert len(again["sessions"]) == 1
    assert again["interface_names"] == []


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(st.sampled_from(["version", "sessions", "interface_names"]), s)
        ),
    )
)
def test_anything_else_is_a_value_error(state):
    with pytest.raises(ValueError, match="validation error"):
        Decoder().import_state(state)


def streams_of(collector):
    return [(s.exporter, s.domain) for s in collector.decoder.streams.table[1:]]


def test_more_exporters_and_domains_can_be_told_apart_from_now_on():
    collector = Collector(Limits(exporters=1, domains=1))
    for address in ("192.0.2.1", "192.0.2.2"):
        for domain in (1, 2):
            collector.hear(ipfix(data(256, basic()), domain=domain), address=address)
    assert streams_of(collector) == [("192.0.2.1", 1), ("192.0.2.1", -1)]
    collector.decoder.tell_apart(10, 10)
    assert streams_of(collector)[2:] == [("192.0.2.1", 2), ("192.0.2.2", 1), ("192.0.2.2", 2)]
    heard = collector.hear(ipfix(data(256, basic()), domain=2), address="192.0.2.2")
    assert collector.decoder.streams.table[int(heard.stream[0])].exporter == "192.0.2.2"
    collector.decoder.tell_apart(1, 1)
    heard = collector.hear(ipfix(data(256, basic()), domain=2), address="192.0.2.2")
    assert collector.decoder.streams.table[int(heard.stream[0])].exporter == "192.0.2.2"
    heard = collector.hear(ipfix(data(256, basic())), address="192.0.2.9")
    assert heard.stream[0] == 0
