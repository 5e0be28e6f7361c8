"""Each rule for clocks, alone and against the reference (seconds here, NOW is the receipt)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.aggregate.clocks import judge
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services

from .driving import Driven
from .reference import judged_times
from .traffic import NOW, SECOND, flows_of, record

AGE = 25 * 3600
WEEK = 7 * 24 * 3600

ENRICHER = Enricher(Networks([]), Services({}))


def judged(records, accepted_s=AGE):
    enriched, _ = ENRICHER.enrich(flows_of(records), {})
    judge(enriched, accepted_s * SECOND)
    return [
        (start, end, redated)
        for start, end, redated in zip(
            enriched.start_ns.tolist(),
            enriched.end_ns.tolist(),
            enriched.redated.tolist(),
            strict=True,
        )
    ]


def at(start, end, skew=0):
    """A record from `start` to `end`, by a clock that is `skew` behind ours, relative to NOW."""
    return record(
        start_ns=NOW + start * SECOND, end_ns=NOW + end * SECOND, export_ns=NOW - skew * SECOND
    )


RULES = {
    "right": (at(-5, -2), (-5, -2, False)),
    "skew of two minutes is none": (at(-125, -122, 120), (-125, -122, False)),
    "skew above two minutes shifts": (at(-126, -123, 121), (-5, -2, True)),
    "a clock ahead shifts back": (at(7195, 7198, -7200), (-5, -2, True)),
    "skew keeps durations": (at(-WEEK - 1800, -WEEK, WEEK), (-1800, 0, True)),
    "a minute into the future is right": (at(-5, 60), (-5, 60, False)),
    "more counts at its receipt": (at(-5, 61), (0, 0, True)),
    "the future after the shift counts too": (at(-3600, -3600 + 61, 3600), (0, 0, True)),
    "an end at the accepted age is right": (at(-AGE, -AGE), (-AGE, -AGE, False)),
    "an end before it counts at its receipt": (at(-AGE - 9, -AGE - 1), (0, 0, True)),
    "a start before it is cut": (at(-WEEK, -60), (-AGE, -60, False)),
    "a start after the end stays": (at(-2, -5), (-2, -5, False)),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule):
    given_record, (start, end, redated) = RULES[rule]
    assert judged([given_record]) == [(NOW + start * SECOND, NOW + end * SECOND, redated)]


SECONDS = st.integers(-30 * 3600, 200)


@given(
    st.lists(st.tuples(SECONDS, SECONDS, st.sampled_from([0, 119, 121, -7200])), min_size=1),
    st.sampled_from([2 * 3600, AGE]),
)
def test_rules_together_equal_the_reference(drawn, accepted_s):
    records = [at(start, end, skew) for start, end, skew in drawn]
    expected = [judged_times(r, accepted_s * SECOND) for r in records]
    assert judged(records, accepted_s) == expected


def test_a_long_session_is_spread_over_the_accepted_age_and_is_no_spike():
    driven = Driven()
    driven.add([{**at(-26 * 3600, -60), "bytes": 40 * 10**9}])
    traffic = [p for p in driven.flush() if p["measurement"] == "traffic"]
    assert sum(p["bytes"] for p in traffic) == 40 * 10**9
    assert max(p["bytes"] for p in traffic) < 40 * 10**9 / 1400
    assert min(p["time"] for p in traffic) >= NOW - (AGE + 60) * SECOND


def test_what_is_redated_or_undated_is_counted_by_exporter():
    driven = Driven()
    flows = flows_of([at(-5, -2), at(-5, 61), at(-5, -2)])
    flows.dated[2] = False
    enriched, _ = driven.enricher.enrich(flows, {})
    driven.aggregator.add(enriched)
    points = driven.flush()
    (exporter,) = (p for p in points if p["measurement"] == "exporters")
    assert (exporter["redated"], exporter["undated"]) == (1, 1)
    assert sum(p["redated_bytes"] for p in points if p["measurement"] == "traffic") == 1000
