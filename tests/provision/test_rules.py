"""Rules between the files' names of things and the API's."""

import pytest

from flowsleuth.provision import rules

FILED = {
    "uid": "flowsleuth-x",
    "title": "Costs $$5 in $CITY",
    "condition": "T",
    "for": "90s",
    "keepFiringFor": "5m",
    "missing_series_evals_to_resolve": 2,
    "dashboardUid": "flowsleuth-wall",
    "panelId": 3,
    "labels": {"team": "{{ $$labels.site }}", "severity": "info"},
    "annotations": {"summary": "{{ $labels.network }}"},
    "data": [
        {
            "refId": "A",
            "relativeTimeRange": {"from": 60, "to": 0},
            "datasourceUid": "flowsleuth",
            "model": {"refId": "A", "query": "SELECT 1"},
        },
        {"refId": "T", "datasourceUid": "__expr__", "model": {"refId": "T", "type": "threshold"}},
    ],
}


def test_a_files_rule_becomes_the_apis(monkeypatch):
    monkeypatch.setenv("CITY", "Rome")
    rule = rules.from_file(FILED, "flowsleuth-alerts", "fast")
    assert rule["title"] == "Costs $5 in Rome"
    assert rule["labels"] == {"team": "{{ $labels.site }}", "severity": "info"}
    assert rule["annotations"] == {
        "summary": "{{ $labels.network }}",  # files do not replace anything here
        "__dashboardUid__": "flowsleuth-wall",
        "__panelId__": "3",
    }
    assert (rule["folderUID"], rule["ruleGroup"]) == ("flowsleuth-alerts", "fast")
    assert (rule["keep_firing_for"], rule["missingSeriesEvalsToResolve"]) == ("5m", 2)
    assert rule["data"][0]["model"]["intervalMs"] == 1000
    assert not {"keepFiringFor", "dashboardUid", "panelId"} & rule.keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("1m30s", 90),
        ("1d", 86_400),
        ("0s", 0),
        ("1h", 3600),
        ("250ms", 0.25),
        (60, 60),
    ],
)
def test_durations(text, expected):
    assert rules.seconds(text) == expected


def test_durations_are_compared_and_not_their_spelling():
    one = rules.parts(
        {**FILED, "keep_firing_for": "0s", "notification_settings": {"group_wait": "60s"}}
    )
    other = rules.parts({**FILED, "for": "1m30s", "notification_settings": {"group_wait": "1m"}})
    assert one == other


def test_a_rule_asks_another_data_source_and_keeps_its_expressions():
    asked = rules.asking(FILED, "theirs", "flowsleuth")["data"]
    assert [query["datasourceUid"] for query in asked] == ["theirs", "__expr__"]
