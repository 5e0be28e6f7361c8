"""The dashboards as files: made from the code, whole, and nothing newer than Grafana 11.0."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowsleuth.grafana.boards import SCHEMA_VERSION
from flowsleuth.grafana.influxql import LABELS
from flowsleuth.grafana.links import KEPT, UIDS
from flowsleuth.grafana.write import files
from flowsleuth.schema import BY_NAME

Json = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "dashboards"

CORE_PANELS = {
    "alertlist", "barchart", "bargauge", "dashlist", "gauge", "heatmap", "histogram", "logs",
    "nodeGraph", "piechart", "row", "stat", "state-timeline", "status-history", "table", "text",
    "timeseries", "trend", "xychart",
}  # fmt: skip
"""Panels in Grafana 11.0's core (public/app/plugins/panel of its source)."""

TRANSFORMATIONS = {
    "calculateField", "concatenate", "configFromData", "convertFieldType", "extractFields",
    "fieldLookup", "filterByRefId", "filterByValue", "filterFieldsByName", "formatTime",
    "groupBy", "groupingToMatrix", "groupToNestedTable", "histogram", "joinByField",
    "joinByLabels", "labelsToFields", "limit", "merge", "organize", "partitionByValues",
    "prepareTimeSeries", "reduce", "renameByRegex", "rowsToFields", "seriesToRows", "sortBy",
    "spatial", "timeSeriesTable",
}  # fmt: skip
"""Transformations of Grafana 11.0 (packages/grafana-data, transformers/ids.ts of its source)."""

WORDLESS = {"row"}
"""Panels without anything to describe."""

WITHOUT_UNIT = {"row", "text", "alertlist", "dashlist", "table", "state-timeline"}
"""Panels whose numbers, if any, have their units by the column."""

ALIASES = re.compile(r'AS "([^"]+)"')
QUOTED = re.compile(r'"([^"]+)"')
FROM = re.compile(r'FROM (?:\$\{detail\})?"([^"]+)"')


def boards() -> list[Json]:
    return [json.loads(text) for text in files().values()]


def panels(board: Json) -> Iterator[Json]:
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def each_panel() -> list[Any]:
    return [
        pytest.param(board, panel, id=f"{board['uid']}: {panel.get('title')}")
        for board in boards()
        for panel in panels(board)
    ]


