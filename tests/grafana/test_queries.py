"""Every query of every dashboard, variables filled in: through a real Grafana, else to InfluxDB."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from flowsleuth.config.units import DAY
from flowsleuth.errors import ServiceError
from flowsleuth.grafana.write import files
from grafana.asking import EXPRESSION, Asking
from grafana.filling import Json, Page
from grafana.world import CULPRIT, STORY, World

GREEN = {"network": "Green", "compare": "1d"}

ALWAYS = "10.9.28.23"
"""A server that is heard in every window."""

CHOSEN = {
    "flowsleuth-network": [GREEN],
    "flowsleuth-hunt": [{**STORY, "compare": "1d"}, GREEN, GREEN | {"port": "443"}],
    "flowsleuth-host": [
        GREEN | {"address": CULPRIT},
        {"network": "Servers", "address": ALWAYS, "compare": "1d"},
    ],
}
"""What is chosen on a page, one choice after the other; elsewhere nothing is. The culprit is new,
so nothing of it is there a day before: that takes another choice."""

LATE = "no exporter of the demo reports late"

SILENT: dict[str, str] = {
    f"flowsleuth-wall: Everything: out above, in below: {direction}_young": LATE
    for direction in ("out", "in")
}
"""Queries that answer nothing on the demo's data, and why that is right."""


def panels(board: Json) -> Iterator[Json]:
    for panel in board["panels"]:
        for inner in [panel, *panel.get("panels", [])]:
            if inner.get("targets"):
                yield inner


def variables(board: Json) -> Iterator[Json]:
    """Yield each variable that asks, as a panel of one query."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            target = {
                "refId": "A",
                "datasource": {"type": "influxdb", "uid": "${datasource}"},
                "rawQuery": True,
                "query": variable["query"],
                "resultFormat": "table",
            }
            yield {"title": f"variable {variable['name']}", "targets": [target]}


@pytest.mark.parametrize("name", sorted(files()))
def test_every_query_answers(world: World, asking: Asking, name: str) -> None:
    board = json.loads(files()[name])
    pages = [Page(board, chosen) for chosen in CHOSEN.get(board["uid"], [{}])]
    # Some queries are for ranges of more than two days.
    weeks = replace(world.window, begin_ns=world.now_ns - 14 * DAY)
    wrong = []
    for panel in [*panels(board), *variables(board)]:
        try:
            answered = [asking.answers(panel["targets"], page, world.window) for page in pages]
        except ServiceError as error:
            wrong.append(f"{panel['title']}: {error}")
            continue
        for target in panel["targets"]:
            if target["datasource"]["uid"] == EXPRESSION:
                continue  # what is calm has no rows: test_wall.py says which have
            title = f"{panel['title']}: {target['refId']}"
            found = any(answers.get(target["refId"]) for answers in answered) or any(
                asking.answers([target], page, weeks).get(target["refId"]) for page in pages
            )
            if found == (f"{board['uid']}: {title}" in SILENT):
                said = "rows" if found else "no rows"
                wrong.append(f"{title}: {said}\n    {pages[0].fill(target['query'], world.window)}")
    assert not wrong, "\n".join(wrong)