def queries(value: Any) -> Iterator[str]:
    """Yield every InfluxQL query in a dashboard, wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"query", "definition"} and isinstance(inner, str) and "SELECT" in inner:
                yield inner
            else:
                yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


def test_the_files_are_what_the_code_makes() -> None:
    made = files()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert there == made, "run: python -m flowsleuth.grafana.write dashboards"


def test_every_page_that_links_name_is_there() -> None:
    assert {board["uid"] for board in boards()} == set(UIDS.values())


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_what_is_stamped_on_all(board: Json) -> None:
    assert board["schemaVersion"] == SCHEMA_VERSION
    assert board["tags"] == ["flowsleuth"]
    assert board["timezone"] == "browser"
    assert board["description"]
    assert {v["name"] for v in board["templating"]["list"]} >= {"datasource", "window", "detail"}
    numbers = [panel["id"] for panel in panels(board)]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_links_lead_to_pages_that_are_there(board: Json) -> None:
    linked = set(re.findall(r"/d/([\w-]+)", json.dumps(board)))
    assert linked <= set(UIDS.values())
    names = {v["name"] for v in board["templating"]["list"]}
    text = json.dumps([board["panels"], board["links"]])
    handed_on = set(re.findall(r"\$\{(\w+):queryparam\}", text))
    assert handed_on <= names, "a link hands on a variable that this page has not"


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_panels_do_not_overlap(board: Json) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("board", "panel"), each_panel())
def test_a_panel_says_what_it_shows(board: Json, panel: Json) -> None:
    assert panel["type"] in CORE_PANELS
    if panel["type"] in WORDLESS:
        return
    assert panel["title"].strip()
    assert len(panel["description"].split()) >= 5
    assert panel["fieldConfig"]["defaults"].get("noValue")
    if panel["type"] not in WITHOUT_UNIT:
        assert panel["fieldConfig"]["defaults"].get("unit")


@pytest.mark.parametrize(("board", "panel"), each_panel())
def test_a_panel_is_no_newer_than_grafana_11_0(board: Json, panel: Json) -> None:
    used = {t["id"] for t in panel.get("transformations", [])}
    assert used <= TRANSFORMATIONS


MARKED = ("flowsleuth-network", "flowsleuth-hunt")
"""Pages whose first panel an alert marks and leads to: its rule names the panel by its id."""


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_alerts_and_restarts_are_marked(board: Json) -> None:
    marks = {note["name"]: note for note in board["annotations"]["list"]}
    assert marks["Annotations & Alerts"]["enable"]
    assert 'FROM "events"' in marks["Ingester"]["target"]["query"]
    late = [note for name, note in marks.items() if name.startswith("Not complete")]
    has_network = any(v["name"] == "network" for v in board["templating"]["list"])
    assert bool(late) == has_network
    first = min(board["panels"], key=lambda panel: panel["id"])
    assert board["uid"] not in MARKED or (first["id"], first["type"]) == (1, "timeseries")


@pytest.mark.parametrize(("board", "panel"), each_panel())
def test_a_click_on_a_spike_narrows_the_window_and_keeps_the_filters(
    board: Json, panel: Json
) -> None:
    if panel["type"] not in {"timeseries", "barchart"}:
        return
    links = [link["url"] for link in panel["fieldConfig"]["defaults"]["links"]]
    narrow = next(link for link in links if "time=${__value.time}&time.window=" in link)
    chosen = {v["name"] for v in board["templating"]["list"]} & {*KEPT}
    assert {name for name in chosen if f"${{{name}:queryparam}}" not in narrow} == set()


PAGES = {
    "Network": "network",
    "Direction": "network",
    "Protocol": "hunt",
    "Address": "host",
    "Peer": "host",
    "Port": "hunt",
}
"""The page that a cell leads to, by the column's heading."""


@pytest.mark.parametrize(("board", "panel"), each_panel())
def test_a_cell_leads_to_its_page_with_window_and_variables(board: Json, panel: Json) -> None:
    if panel["type"] != "table" or panel["title"].endswith("interfaces"):
        return
    names = next(t for t in panel["transformations"] if t["id"] == "organize")["options"]
    shown = {*names["renameByName"].values()} & {*PAGES}
    properties = {
        override["matcher"]["options"]: {p["id"]: p["value"] for p in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    for heading in shown:
        (link,) = properties[heading]["links"]
        assert link["url"].startswith(f"/d/{UIDS[PAGES[heading]]}?")
        assert "${__url_time_range}" in link["url"]
        assert "var-" in link["url"]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_ad_hoc_filters_reach_all_points(board: Json) -> None:
    if not any(v["type"] == "adhoc" for v in board["templating"]["list"]):
        return
    # Grafana puts them behind the first WHERE, and nowhere else.
    for query in [q for panel in panels(board) for q in queries(panel)]:
        (measurement,) = re.finditer(FROM, query)
        assert query.index("WHERE") > measurement.start()


@pytest.mark.parametrize(("board", "panel"), each_panel())
def test_no_data_source_is_named(board: Json, panel: Json) -> None:
    sources = [panel.get("datasource"), *(t.get("datasource") for t in panel.get("targets", []))]
    named = {source["uid"] for source in sources if source}
    assert named <= {"${datasource}", "__expr__", "-- Mixed --", "-- Dashboard --", "-- Grafana --"}


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_queries_ask_only_for_what_the_schema_has(board: Json) -> None:
    asked = list(queries(board))
    assert asked
    for query in asked:
        measurements = FROM.findall(query)
        assert measurements, query
        assert set(measurements) <= set(BY_NAME), query
        known = set(LABELS) | set(ALIASES.findall(query)) | {"time"}
        for name in measurements:
            known |= {name, "detail", *BY_NAME[name].tags}
            known |= {field.name for field in BY_NAME[name].fields}
        assert set(QUOTED.findall(query)) <= known, query
